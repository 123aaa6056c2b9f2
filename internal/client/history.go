package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/groups"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/ours"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/pages"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// record writes a message to the history and returns where it stands.
func (tx *txn) record(t *talk, rec *wire.MessageRecord, d ident.DeviceID, seq uint64, id ident.MessageID) uint64 {
	pages.Write(tx.Tx, tx.home, t.next, rec, d, seq, id)
	t.next++
	tx.talked[t] = true
	return t.next - 1
}

// show writes a message that came to the history and tells the owner, unless
// its sender's message of this id is there already.
func (tx *txn) show(t *talk, rec *wire.MessageRecord, d ident.DeviceID, seq uint64) error {
	var content wire.Content
	if err := content.Parse(rec.Content); err != nil {
		return errors.Join(home.ErrDamaged, err)
	}
	id, err := ident.MessageIDFrom(content.Id)
	if err != nil {
		return err
	}
	at, err := pages.Find(tx.ctx, tx, tx.home, id[:])
	if err != nil {
		return err
	}
	if at != nil {
		var old wire.MessageRecord
		ok, err := tx.Get(tx.ctx, tx.home.Key(home.Message, at.Room).At(at.Position), &old)
		if err != nil {
			return err
		}
		if ok && slices.Equal(old.Device, rec.Device) {
			return nil
		}
		// Another device uses an id that is taken, so it gets one of its own:
		// nobody can hide or replace what somebody else wrote.
		id = ident.NewMessageID()
		content.Id = id[:]
		rec.Content = content.Append(nil)
	}
	if rec.Gone != wire.GoneNot || deeds.Hidden(&content) {
		if err := tx.done(t, rec, &content); err != nil {
			return err
		}
		tx.record(t, deeds.Tomb(rec, id[:], seq, max(rec.Gone, wire.GoneHere)), d, seq, id)
		return nil
	}
	if deeds.Disappears(&content) > 0 {
		rec.Key = t.next + 1
	}
	position := tx.record(t, rec, d, seq, id)
	if tx.ours.SeenUpTo(t.ID, d, t.order.UpTo(d)) >= seq { // on another device
		tx.startFading(t, position, rec, &content)
	}
	tx.tell(&wire.MessageEvent{Room: t.ID[:], Position: position})
	return nil
}

// storedMessage reads a message as this transaction will leave it.
func (tx *txn) storedMessage(t *talk, position uint64) (*wire.MessageRecord, *wire.Content, error) {
	return pages.Read(tx.ctx, tx.Tx, tx.home, t.ID, position)
}

// messageOf turns a record into what callers see. It runs in the loop.
func (tx *txn) messageOf(rec *wire.MessageRecord, c *wire.Content) (told.Message, error) {
	m, err := told.MessageOf(rec, c)
	if err != nil {
		return m, errors.Join(home.ErrDamaged, err)
	}
	m.FromName, m.Own = tx.people.Called(m.From), m.Device == tx.me.Device
	t := tx.talks[m.Room]
	if t != nil {
		m.Seen = m.From != tx.me.Account && tx.ours.SeenUpTo(t.ID, m.Device, t.order.UpTo(m.Device)) >= c.Seq
		m.To = tx.nameOf(t)
		if m.Own {
			m.Unseen = groups.Missing(t.groups, t.Accounts, tx.me.Account, func(d ident.DeviceID) bool { return t.order.SeenBy(d) >= c.Seq })
		}
	}
	if m.Own {
		tx.outcomesOf(&m, t, rec)
	}
	return m, nil
}

// outcomesOf fills in what became of an own message.
func (tx *txn) outcomesOf(m *told.Message, t *talk, rec *wire.MessageRecord) {
	var pending []ident.DeviceID
	if x := outbox.Find(t.outbox, m.ID); x != nil {
		m.Queued, m.Problem = true, x.Rec.Problem
		if g := t.sending(); g != nil {
			pending = g.Others()
		}
	}
	m.Devices = told.OutcomesOf(rec, pending, func(d ident.DeviceID) ident.AccountID {
		a, _ := tx.accountOf(t, d)
		return a
	})
}

// unresolvedMessage is a message whose receiver is not known yet.
func (tx *txn) unresolvedMessage(x *outbox.Entry) (told.Message, error) {
	var c wire.Content
	if err := c.Parse(x.Rec.Content); err != nil {
		return told.Message{}, errors.Join(home.ErrDamaged, err)
	}
	rec := &wire.MessageRecord{Account: tx.me.Account[:], Device: make([]byte, ident.DeviceSize), Room: make([]byte, ident.RoomSize)}
	m, err := tx.messageOf(rec, &c)
	m.Device, m.Own, m.To, m.Queued, m.Problem = tx.me.Device, true, x.Rec.Name, true, x.Rec.Problem
	m.ReadAt = m.SentAt
	return m, err
}

func (tx *txn) find(id ident.MessageID) (told.Message, error) {
	if why, ok := tx.dropped[id]; ok {
		return told.Message{}, why
	}
	if x := outbox.Find(tx.unresolved, id); x != nil {
		return tx.unresolvedMessage(x)
	}
	at, err := pages.Find(tx.ctx, tx, tx.home, id[:])
	if err != nil {
		return told.Message{}, err
	}
	if at == nil {
		return told.Message{}, why.ErrUnknownMessage
	}
	return tx.messageFrom(at)
}

func (tx *txn) messageFrom(at *wire.IndexRecord) (told.Message, error) {
	t, ok := tx.talks[ident.RoomID(at.Room)]
	if !ok {
		return told.Message{}, home.ErrDamaged
	}
	rec, c, err := tx.storedMessage(t, at.Position)
	if err != nil {
		return told.Message{}, err
	}
	m, err := tx.messageOf(rec, c)
	m.Position = at.Position
	return m, err
}

// Message returns one message.
func (c *Client) Message(ctx context.Context, id ident.MessageID) (m told.Message, err error) {
	err = c.e.look(ctx, func(tx *txn) (err error) {
		m, err = tx.find(id)
		return err
	})
	return m, err
}

// WaitFor returns the message as it stands once cond holds for it, or ctx's
// error, or what became of it. It does not connect.
func (c *Client) WaitFor(ctx context.Context, id ident.MessageID, cond func(told.Message) bool) (told.Message, error) {
	for {
		rung := c.e.bell.Next()
		m, err := c.Message(ctx, id)
		if err != nil || cond(m) {
			return m, err
		}
		if err := c.e.until(ctx, rung); err != nil {
			return m, err
		}
	}
}

// Page returns at most limit messages of a conversation from the one at a
// position on, and how many it has.
func (c *Client) Page(ctx context.Context, to string, from uint64, limit int) (list []told.Message, total uint64, err error) {
	return c.e.page(ctx, to, from, limit, time.Time{})
}

func (e *engine) page(ctx context.Context, to string, from uint64, limit int, since time.Time) (out []told.Message, total uint64, err error) {
	err = e.look(ctx, func(tx *txn) error {
		t, ok := tx.known(to)
		if !ok {
			return fmt.Errorf("%w: %s", why.ErrUnknownRoom, to)
		}
		total = t.next
		for it, err := range tx.home.From(tx.ctx, tx.home.Key(home.Message, t.ID[:]), from, limit) {
			if err != nil {
				return err
			}
			if it.N >= t.next {
				break // what others handed on: see package past
			}
			var rec wire.MessageRecord
			var c wire.Content
			if err := errors.Join(rec.Parse(it.Record), c.Parse(rec.Content)); err != nil {
				return errors.Join(home.ErrDamaged, err)
			}
			if time.UnixMilli(rec.ReadAt).Before(since) {
				continue
			}
			m, err := tx.messageOf(&rec, &c)
			m.Position = it.N
			if err != nil {
				return err
			}
			if m.Deleted && !m.Everywhere {
				continue
			}
			if !e.cfg.Seen {
				tx.startFading(t, it.N, &rec, &c)
			}
			out = append(out, m)
		}
		return nil
	})
	return out, total, err
}

// known finds a conversation without beginning one.
func (tx *txn) known(to string) (*talk, bool) {
	if id, err := ident.ParseRoomID(to); err == nil {
		if t, ok := tx.talks[id]; ok && !t.Home() {
			return t, true
		}
	}
	a, err := tx.people.Find(to)
	if err != nil {
		return nil, false
	}
	t, ok := tx.talks[account.Direct(a, tx.me.Account).ID]
	return t, ok
}

// Outbox returns what is not confirmed yet, oldest first.
func (c *Client) Outbox(ctx context.Context) (out []told.Message, err error) {
	err = c.e.look(ctx, func(tx *txn) error {
		for _, x := range tx.unresolved {
			m, err := tx.unresolvedMessage(x)
			if err != nil {
				return err
			}
			out = append(out, m)
		}
		for _, t := range tx.talks {
			for _, x := range t.outbox {
				m, err := tx.find(x.ID)
				if err != nil {
					return err
				}
				if !m.Deleted {
					out = append(out, m)
				}
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b told.Message) int { return a.SentAt.Compare(b.SentAt) })
	return out, err
}

// Rooms returns the conversations of this device.
func (c *Client) Rooms(ctx context.Context) (out []told.Room, err error) {
	err = c.e.look(ctx, func(tx *txn) error {
		for _, t := range tx.talks {
			if t.Home() {
				continue
			}
			out = append(out, told.Room{ID: t.ID, Name: tx.nameOf(t), Accounts: slices.Clone(t.Accounts), Messages: t.next, Through: tx.through(t)})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b told.Room) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

// Devices returns the devices of the owner's account.
func (c *Client) Devices(ctx context.Context) (out []told.Device, err error) {
	err = c.e.look(ctx, func(tx *txn) error {
		for _, d := range tx.own().View.Listed() {
			out = append(out, told.Device{ID: d.ID, This: d.ID == tx.me.Device, Web: d.Keys.Web, Active: true, By: d.By, Name: string(tx.ours.Get(ours.Key(ours.Name, d.ID[:])))})
		}
		return nil
	})
	return out, err
}
