package client

import (
	"cmp"
	"context"

	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/share"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/wire"
)

// hold returns the one session, which it opens if there is none. The caller must
// let it go.
func (e *engine) hold(ctx context.Context) (s *session, letGo func(), err error) {
	ctx, cancel := share.Until(ctx, e.stopped)
	defer cancel()
	if s, letGo, err = e.link.Hold(ctx); err != nil {
		return nil, nil, cmp.Or(e.closedError(), err)
	}
	return s, letGo, nil
}

func newLink(e *engine) *share.One[*session] {
	return share.New(e.connect, func(s *session) bool { return s.ctx.Err() != nil }, (*session).shut)
}

// shut closes the connection and waits for the session's goroutines.
func (s *session) shut() {
	s.line.End(line.ErrOffline)
	<-s.ended
}

func (e *engine) closedError() error {
	select {
	case <-e.stopped:
		return e.stoppedBy()
	default:
		return nil
	}
}

// run keeps a session open until ctx ends.
func (e *engine) run(ctx context.Context) error {
	var pace line.Pace
	for {
		began := e.clock.Now()
		err := e.runOnce(ctx)
		if ctx.Err() != nil {
			return cmp.Or(e.closedError())
		}
		if why.Hopeless(err) {
			return err
		}
		if e.closedError() != nil {
			return e.closedError()
		}
		e.tellConnection(err)
		if e.clock.Sleep(ctx, pace.Next(e.clock.Now().Sub(began), err)) != nil {
			return nil //nolint:nilerr // the caller ends it, which is no error
		}
	}
}

// runOnce connects and stays until the session or ctx ends.
func (e *engine) runOnce(ctx context.Context) error {
	s, letGo, err := e.hold(ctx)
	if err != nil {
		return err
	}
	defer letGo()
	e.tellConnection(nil)
	select {
	case <-s.ctx.Done():
		return context.Cause(s.ctx) //nolint:contextcheck // why the session ended, not the caller
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *engine) tellConnection(why error) {
	if e.cfg.Connection != nil {
		e.cfg.Connection(why)
	}
}

// sync connects and waits until there is nothing more to do.
func (e *engine) sync(ctx context.Context) error {
	return e.with(ctx, func(s *session) error {
		if err := s.settle(ctx); err != nil {
			return err
		}
		// An answer to what was asked last means that the relay has read all
		// before it, acknowledgements too.
		_, err := s.ask(ctx, &wire.ReadEpoch{Handle: make([]byte, 32)})
		return err
	})
}

// with runs fn with a session. Where the session had ended unnoticed, fn runs
// once more with a new one: it must be safe to repeat.
func (e *engine) with(ctx context.Context, fn func(*session) error) error {
	s, letGo, err := e.hold(ctx)
	if err != nil {
		return err
	}
	err = fn(s)
	ended := s.ctx.Err() != nil
	letGo()
	if err == nil || !ended || ctx.Err() != nil {
		return err
	}
	if s, letGo, err = e.hold(ctx); err != nil {
		return err
	}
	defer letGo()
	return fn(s)
}

func (s *session) settled() bool { return s.drained && s.idle && s.open == 0 }

// settle waits until everything that waited is read and everything that can be
// sent is answered.
func (s *session) settle(ctx context.Context) error {
	for {
		rung, settled := s.bell.Next(), false
		if err := s.look(ctx, func(tx *txn) error {
			if s.gone {
				return cmp.Or(context.Cause(s.ctx), line.ErrOffline)
			}
			// At the batch's end too: there begins what the steps before this one begin.
			now := s.settled() && !tx.hopes()
			tx.then(func() { settled = now && s.settled() })
			return nil
		}); err != nil || settled {
			return err
		}
		if err := s.until(ctx, rung); err != nil {
			return err
		}
	}
}
