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
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// record writes a message to the history and returns where it stands.
func (tx *txn) record(t *talk, rec *wire.MessageRecord, d ident.DeviceID, seq uint64, id ident.MessageID) uint64 {
	at := &wire.IndexRecord{Room: t.ID[:], Position: t.next}
	tx.Put(tx.home.Key(home.Message, t.ID[:]).At(t.next), rec)
	tx.Put(tx.home.Key(home.Index, id[:]), at)
	tx.Put(tx.home.Key(home.Number, t.ID[:], d[:]).At(seq), at)
	t.next++
	tx.talked[t] = true
	return at.Position
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
	var at wire.IndexRecord
	known, err := tx.Get(tx.ctx, tx.home.Key(home.Index, id[:]), &at)
	if err != nil {
		return err
	}
	if known {
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
	tx.tell(&wire.MessageEvent{Room: t.ID[:], Position: tx.record(t, rec, d, seq, id)})
	return nil
}

// storedMessage reads a message as this transaction will leave it.
func (tx *txn) storedMessage(t *talk, position uint64) (*wire.MessageRecord, *wire.Content, error) {
	rec, content := &wire.MessageRecord{}, &wire.Content{}
	ok, err := tx.Get(tx.ctx, tx.home.Key(home.Message, t.ID[:]).At(position), rec)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, nil, fmt.Errorf("%w: a message is missing", home.ErrDamaged)
	}
	if err := content.Parse(rec.Content); err != nil {
		return nil, nil, errors.Join(home.ErrDamaged, err)
	}
	return rec, content, nil
}

// messageOf turns a record into what callers see. It runs in the loop.
func (tx *txn) messageOf(rec *wire.MessageRecord, c *wire.Content) (told.Message, error) {
	m, err := told.MessageOf(rec, c)
	if err != nil {
		return m, errors.Join(home.ErrDamaged, err)
	}
	m.FromName, m.Own = tx.personOf(m.From), m.Device == tx.me.Device
	t := tx.talks[m.Room]
	if t != nil {
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
	var at wire.IndexRecord
	ok, err := tx.Get(tx.ctx, tx.home.Key(home.Index, id[:]), &at)
	if err != nil {
		return told.Message{}, err
	}
	if !ok {
		return told.Message{}, why.ErrUnknownMessage
	}
	return tx.messageFrom(&at)
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

func (e *engine) message(ctx context.Context, id ident.MessageID) (m told.Message, err error) {
	err = e.look(ctx, func(tx *txn) (err error) {
		m, err = tx.find(id)
		return err
	})
	return m, err
}

func (e *engine) waitFor(ctx context.Context, id ident.MessageID, cond func(told.Message) bool) (told.Message, error) {
	for {
		rung := e.bell.Next()
		m, err := e.message(ctx, id)
		if err != nil || cond(m) {
			return m, err
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return m, ctx.Err()
		case <-e.stopped:
			return m, e.stoppedBy()
		}
	}
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
		if t, ok := tx.talks[id]; ok {
			return t, true
		}
	}
	a, err := tx.person(to)
	if err != nil {
		return nil, false
	}
	t, ok := tx.talks[account.Direct(a, tx.me.Account).ID]
	return t, ok
}

func (e *engine) outboxMessages(ctx context.Context) (out []told.Message, err error) {
	err = e.look(ctx, func(tx *txn) error {
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

func (e *engine) roomList(ctx context.Context) (out []told.Room, err error) {
	err = e.look(ctx, func(tx *txn) error {
		for _, t := range tx.talks {
			out = append(out, told.Room{ID: t.ID, Name: tx.nameOf(t), Accounts: slices.Clone(t.Accounts), Messages: t.next, Through: tx.through(t)})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b told.Room) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

func (e *engine) deviceList(ctx context.Context) (out []told.Device, err error) {
	err = e.look(ctx, func(tx *txn) error {
		for _, d := range tx.own().View.Listed() {
			out = append(out, told.Device{ID: d.ID, This: d.ID == tx.me.Device, Web: d.Keys.Web, Active: true, By: d.By})
		}
		return nil
	})
	return out, err
}
