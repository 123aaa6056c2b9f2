package client

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// eventsAtOnce is how many events are recorded as told in one commit.
const eventsAtOnce = 16

// tell queues an event for the owner.
func (tx *txn) tell(body wire.EventRecordBody) { tx.notes.Tell(tx.Tx, body, tx.now) }

// problem queues a sentence about something that did not work. What is not about
// a message of the owner's has a rate, since others cause it.
func (tx *txn) problem(room ident.RoomID, id ident.MessageID, text string) {
	if id == (ident.MessageID{}) {
		var ok bool
		if text, ok = tx.alarms.May(tx.now, text); !ok {
			return
		}
	}
	tx.tell(told.ErrorEvent(room, id, text))
}

// Events yields what happened, oldest first, each once and never again: an
// event is recorded as told just before it is yielded, together with at most
// 15 that follow it. The event at which the caller leaves the loop, and those
// after it, come again: leaving is how it says that it could not use one. With
// wait it goes on until ctx ends; without, until there are no more.
func (c *Client) Events(ctx context.Context, wait bool) func(yield func(told.Event, error) bool) {
	e := c.e
	return func(yield func(told.Event, error) bool) {
		for {
			rung := e.bell.Next()
			list, err := e.takeEvents(ctx, wait)
			for i, ev := range list {
				if !yield(ev.event, nil) {
					e.untell(context.WithoutCancel(ctx), list[i:])
					return
				}
			}
			if err != nil && (ctx.Err() == nil || !wait) {
				yield(nil, err)
			}
			if err != nil || len(list) == 0 && !wait {
				return
			}
			if len(list) > 0 {
				continue
			}
			select {
			case <-rung:
			case <-ctx.Done():
				return
			case <-e.stopped:
				yield(nil, e.stoppedBy())
				return
			}
		}
	}
}

// taken is an event recorded as told, with its record.
type taken struct {
	event  told.Event
	key    home.Key
	record []byte
}

// untell records events as not told: whoever took them could not use them. If
// that fails the history has their messages still.
func (e *engine) untell(ctx context.Context, events []taken) {
	// V2: not told. A crash before this commit leaves them told (V1).
	_ = e.look(ctx, func(tx *txn) error {
		for _, ev := range events {
			tx.PutBytes(ev.key, ev.record)
		}
		return nil
	})
}

// nameWait is how long a stranger's first message waits to be told until the
// directory has said who that is.
const nameWait = 2 * time.Second

// takeEvents returns the oldest events and records them as told. A patient
// caller gets a stranger's message when the name is known, or a little later.
func (e *engine) takeEvents(ctx context.Context, patient bool) (out []taken, err error) {
	err = e.look(ctx, func(tx *txn) error {
		k := tx.home.Key(home.Event)
		for it, err := range tx.home.From(tx.ctx, k, 0, eventsAtOnce) {
			if err != nil {
				return err
			}
			rec := &wire.EventRecord{}
			if err := rec.Parse(it.Record); err != nil {
				return errors.Join(home.ErrDamaged, err)
			}
			ev, err := tx.eventOf(rec)
			if err != nil {
				return err
			}
			if m, ok := ev.(told.MessageRead); ok && patient && tx.people.Name(m.Message.From) == "" && tx.now.Sub(time.UnixMilli(rec.At)) < nameWait {
				e.cfg.Clock.AfterFunc(nameWait, e.bell.Ring)
				return nil
			}
			if err := tx.toldOf(ev); err != nil {
				return err
			}
			if ev != nil {
				out = append(out, taken{ev, it.Key, bytes.Clone(it.Record)})
			}
			// V1: told. A crash after this commit leaves at most these untold;
			// history and notes have them all.
			tx.Delete(it.Key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// toldOf notes that the owner sees a message.
func (tx *txn) toldOf(ev told.Event) error {
	m, ok := ev.(told.MessageRead)
	if !ok || m.Message.Disappears == 0 || tx.cfg.Seen {
		return nil
	}
	t := tx.talks[m.Message.Room]
	rec, content, err := tx.storedMessage(t, m.Message.Position)
	if err == nil {
		tx.startFading(t, m.Message.Position, rec, content)
	}
	return err
}

// eventOf turns a record into what callers see; nil for what there is nothing to
// tell of.
func (tx *txn) eventOf(rec *wire.EventRecord) (told.Event, error) {
	if body, ok := rec.Body.(*wire.MessageEvent); ok {
		m, err := tx.messageFrom(&wire.IndexRecord{Room: body.Room, Position: body.Position})
		if m.Deleted {
			return nil, err
		}
		return told.MessageRead{Message: m}, err
	}
	ev := told.EventOf(rec)
	if c, ok := ev.(told.Changed); ok && c.ID != (ident.MessageID{}) {
		m, err := tx.find(c.ID)
		c.Message = m
		return c, err
	}
	return ev, nil
}
