package client

import (
	"context"
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/client/again"
	"github.com/byre-messenger/byre/internal/client/groups"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/shelf"
	"github.com/byre-messenger/byre/internal/ident"
	order "github.com/byre-messenger/byre/internal/room"
	"github.com/byre-messenger/byre/internal/wire"
)

// tickEvery is how often a connected device looks at what only time changes.
const tickEvery = time.Minute

// job is something that takes questions to the relay: it runs outside of the
// loop, one at a time. failed runs in the loop if it did not work.
type job struct {
	run    func(ctx context.Context) error
	failed func(tx *txn, err error)
}

// serve does what takes several questions to the relay, one job after another.
func (s *session) serve(in *wire.SignedIn) {
	// The own chain first: other devices may have changed it, and key packages
	// carry it.
	err := s.readChain(s.ctx, s.me.Account)
	if err == nil {
		s.offerAgain()
		err = s.replenish(s.ctx, shelf.PublishedAt(in))
	}
	if err != nil {
		s.report(err)
	}
	for {
		var j *job
		err := s.do(s.ctx, func(tx *txn) error {
			if s.gone {
				return line.ErrOffline
			}
			if j = tx.job(s); j == nil {
				s.idle = true
			}
			return nil
		})
		if err != nil {
			return
		}
		if j == nil {
			select {
			case <-s.work:
				continue
			case <-s.ctx.Done():
				return
			}
		}
		if err := j.run(s.ctx); err != nil {
			if s.ctx.Err() != nil {
				return
			}
			_ = s.do(s.ctx, func(tx *txn) error {
				j.failed(tx, err)
				return nil
			})
		}
	}
}

// wake tells the worker that there may be something to do. It runs in the loop.
func (s *session) wake() {
	s.idle = false
	select {
	case s.work <- struct{}{}:
	default:
	}
}

func (tx *txn) wake() {
	if s := tx.session; s != nil {
		tx.then(s.wake)
	}
}

// wakeAt wakes the worker of the present session when a pause ends.
func (tx *txn) wakeAt(p again.Pause) {
	s := tx.session
	if s == nil {
		return
	}
	tx.then(func() {
		s.clock.AfterFunc(p.Until.Sub(tx.now), func() {
			s.post(func(tx *txn) error {
				if !s.gone {
					tx.pumpAll()
					s.wake()
				}
				return nil
			})
		})
	})
}

// job returns the next thing to do, nil if there is none.
func (tx *txn) job(s *session) *job {
	if !s.drained {
		return nil
	}
	for _, x := range tx.unresolved {
		if x.Pause.Over(tx.now) {
			return s.resolveJob(x)
		}
	}
	if tx.now.Sub(s.shelved) > shelfCheck {
		return s.replenishJob()
	}
	for _, p := range tx.people.Pins {
		if p.Record.Claimed != "" && !s.named[p.ID()] {
			s.named[p.ID()] = true
			return s.verifyJob(p.ID(), p.Record.Claimed)
		}
	}
	for _, g := range tx.groups {
		if g.Unsure() && !g.Rec.Over && g.pause.Over(tx.now) {
			return s.catchUpJob(g)
		}
	}
	for _, t := range tx.talks {
		if (tx.owes(t) || t.broken() || t.mute()) && t.checked != s && t.pause.Over(tx.now) && !t.stuck() && !tx.waits(t) {
			return s.prepareJob(t)
		}
	}
	return tx.helpJob(s)
}

// stuck reports whether a group must be resolved first and can't be now.
func (t *talk) stuck() bool { return groups.Stuck(t.groups) }

// drained notes that everything that waited has come.
func (tx *txn) drained(s *session) error {
	s.drained = true
	tx.daily()
	// D1: all that waited is read. A crash before this commit has it drained
	// again at the next connection.
	for _, t := range tx.talks {
		if err := tx.calm(t); err != nil {
			return err
		}
	}
	tx.suspect(s)
	tx.wake()
	return nil
}

// calm settles a conversation that has read all that waited, and its epoch
// logs: what is missing now and was told to be gone is gone.
func (tx *txn) calm(t *talk) error {
	s := tx.session
	if s == nil || !s.drained || t.stuck() {
		return nil
	}
	all := s.gap && t.settled != s
	t.settled = s
	tx.despair(s)
	if err := tx.happen(t, order.GiveUp{Now: tx.now, All: all}, nil); err != nil {
		return err
	}
	tx.offer(t)
	tx.pump(t)
	return nil
}

// tick looks at what only time changes, as long as the session lasts.
func (s *session) tick() {
	for s.clock.Sleep(s.ctx, tickEvery) == nil {
		s.line.Watch()
		s.post(func(tx *txn) error {
			if s.gone {
				return nil
			}
			// T1: a crash here leaves a minute uncounted.
			tx.age(tickEvery)
			tx.daily()
			for _, t := range tx.talks {
				if due, ok := t.order.Due(); ok && s.drained && !due.After(tx.now) {
					if err := tx.happen(t, order.GiveUp{Now: tx.now}, nil); err != nil {
						return err
					}
				}
			}
			tx.suspect(s)
			if tx.now.Sub(s.shelved) > shelfCheck {
				tx.wake()
			}
			return nil
		})
	}
}

// report tells the owner of a problem that concerns nothing in particular.
func (s *session) report(err error) {
	if s.ctx.Err() != nil || errors.Is(err, line.ErrOffline) {
		return
	}
	_ = s.do(s.ctx, func(tx *txn) error {
		tx.problem(ident.RoomID{}, ident.MessageID{}, err.Error())
		return nil
	})
}
