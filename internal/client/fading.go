package client

import (
	"context"
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/wire"
)

// fading is the messages whose time runs. Time is what this device saw go by: a
// clock that is set back takes nothing of it away.
type fading struct {
	mark seal.Mark
	due  map[spot]time.Duration // when each disappears, by mark
	stop func() bool            // of the timer
}

// spot is where a message stands.
type spot struct {
	room ident.RoomID
	at   uint64
}

func (e *engine) loadFading(ctx context.Context) error {
	e.fading.due = map[spot]time.Duration{}
	var rec wire.TimeRecord
	ok, err := e.home.Get(ctx, e.home.Key(home.Time), &rec)
	if err != nil {
		return err
	}
	if ok {
		e.fading.mark = seal.Mark{Elapsed: ms(rec.Elapsed), Wall: time.UnixMilli(rec.Wall)}
	}
	e.fading.mark, _ = e.fading.mark.Resume(e.clock.Now(), true) // a device may be off for long
	for it, err := range e.home.All(ctx, home.Dying) {
		var rec wire.DyingRecord
		if err == nil {
			err = rec.Parse(it.Record)
		}
		if err != nil {
			return errors.Join(home.ErrDamaged, err)
		}
		e.fading.due[spot{ident.RoomID(rec.Room), rec.Position}] = ms(rec.DiesAt)
	}
	e.planFading()
	return nil
}

func ms(n uint64) time.Duration { return time.Duration(min(n, 1<<50)) * time.Millisecond }

// planFading looks again when the next message is due, and every minute: how far
// time has run is durable then.
func (e *engine) planFading() {
	if e.fading.stop != nil {
		e.fading.stop()
	}
	if len(e.fading.due) == 0 {
		return
	}
	wait := seal.MarkTime
	for _, at := range e.fading.due {
		wait = min(wait, at-e.fading.mark.Elapsed)
	}
	wait = max(wait, 0)
	then := e.fading.mark.Elapsed + wait // at least, whatever the clock says
	e.fading.stop = e.clock.AfterFunc(wait, func() {
		e.post(func(tx *txn) error { return tx.fade(then) })
	})
}

// tickTime lets the home's time run up to now.
func (tx *txn) tickTime() time.Duration {
	m := &tx.fading.mark
	if gone := tx.now.Sub(m.Wall); gone > 0 {
		m.Elapsed += gone.Truncate(time.Millisecond)
		m.Wall = m.Wall.Add(gone.Truncate(time.Millisecond))
	} else if gone < 0 {
		m.Wall = tx.now
	}
	return m.Elapsed
}

func (tx *txn) putTime() {
	m := tx.fading.mark
	tx.Put(tx.home.Key(home.Time), &wire.TimeRecord{Elapsed: uint64(m.Elapsed.Milliseconds()), Wall: m.Wall.UnixMilli()}) //nolint:gosec // not negative
}

// fade deletes what is due.
//
// F1: it is gone, and how far time has run. A crash before this commit leaves it
// to the next opening, at which the time between counts.
func (tx *txn) fade(atLeast time.Duration) error {
	now := max(tx.tickTime(), atLeast)
	tx.fading.mark.Elapsed = now
	tx.putTime()
	for s, at := range tx.fading.due {
		t, ok := tx.talks[s.room]
		if at > now || !ok {
			continue
		}
		rec, content, err := tx.storedMessage(t, s.at)
		if err != nil {
			return err
		}
		tx.entomb(t, s.at, rec, content, wire.GoneHere)
	}
	tx.then(tx.planFading)
	return nil
}

func (tx *txn) dying(t *talk, at uint64) home.Key {
	return tx.home.Key(home.Dying, t.ID[:]).At(at)
}

// startFading counts the time of a message that was read, unless it is counted
// already or stays for good.
func (tx *txn) startFading(t *talk, at uint64, rec *wire.MessageRecord, c *wire.Content) {
	secs := deeds.Disappears(c)
	if secs == 0 || rec.DiesAt != 0 || rec.Gone != wire.GoneNot {
		return
	}
	for _, x := range t.outbox {
		if x.Rec.Position == at {
			return // it must be sent first
		}
	}
	due := tx.tickTime() + time.Duration(secs)*time.Second //nolint:gosec // bounded
	rec.DiesAt = uint64(due.Milliseconds())                //nolint:gosec // not negative
	tx.putMessage(t, at, rec)
	tx.Put(tx.dying(t, at), &wire.DyingRecord{Room: t.ID[:], Position: at, DiesAt: rec.DiesAt})
	tx.putTime()
	tx.fading.due[spot{t.ID, at}] = due
	tx.then(tx.planFading)
}

func (tx *txn) stopFading(t *talk, at uint64) {
	if _, ok := tx.fading.due[spot{t.ID, at}]; ok {
		delete(tx.fading.due, spot{t.ID, at})
		tx.Delete(tx.dying(t, at))
	}
}
