package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// session is one signed-in connection.
type session struct {
	*engine

	line  *line.Line
	ctx   context.Context // the line's
	ended chan struct{}   // the session's goroutines have ended
	work  chan struct{}   // wakes the worker

	// Owned by the engine's loop.
	sharing bool   // what the home group is told is open
	lastN   uint64 // of the last Deliver
	open    int    // requests whose answer was not handled
	gone    bool
	drained bool
	gap     bool                     // the relay told of a gap at sign-in
	idle    bool                     // the worker found nothing to do
	unsure  *wire.SignedEntry        // the own chain's step that an earlier session may have offered
	shelved time.Time                // when the key packages at the relay were looked after
	named   map[ident.AccountID]bool // whose names the directory was asked for
	places  func(wire.PushBody)      // takes what is pushed of places, nil if none is open
	puzzled uint64                   // the newest unopened envelope when the logs were last read
}

// answer takes the answer to a request, in the loop.
type answer func(tx *txn, body wire.ResponseBody, err error) error

// connect opens a session. ctx bounds the handshake alone.
func (e *engine) connect(ctx context.Context) (*session, error) {
	s, err := e.dial(ctx)
	if errors.Is(err, line.ErrUnknownHere) && e.tellAgain(ctx) {
		return e.dial(ctx)
	}
	return s, err
}

func (e *engine) dial(ctx context.Context) (*session, error) {
	// A copy of a home must not speak.
	if err := e.look(ctx, func(tx *txn) error {
		if tx.signIn.OldCopy {
			return why.ErrOldCopy
		}
		return nil
	}); err != nil {
		return nil, err
	}
	conn, err := e.transport.Dial(ctx)
	if err != nil {
		return nil, err
	}
	l, err := line.Open(ctx, conn, e.device.ServerKey)
	if err == nil {
		var s *session
		if s, err = e.signInOn(ctx, l); err == nil {
			return s, nil
		}
		l.End(err)
	}
	if errors.Is(err, line.ErrServerKey) {
		e.reportServerKey(ctx)
	}
	return nil, err
}

func (e *engine) signInOn(ctx context.Context, l *line.Line) (*session, error) {
	var counter uint64
	// S1: the counter is durable before it is used. A crash after this commit
	// leaves a number unused.
	if err := e.do(ctx, func(tx *txn) error {
		tx.signIn.Counter++
		counter = tx.signIn.Counter
		tx.putSignIn()
		return nil
	}); err != nil {
		return nil, err
	}
	req, payload := e.me.SignIn(l.Hello, counter)
	body, err := l.Ask(ctx, req)
	if err != nil {
		return nil, e.signInError(ctx, l, err)
	}
	in, ok := body.(*wire.SignedIn)
	if !ok {
		return nil, line.ErrAnswer
	}
	if account.CheckProof(l.Hello, payload, in.Proof) != nil {
		return nil, line.ErrServerKey
	}
	return e.begin(ctx, l, in)
}

// begin makes the session the engine's and starts its goroutines.
func (e *engine) begin(ctx context.Context, l *line.Line, in *wire.SignedIn) (*session, error) {
	s := &session{engine: e, line: l, ctx: l.Context(), ended: make(chan struct{}), named: map[ident.AccountID]bool{}, work: make(chan struct{}, 1)}
	// S2: what can't be believed any more is given up before anything is read;
	// what the relay told of a gap is noted, and every group must read its epoch
	// log before it sends, before the relay may forget the gap.
	err := e.do(ctx, func(tx *txn) error {
		tx.session, s.unsure = s, tx.own().Record.Offered
		tx.siblings(tx.me.Account, tx.own().View, false)
		tx.ours.Retry()
		if err := tx.lapse(); err != nil {
			return err
		}
		if in.Gap != nil {
			s.gap = true
			tx.noteGap(in.Gap)
			tx.then(func() {
				s.request(&wire.AckGap{Generation: in.Gap.Generation}, func(*txn, wire.ResponseBody, error) error { return nil })
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	go s.run(in)
	return s, nil
}

// run holds the session's goroutines until the connection ends.
func (s *session) run(in *wire.SignedIn) {
	var wg sync.WaitGroup
	wg.Go(func() { s.serve(in) })
	wg.Go(s.tick)
	_ = s.line.Run(func(body wire.PushBody) {
		s.post(func(tx *txn) error { return s.pushed(tx, body) })
	})
	// E1: nothing is written; what was in flight was answered with ErrOffline
	// and is sent anew at the next connection.
	s.post(func(tx *txn) error {
		s.gone = true
		if tx.session == s {
			tx.session = nil
		}
		return nil
	})
	wg.Wait()
	close(s.ended)
}

// pushed handles what the relay says unasked.
func (s *session) pushed(tx *txn, p wire.PushBody) error {
	if s.gone {
		return nil // the relay will deliver it again
	}
	switch body := p.(type) {
	case *wire.Deliver:
		if body.N != s.lastN+1 {
			// An Ack would confirm what was never given to this device.
			s.line.End(line.ErrNonsense)
			return nil
		}
		if err := tx.deliver(body); err != nil {
			s.line.End(err) // not acknowledged: it comes again
			return err
		}
		s.acknowledge(tx, body.N)
	case *wire.Drained:
		return tx.drained(s)
	case *wire.LinkArrived, *wire.LinkTaken, *wire.LinkClosed:
		if s.places != nil {
			s.places(body)
		}
	case *wire.Superseded, nil:
	}
	return nil
}

// request asks; it runs in the loop, and so does f.
func (s *session) request(body wire.RequestBody, f answer) {
	s.open++
	answered := func(body wire.ResponseBody, err error) {
		s.post(func(tx *txn) error {
			s.open--
			return f(tx, body, err)
		})
	}
	if !s.line.Request(body, answered) {
		go answered(nil, line.ErrOffline) // the loop must not wait for itself
	}
}

// acknowledge confirms deliveries once they are durable, all of a batch at once.
func (s *session) acknowledge(tx *txn, n uint64) {
	s.lastN = n
	if tx.acking {
		return
	}
	tx.acking = true
	tx.then(func() {
		if !s.gone {
			s.line.Tell(&wire.Ack{N: s.lastN})
		}
	})
}

// ask asks from outside of the loop and waits for the answer.
func (s *session) ask(ctx context.Context, body wire.RequestBody) (wire.ResponseBody, error) {
	type result struct {
		body wire.ResponseBody
		err  error
	}
	got := make(chan result, 1)
	err := s.do(ctx, func(tx *txn) error {
		if s.gone {
			return line.ErrOffline
		}
		tx.then(func() {
			s.request(body, func(_ *txn, body wire.ResponseBody, err error) error {
				got <- result{body, err}
				return nil
			})
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	select {
	case r := <-got:
		return r.body, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.stopped:
		return nil, s.stoppedBy()
	}
}
