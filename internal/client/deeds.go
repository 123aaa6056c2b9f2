package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/pages"
	"github.com/byre-messenger/byre/internal/client/trust"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	order "github.com/byre-messenger/byre/internal/room"
	"github.com/byre-messenger/byre/internal/wire"
)

// Delete deletes a message here: when it returns, no key that is left opens what
// was written of it. With everyone it must be one of the owner's, and every
// device that has it is asked for the same; what still waits at the server is
// withdrawn. One that was not sent yet is never sent, either way.
func (c *Client) Delete(ctx context.Context, id ident.MessageID, everyone bool) error {
	return c.e.deed(ctx, func(tx *txn) error { return tx.deleteMessage(id, everyone) })
}

// Clear deletes all messages of a conversation here, as Delete does.
func (c *Client) Clear(ctx context.Context, to string) error {
	return c.e.deed(ctx, func(tx *txn) error {
		t, ok := tx.known(to)
		if !ok {
			return fmt.Errorf("%w: %s", why.ErrUnknownRoom, to)
		}
		for position, err := range tx.archive().Positions(t.Room, t.next) {
			if err != nil {
				return err
			}
			rec, content, err := tx.storedMessage(t, position)
			if err != nil {
				return err
			}
			if rec.Gone != wire.GoneHere && !deeds.Hidden(content) {
				if err := tx.takeBack(t, rec, content, false); err != nil {
					return err
				}
				tx.entomb(t, position, rec, content, wire.GoneHere)
			}
		}
		return nil
	})
}

// Edit gives one of the owner's messages another text, here and for everyone.
func (c *Client) Edit(ctx context.Context, id ident.MessageID, text string) error {
	if err := checkText(text); err != nil {
		return err
	}
	return c.e.deed(ctx, func(tx *txn) error {
		t, at, rec, content, err := tx.living(id)
		if err != nil {
			return err
		}
		if string(rec.Account) != string(tx.me.Account[:]) {
			return deeds.ErrNotYours
		}
		if !tx.edit(t, at, rec, content, text) {
			return nil
		}
		return tx.act(t, &wire.Edit{Target: id[:], Text: text})
	})
}

// React answers a message with an emoji; an empty one takes the answer back.
func (c *Client) React(ctx context.Context, id ident.MessageID, emoji string) error {
	if err := deeds.CheckEmoji(emoji); err != nil {
		return err
	}
	return c.e.deed(ctx, func(tx *txn) error {
		t, at, rec, _, err := tx.living(id)
		if err != nil || !deeds.React(rec, tx.me.Account, emoji) {
			return err
		}
		tx.putMessage(t, at, rec)
		return tx.act(t, &wire.React{Target: id[:], Emoji: emoji})
	})
}

// MarkRead tells the others of a conversation that all of it was read here, and
// starts the time of what disappears.
func (c *Client) MarkRead(ctx context.Context, to string) error {
	return c.e.deed(ctx, func(tx *txn) error {
		t, ok := tx.known(to)
		if !ok {
			return fmt.Errorf("%w: %s", why.ErrUnknownRoom, to)
		}
		mark := &wire.ReadMark{UpTo: order.Wire(slices.DeleteFunc(t.order.Heard(tx.me.Device), func(r order.Receipt) bool { return r.Device == tx.me.Device }))}
		if _, err := tx.seen(t, 0, t.next, true); err != nil {
			return err
		}
		return tx.act(t, mark)
	})
}

// Disappear sets how long messages of a conversation stay once they were read,
// for all its members and what is written from now on; 0 is for good.
func (c *Client) Disappear(ctx context.Context, to string, after time.Duration) error {
	if err := deeds.CheckDisappear(after); err != nil {
		return err
	}
	return c.e.deed(ctx, func(tx *txn) error {
		t, ok := tx.known(to)
		if !ok {
			return fmt.Errorf("%w: %s", why.ErrUnknownRoom, to)
		}
		t.disappear = uint64(after / time.Second) //nolint:gosec // checked
		tx.talked[t] = true
		return tx.act(t, &wire.Disappear{Seconds: t.disappear})
	})
}

// deed is one thing that a person does.
//
// X1: what it changes here, and, where others are to know of it, its place in
// the outbox. A crash before this commit leaves nothing of it; one behind it has
// the keys that it spoilt destroyed at the next opening.
func (e *engine) deed(ctx context.Context, fn func(*txn) error) error {
	return e.do(ctx, func(tx *txn) error {
		if tx.signIn.OldCopy {
			return why.ErrOldCopy
		}
		tx.shredding.now = true
		return fn(tx)
	})
}

// act tells the others of a conversation what was done.
func (tx *txn) act(t *talk, body wire.ContentBody) error {
	id := ident.NewMessageID()
	x := tx.queue(id)
	if err := tx.place(t, x, &wire.Content{Id: id[:], SentAt: tx.now.UnixMilli(), Body: body}); err != nil {
		return err
	}
	tx.pump(t)
	tx.wake()
	return nil
}

func (tx *txn) putMessage(t *talk, at uint64, rec *wire.MessageRecord) {
	if rec.AsOf != 0 { // of another device: this one knows it better now
		rec.AsOf = tx.now.UnixMilli()
	}
	tx.Put(tx.home.Key(home.Message, t.ID[:]).At(at), rec)
}

// living finds a message that is there.
func (tx *txn) living(id ident.MessageID) (*talk, uint64, *wire.MessageRecord, *wire.Content, error) {
	at, err := pages.Find(tx.ctx, tx, tx.home, id[:])
	if err != nil {
		return nil, 0, nil, nil, err
	}
	if at == nil {
		return nil, 0, nil, nil, why.ErrUnknownMessage
	}
	t, ok := tx.talks[ident.RoomID(at.Room)]
	if !ok {
		return nil, 0, nil, nil, home.ErrDamaged
	}
	rec, content, err := tx.storedMessage(t, at.Position)
	if err == nil && (rec.Gone != wire.GoneNot || deeds.Hidden(content)) {
		err = why.ErrUnknownMessage
	}
	return t, at.Position, rec, content, err
}

func (tx *txn) deleteMessage(id ident.MessageID, everyone bool) error {
	if x := outbox.Find(tx.unresolved, id); x != nil {
		tx.unresolved = outbox.Without(tx.unresolved, x)
		tx.dropped[id], x.Gone = why.ErrUnknownMessage, true
		tx.Delete(tx.home.Key(home.Outbox).At(x.At))
		return nil
	}
	t, at, rec, content, err := tx.living(id)
	if err != nil {
		return err
	}
	why := wire.GoneHere
	if everyone {
		if why = wire.GoneEverywhere; string(rec.Account) != string(tx.me.Account[:]) {
			return deeds.ErrNotYours
		}
	}
	if err := tx.takeBack(t, rec, content, everyone); err != nil {
		return err
	}
	tx.entomb(t, at, rec, content, why)
	return nil
}

// takeBack asks every device to delete an own message: with always, and where it
// is not sent to all of them yet.
func (tx *txn) takeBack(t *talk, rec *wire.MessageRecord, c *wire.Content, always bool) error {
	if x := outbox.Find(t.outbox, ident.MessageID(c.Id)); x != nil {
		for d := range x.Flying { // it may be there by now
			rec.Outcomes = append(rec.Outcomes, wire.DeviceOutcome{Device: d[:]})
			tx.putMessage(t, x.Rec.Position, rec)
		}
		tx.complete(t, x)
	} else if !always {
		return nil
	}
	return tx.act(t, &wire.Erase{Items: []wire.Erased{{Id: c.Id, Device: rec.Device, Seq: c.Seq}}})
}

// entomb leaves of a message its place alone.
func (tx *txn) entomb(t *talk, at uint64, rec *wire.MessageRecord, c *wire.Content, why wire.Gone) {
	tx.shredding.now = true
	k := tx.home.Key(home.Message, t.ID[:])
	tx.Forget(k, home.PartOf(rec))
	left := deeds.Tomb(rec, c.Id, c.Seq, why)
	if why == wire.GoneEverywhere {
		left.Withdraw, left.Outcomes = rec.Withdraw, rec.Outcomes // until the others were asked
	}
	tx.putMessage(t, at, left)
	tx.stopFading(t, at)
	for _, x := range t.outbox { // what was said of it goes as well
		about, content, err := tx.storedMessage(t, x.Rec.Position)
		if err != nil {
			continue
		}
		if body, ok := deeds.About(content, c.Id); ok {
			content.Body = body
			tx.Forget(k, home.PartOf(about))
			about.Content = content.Append(nil)
			tx.putMessage(t, x.Rec.Position, about)
		}
	}
}

// edit gives a message another text; the old one is to open no more.
func (tx *txn) edit(t *talk, at uint64, rec *wire.MessageRecord, c *wire.Content, text string) bool {
	if !deeds.Edit(rec, c, text, tx.now) {
		return false
	}
	tx.shredding.now = true
	tx.Forget(tx.home.Key(home.Message, t.ID[:]), home.PartOf(rec))
	tx.putMessage(t, at, rec)
	return true
}

// erased does what another device asks: only what its own account wrote is
// deleted. What never came is known from now on, and leaves no hole.
func (tx *txn) erased(t *talk, from account.Member, e *wire.Erase) error {
	for _, item := range e.Items {
		id, err := ident.MessageIDFrom(item.Id)
		d, err2 := ident.DeviceIDFrom(item.Device)
		if err != nil || err2 != nil || item.Seq == 0 {
			continue
		}
		room, at, rec, content, err := tx.living(id)
		switch {
		case errors.Is(err, why.ErrUnknownMessage):
			if err := tx.erasedUnseen(t, from, d, item); err != nil {
				return err
			}
		case err != nil:
			return err
		case room == t && string(rec.Account) == string(from.Account[:]):
			tx.entomb(t, at, rec, content, wire.GoneEverywhere)
			tx.changed(wire.ChangeDeleted, t, item.Id, from.Account, 0)
		}
	}
	return nil
}

// erasedUnseen notes that a message is deleted that was not shown here.
func (tx *txn) erasedUnseen(t *talk, from account.Member, d ident.DeviceID, item wire.Erased) error {
	if a, ok := tx.accountOf(t, d); !ok {
		return tx.archive().Bury(t.Room, from, item.Id)
	} else if a != from.Account || d == tx.me.Device {
		return nil
	}
	left := deeds.Tomb(&wire.MessageRecord{Room: t.ID[:], Account: from.Account[:], Device: d[:]}, item.Id, item.Seq, wire.GoneEverywhere)
	var early wire.MessageRecord
	k := tx.home.Key(home.Early, t.ID[:], d[:])
	held, err := tx.Get(tx.ctx, k.At(item.Seq), &early)
	if err != nil {
		return err
	}
	if held {
		tx.Forget(k, 0)
		tx.Put(k.At(item.Seq), left)
		return nil
	}
	return tx.happen(t, order.Arrive{Device: d, Seq: item.Seq, At: tx.now}, left)
}

// done carries out what a member did to messages, when its turn has come.
func (tx *txn) done(t *talk, rec *wire.MessageRecord, c *wire.Content) error {
	by, err := ident.AccountIDFrom(rec.Account)
	if err != nil {
		return errors.Join(home.ErrDamaged, err)
	}
	var target []byte
	switch body := c.Body.(type) {
	case *wire.Edit:
		target = body.Target
	case *wire.React:
		target = body.Target
	case *wire.ReadMark:
		for _, r := range body.UpTo {
			if err := tx.confirm(t, ident.DeviceID(rec.Device), r, false); err != nil {
				return err
			}
		}
		return nil
	case *wire.Disappear:
		t.disappear = min(body.Seconds, uint64(deeds.MaxDisappear/time.Second))
		tx.talked[t] = true
		tx.changed(wire.ChangeDisappear, t, nil, by, t.disappear)
		return nil
	default:
		return nil
	}
	id, err := ident.MessageIDFrom(target)
	if err != nil {
		return nil //nolint:nilerr // garbage of a member
	}
	room, at, old, content, err := tx.living(id)
	if errors.Is(err, why.ErrUnknownMessage) || err == nil && room != t {
		return nil
	} else if err != nil {
		return err
	}
	switch body := c.Body.(type) {
	case *wire.Edit:
		if string(old.Account) == string(by[:]) && len(body.Text) <= maxText && tx.edit(t, at, old, content, body.Text) {
			tx.changed(wire.ChangeEdited, t, target, by, 0)
		}
	case *wire.React:
		if deeds.React(old, by, body.Emoji) {
			tx.putMessage(t, at, old)
			tx.changed(wire.ChangeReaction, t, target, by, 0)
		}
	case *wire.Disappear, *wire.Erase, *wire.ReadMark, *wire.Receipt, *wire.Sync, *wire.Text, nil:
	}
	return nil
}

func (tx *txn) changed(what wire.Change, t *talk, id []byte, by ident.AccountID, seconds uint64) {
	tx.tell(&wire.ChangedEvent{Change: what, Room: t.ID[:], Id: id, Account: by[:], Seconds: seconds})
}

// recalled has the relay take back what an Erase names and nobody has confirmed.
// It reports whether there is nothing to ask any more; until then the Erase stays
// in the outbox, so that a later session asks again.
func (tx *txn) recalled(s *session, t *talk, x *outbox.Entry, rec *wire.MessageRecord, c *wire.Content) bool {
	e, ok := c.Body.(*wire.Erase)
	if !ok || x.Recall.Done || tx.now.Sub(time.UnixMilli(rec.ReadAt)) > trust.Retention { // nothing waits for longer
		return true
	}
	if x.Recall.Asked || !x.Recall.Pause.Over(tx.now) {
		return false
	}
	req := &wire.Withdraw{}
	for _, item := range e.Items {
		at, err := pages.Find(tx.ctx, tx, tx.home, item.Id)
		if err != nil || at == nil {
			continue
		}
		rec, _, err := tx.storedMessage(t, at.Position)
		if err == nil {
			req.Items = append(req.Items, deeds.Withdraws(rec)...)
		}
	}
	if x.Recall.Done = len(req.Items) == 0; x.Recall.Done {
		return true
	}
	x.Recall.Asked = true
	tx.then(func() {
		s.request(req, func(tx *txn, body wire.ResponseBody, err error) error {
			tx.withdrawn(t, x, body, err)
			return nil
		})
	})
	return false
}

// withdrawn takes the relay's answer to what was to be taken back.
func (tx *txn) withdrawn(t *talk, x *outbox.Entry, body wire.ResponseBody, err error) {
	x.Recall.Asked = false
	if _, ok := body.(*wire.Withdrawn); err == nil && !ok {
		err = line.ErrAnswer
	}
	refusal, refused := errors.AsType[*line.RefusedError](err)
	x.Recall.Done = err == nil || refused && refusal.Code == wire.FailureMalformed // a relay that knows no withdrawal
	if !x.Recall.Done && tx.session != nil && !errors.Is(err, line.ErrOffline) {
		x.Recall.Pause = x.Recall.Pause.Longer(tx.now, line.RetryAfter(err))
		tx.wakeAt(x.Recall.Pause)
		tx.entryProblem(x, t.ID, why.Stays(tx.nameOf(t), err))
	}
	tx.pumpAll() // a new session may have found it asked
}
