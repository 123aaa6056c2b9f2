package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/wire"
)

// handshakeTime bounds the time from a connection to a session.
const handshakeTime = 20 * time.Second

// RefusedError is the relay's refusal of a request.
type RefusedError struct {
	Code       wire.FailureCode
	Text       string
	RetryAfter time.Duration
}

// Error is the relay's sentence.
func (r *RefusedError) Error() string { return "the server refused: " + r.Text }

// session is one signed-in connection.
type session struct {
	*engine

	conn   Conn
	ctx    context.Context
	cancel context.CancelCauseFunc
	ended  chan struct{} // the reader and the writer have ended
	out    frames
	work   chan struct{} // wakes the worker

	// Owned by the engine's loop.
	lastID  uint64
	lastN   uint64 // of the last Deliver
	open    map[uint64]answer
	gone    bool
	drained bool
	gap     bool      // the relay told of a gap at sign-in
	idle    bool      // the worker found nothing to do
	shelved time.Time // when the key packages at the relay were looked after
	puzzled int       // how many unopened envelopes were there when logs were read last
}

// answer takes the answer to a request, in the loop.
type answer func(tx *txn, body wire.ResponseBody, err error) error

// greet reads and checks the relay's first frame.
func greet(ctx context.Context, conn Conn, pinned []byte) (*wire.Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	f, err := receive(ctx, conn)
	if err != nil {
		return nil, err
	}
	hello, ok := f.Body.(*wire.Hello)
	if !ok {
		return nil, ErrProtocol
	}
	switch err := account.CheckHello(hello, pinned); {
	case errors.Is(err, account.ErrPin):
		return nil, ErrServerKey
	case errors.Is(err, account.ErrRetention):
		return nil, ErrRetention
	case err != nil:
		return nil, ErrProtocol
	}
	return hello, nil
}

// exchange asks one thing on a connection that has no session yet.
func exchange(ctx context.Context, conn Conn, body wire.RequestBody) error {
	_, err := ask(ctx, conn, body)
	return err
}

func ask(ctx context.Context, conn Conn, body wire.RequestBody) (wire.ResponseBody, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	req := &wire.Frame{Body: &wire.Request{Id: 1, Body: body}}
	if err := conn.Send(ctx, req.Append(nil)); err != nil {
		return nil, err
	}
	for {
		f, err := receive(ctx, conn)
		if err != nil {
			return nil, err
		}
		if resp, ok := f.Body.(*wire.Response); ok && resp.Id == 1 {
			return reading(resp.Body)
		}
	}
}

func receive(ctx context.Context, conn Conn) (*wire.Frame, error) {
	b, err := conn.Recv(ctx)
	if err != nil {
		return nil, fmt.Errorf("the connection ended: %w", err)
	}
	f := &wire.Frame{}
	if err := f.Parse(b); err != nil {
		return nil, ErrProtocol
	}
	return f, nil
}

// reading tells an answer from a refusal.
func reading(body wire.ResponseBody) (wire.ResponseBody, error) {
	if f, ok := body.(*wire.Failure); ok {
		return nil, &RefusedError{Code: f.Code, Text: f.Text, RetryAfter: time.Duration(min(f.RetryAfterMs, 1<<40)) * time.Millisecond}
	}
	return body, nil
}

// connect opens a session. ctx bounds the handshake alone.
func (e *engine) connect(ctx context.Context) (*session, error) {
	if err := e.mayConnect(ctx); err != nil {
		return nil, err
	}
	conn, err := e.transport.Dial(ctx)
	if err != nil {
		return nil, err
	}
	s, err := e.signInOn(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// mayConnect refuses where the home must not speak.
func (e *engine) mayConnect(ctx context.Context) error {
	return e.do(ctx, func(tx *txn) error {
		if tx.signIn.OldCopy {
			return ErrOldCopy
		}
		return nil
	})
}

func (e *engine) signInOn(ctx context.Context, conn Conn) (*session, error) {
	hello, err := greet(ctx, conn, e.device.ServerKey)
	if err != nil {
		if errors.Is(err, ErrServerKey) {
			e.reportServerKey(ctx)
		}
		return nil, err
	}
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
	req, payload := e.me.SignIn(hello, counter)
	body, err := ask(ctx, conn, req)
	if err != nil {
		return nil, e.signInError(ctx, err)
	}
	in, ok := body.(*wire.SignedIn)
	if !ok {
		return nil, ErrProtocol
	}
	if account.CheckProof(hello, payload, in.Proof) != nil {
		e.reportServerKey(ctx)
		return nil, ErrServerKey
	}
	return e.begin(ctx, conn, in)
}

// begin makes the session the engine's and starts its goroutines.
func (e *engine) begin(ctx context.Context, conn Conn, in *wire.SignedIn) (*session, error) {
	s := &session{
		engine: e, conn: conn, ended: make(chan struct{}), work: make(chan struct{}, 1),
		lastID: 1, open: map[uint64]answer{},
	}
	s.out.more = make(chan struct{}, 1)
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	// S2: what the relay told of a gap is noted, and every group must read its
	// epoch log before it sends, before the relay may forget the gap.
	err := e.do(ctx, func(tx *txn) error {
		tx.session = s
		if in.Gap != nil {
			s.gap = true
			tx.noteGap(in.Gap)
			tx.then(func() { s.request(&wire.AckGap{Generation: in.Gap.Generation}, nil) })
		}
		return nil
	})
	if err != nil {
		s.cancel(err)
		return nil, err
	}
	go s.run(in)
	return s, nil
}

// run holds the session's goroutines until the connection ends.
func (s *session) run(in *wire.SignedIn) {
	var wg sync.WaitGroup
	wg.Go(s.write)
	wg.Go(func() { s.serve(in) })
	wg.Go(s.tick)
	s.cancel(s.read())
	_ = s.conn.Close()
	// E1: nothing is written; what was in flight is open again and is sent anew
	// at the next connection.
	s.post(func(tx *txn) error {
		s.gone = true
		if tx.session == s {
			tx.session = nil
		}
		for id, f := range s.open {
			delete(s.open, id)
			if f != nil {
				_ = f(tx, nil, ErrOffline)
			}
		}
		return nil
	})
	wg.Wait()
	close(s.ended)
}

// read hands frames to the loop until the connection ends, and returns why.
func (s *session) read() error {
	for {
		f, err := receive(s.ctx, s.conn)
		if err != nil {
			if cause := context.Cause(s.ctx); cause != nil {
				return cause
			}
			return err
		}
		switch body := f.Body.(type) {
		case *wire.Response:
			s.post(func(tx *txn) error { return s.answered(tx, body) })
		case *wire.Push:
			if _, ok := body.Body.(*wire.Superseded); ok {
				return ErrSuperseded
			}
			s.post(func(tx *txn) error { return s.pushed(tx, body) })
		case *wire.Hello, *wire.Request, nil:
			return ErrProtocol
		}
	}
}

// answered gives a response to who asked.
func (s *session) answered(tx *txn, r *wire.Response) error {
	f, ok := s.open[r.Id]
	if !ok {
		return nil
	}
	delete(s.open, r.Id)
	if f == nil {
		return nil
	}
	body, err := reading(r.Body)
	return f(tx, body, err)
}

// pushed handles what the relay says unasked.
func (s *session) pushed(tx *txn, p *wire.Push) error {
	if s.gone {
		return nil // the relay will deliver it again
	}
	switch body := p.Body.(type) {
	case *wire.Deliver:
		if err := tx.deliver(body); err != nil {
			s.cancel(err) // not acknowledged: it comes again
			_ = s.conn.Close()
			return err
		}
		s.acknowledge(tx, body.N)
	case *wire.Drained:
		return tx.drained(s)
	case *wire.Superseded, nil:
	}
	return nil
}

// request asks; it runs in the loop. f may be nil.
func (s *session) request(body wire.RequestBody, f answer) {
	s.lastID++
	s.open[s.lastID] = f
	req := wire.Frame{Body: &wire.Request{Id: s.lastID, Body: body}}
	s.out.put(req.Append(nil))
}

// acknowledge confirms deliveries once they are durable, all of a batch at once.
func (s *session) acknowledge(tx *txn, n uint64) {
	s.lastN = n
	if tx.acking {
		return
	}
	tx.acking = true
	tx.then(func() {
		if s.gone {
			return
		}
		s.lastID++
		req := wire.Frame{Body: &wire.Request{Id: s.lastID, Body: &wire.Ack{N: s.lastN}}}
		s.out.put(req.Append(nil))
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
			return ErrOffline
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

// frames is what waits to be written. The loop must never wait for a
// connection, so there is no bound but that of open requests.
type frames struct {
	mu   sync.Mutex
	list [][]byte
	more chan struct{}
}

func (f *frames) put(b []byte) {
	f.mu.Lock()
	f.list = append(f.list, b)
	f.mu.Unlock()
	select {
	case f.more <- struct{}{}:
	default:
	}
}

func (f *frames) take() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.list
	f.list = nil
	return list
}

// write sends frames in their order until the session ends.
func (s *session) write() {
	for {
		for _, b := range s.out.take() {
			if err := s.conn.Send(s.ctx, b); err != nil {
				s.cancel(fmt.Errorf("the connection ended: %w", err))
				_ = s.conn.Close() // ends the reader
				return
			}
		}
		select {
		case <-s.out.more:
		case <-s.ctx.Done():
			return
		}
	}
}
