package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/fading"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	order "github.com/byre-messenger/byre/internal/room"
	"github.com/byre-messenger/byre/internal/wire"
)

func (e *engine) loadFading(ctx context.Context) error {
	var rec wire.TimeRecord
	if _, err := e.home.Get(ctx, e.home.Key(home.Time), &rec); err != nil {
		return err
	}
	e.fading = fading.Open(&rec, e.clock.Now())
	for it, err := range e.home.All(ctx, home.Dying) {
		var rec wire.DyingRecord
		if err == nil {
			err = rec.Parse(it.Record)
		}
		if err != nil {
			return errors.Join(home.ErrDamaged, err)
		}
		e.fading.Runs(fading.Spot{Room: ident.RoomID(rec.Room), At: rec.Position}, &rec)
	}
	e.planFading()
	return nil
}

// planFading looks again when the next message is due.
func (e *engine) planFading() {
	if e.stopFades != nil {
		e.stopFades()
	}
	wait, then, ok := e.fading.Wait()
	if !ok {
		return
	}
	e.stopFades = e.clock.AfterFunc(wait, func() {
		e.post(func(tx *txn) error { return tx.fade(then) })
	})
}

// fade deletes what is due.
//
// F1: it is gone, and how far time has run. A crash before this commit leaves it
// to the next opening, at which the time between counts.
func (tx *txn) fade(atLeast time.Duration) error {
	due := tx.fading.Due(tx.now, atLeast)
	tx.Put(tx.home.Key(home.Time), tx.fading.Record())
	for _, s := range due {
		t, ok := tx.talks[s.Room]
		if !ok {
			continue
		}
		rec, content, err := tx.storedMessage(t, s.At)
		if err != nil {
			return err
		}
		tx.entomb(t, s.At, rec, content, wire.GoneHere)
	}
	tx.then(tx.planFading)
	return nil
}

// startFading counts the time of a message that was read, unless it is counted
// already or stays for good, and reports whether it began.
func (tx *txn) startFading(t *talk, at uint64, rec *wire.MessageRecord, c *wire.Content) bool {
	secs := deeds.Disappears(c)
	if secs == 0 || rec.DiesAt != 0 || rec.Gone != wire.GoneNot {
		return false
	}
	for _, x := range t.outbox {
		if x.Rec.Position == at {
			return false // it must be sent first
		}
	}
	rec.DiesAt = tx.fading.Begin(fading.Spot{Room: t.ID, At: at}, tx.now, time.Duration(secs)*time.Second) //nolint:gosec // bounded
	tx.putMessage(t, at, rec)
	tx.Put(tx.home.Key(home.Dying, t.ID[:]).At(at), &wire.DyingRecord{Room: t.ID[:], Position: at, DiesAt: rec.DiesAt})
	tx.Put(tx.home.Key(home.Time), tx.fading.Record())
	tx.then(tx.planFading)
	return true
}

func (tx *txn) stopFading(t *talk, at uint64) {
	if tx.fading.Stop(fading.Spot{Room: t.ID, At: at}) {
		tx.Delete(tx.home.Key(home.Dying, t.ID[:]).At(at))
	}
}

// Seen says that the owner was shown the messages of a conversation from one
// position up to the one before end: the time of those that disappear begins,
// and with tell their writers learn of it; without, nobody learns any more what the
// owner was shown before, here or elsewhere. It returns those whose time began now.
// See [Config.Seen].
func (c *Client) Seen(ctx context.Context, to string, from, end uint64, tell bool) (begun []told.Message, err error) {
	err = c.e.look(ctx, func(tx *txn) error {
		t, ok := tx.known(to)
		if !ok {
			return fmt.Errorf("%w: %s", why.ErrUnknownRoom, to)
		}
		if begun, err = tx.seen(t, from, min(end, t.next), tell); err != nil {
			return err
		} else if !tell {
			return tx.hush()
		}
		tx.offerSoon(t)
		return nil
	})
	return begun, err
}

// Hush says that the owner wants nobody to learn any more what they were shown, also
// what is still owed of it.
func (c *Client) Hush(ctx context.Context) error { return c.e.look(ctx, (*txn).hush) }

func (tx *txn) hush() error {
	for _, t := range tx.talks {
		if !t.order.Unsaid() {
			continue
		}
		if err := tx.happen(t, order.Hush{}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (tx *txn) seen(t *talk, from, end uint64, tell bool) (begun []told.Message, err error) {
	upTo := map[string]uint64{}
	for at := from; at < end; at++ {
		rec, content, err := tx.storedMessage(t, at)
		if err != nil {
			return nil, err
		}
		if string(rec.Account) != string(tx.me.Account[:]) {
			upTo[string(rec.Device)] = max(upTo[string(rec.Device)], content.Seq)
		}
		if tell && string(rec.Account) != string(tx.me.Account[:]) {
			if err := tx.happen(t, order.Look{Device: ident.DeviceID(rec.Device), Seq: content.Seq}, nil); err != nil {
				return nil, err
			}
		}
		if tx.startFading(t, at, rec, content) {
			m, err := tx.messageOf(rec, content)
			if err != nil {
				return nil, err
			}
			begun = append(begun, m)
		}
	}
	return begun, tx.raise(t, upTo)
}
