// Package line is one connection of a device to its relay: frames, requests and
// their answers (docs/spec/relay.md). It knows the wire and no network.
package line

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Transport opens connections to the one server of the home. It is safe for
// concurrent use.
type Transport interface {
	// Dial connects. An error is one sentence for the owner; whether it passes
	// is not told, so the client tries again.
	Dial(ctx context.Context) (Conn, error)
}

// Conn is one connection: an ordered, reliable pipe of frames of at most 1 MiB.
// The client sends from one goroutine and receives in another.
type Conn interface {
	// Send hands a frame over. It may return before the peer has it.
	Send(ctx context.Context, frame []byte) error
	// Recv returns the next frame, which is the caller's. An error means that
	// the connection has ended.
	Recv(ctx context.Context) ([]byte, error)
	// Close ends the connection at once; Send and Recv then return errors. It
	// may be called again, and concurrently.
	Close() error
}

// handshakeTime bounds each question before the line runs.
const handshakeTime = 20 * time.Second

// Why a relay is not spoken to; sentences for the owner.
var (
	ErrServerKey  = errors.New("the server shows another key than the one this device pinned: it is not the same server, so nothing was sent; ask its operator before you go on")
	ErrProtocol   = errors.New("the server speaks another version of the protocol: update byre, or ask the operator to update byred")
	ErrRetention  = errors.New("the server keeps messages for more than 72 hours, which byre refuses: choose another server")
	ErrSuperseded = errors.New("this device connected a second time elsewhere: close the other one")
	ErrOffline    = errors.New("not connected to the server")
	// ErrUnknownHere says that a sign-in was refused.
	ErrUnknownHere = errors.New("the server does not know this device, so nothing was sent: it may have lost what it had; ask its operator")
	// ErrNonsense may pass: the device comes again.
	ErrNonsense = errors.New("the server said what byre can't read, so byre hung up and tries again; if it goes on, tell the server's operator")
	// ErrAnswer may pass as well: the answer is of a kind that was not asked for.
	ErrAnswer = errors.New("the server answered something that was not asked, which was not believed; it is asked again, and if this goes on, tell the server's operator")
	// ErrSilent may pass as well.
	ErrSilent = errors.New("the server is connected and answers nothing, so byre hung up and tries again; if it goes on, tell the server's operator")
)

// maxSilence is how many calls of Watch in a row may find questions open and
// nothing heard.
const maxSilence = 3

// RefusedError is the relay's refusal of a request.
type RefusedError struct {
	Code       wire.FailureCode
	Text       string
	RetryAfter time.Duration
}

// Error is the relay's sentence.
func (r *RefusedError) Error() string { return "the server refused: " + r.Text }

// RetryAfter is how long the relay asked to wait, 0 if it did not.
func RetryAfter(err error) time.Duration {
	if r, ok := errors.AsType[*RefusedError](err); ok {
		return r.RetryAfter
	}
	return 0
}

// Answer takes the answer to a request, or why there is none.
type Answer func(body wire.ResponseBody, err error)

// Line is a connection. Its methods are safe for concurrent use, but for Ask,
// which is for the time before Run.
type Line struct {
	// Hello is the relay's first frame, checked.
	Hello *wire.Hello

	conn   Conn
	ctx    context.Context
	cancel context.CancelCauseFunc
	more   chan struct{} // there is something to write

	mu     sync.Mutex
	lastID uint64
	open   map[uint64]Answer
	queue  [][]byte
	ended  bool
	heard  bool // a frame since the last Watch
	silent int  // calls of Watch in a row without
}

// Open reads and checks the relay's hello; an empty pin accepts any key. If it
// fails, the connection is closed.
func Open(ctx context.Context, conn Conn, pinned []byte) (*Line, error) {
	l := &Line{conn: conn, more: make(chan struct{}, 1), open: map[uint64]Answer{}}
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	hello, err := l.greet(ctx, pinned)
	if err != nil {
		l.End(err)
		return nil, err
	}
	l.Hello = hello
	return l, nil
}

func (l *Line) greet(ctx context.Context, pinned []byte) (*wire.Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	f, err := l.receive(ctx)
	if err != nil {
		return nil, err
	}
	hello, ok := f.Body.(*wire.Hello)
	if !ok {
		return nil, ErrNonsense
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

// Ask asks one thing before Run and waits for the answer.
func (l *Line) Ask(ctx context.Context, body wire.RequestBody) (wire.ResponseBody, error) {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	l.lastID++
	req := &wire.Frame{Body: &wire.Request{Id: l.lastID, Body: body}}
	if err := l.conn.Send(ctx, req.Append(nil)); err != nil {
		return nil, fmt.Errorf("the connection ended: %w", err)
	}
	for {
		f, err := l.receive(ctx)
		if err != nil && ctx.Err() != nil && whole.Err() == nil {
			return nil, ErrSilent
		} else if err != nil {
			return nil, err
		}
		if resp, ok := f.Body.(*wire.Response); ok && resp.Id == l.lastID {
			return reading(resp.Body)
		}
	}
}

// Chain asks for an account's chain before Run, and verifies it.
func (l *Line) Chain(ctx context.Context, a ident.AccountID) (c devchain.Chain, err error) {
	body, err := l.Ask(ctx, &wire.ReadChain{Account: a[:]})
	if err != nil {
		return c, err
	}
	shown, ok := body.(*wire.Account)
	if !ok {
		return c, ErrAnswer
	}
	if c, err = account.ReadChain(shown); err == nil && c.ID() != a {
		err = account.ErrChain
	}
	return c, err
}

func (l *Line) receive(ctx context.Context) (*wire.Frame, error) {
	b, err := l.conn.Recv(ctx)
	if err != nil {
		return nil, fmt.Errorf("the connection ended: %w", err)
	}
	f := &wire.Frame{}
	if err := f.Parse(b); err != nil {
		return nil, ErrNonsense
	}
	l.mu.Lock()
	l.heard = true
	l.mu.Unlock()
	return f, nil
}

// reading tells an answer from a refusal.
func reading(body wire.ResponseBody) (wire.ResponseBody, error) {
	if f, ok := body.(*wire.Failure); ok {
		return nil, &RefusedError{Code: f.Code, Text: f.Text, RetryAfter: time.Duration(min(f.RetryAfterMs, 1<<40)) * time.Millisecond}
	}
	return body, nil
}

// Run reads and writes until the connection ends. Answers and pushed run in its
// goroutine and must not wait for the line. After it, every open request was
// answered with ErrOffline. It returns why the connection ended.
func (l *Line) Run(pushed func(wire.PushBody)) error {
	var wg sync.WaitGroup
	wg.Go(l.write)
	l.End(l.read(pushed))
	wg.Wait()
	l.mu.Lock()
	open := l.open
	l.open, l.ended = nil, true
	l.mu.Unlock()
	for _, f := range open {
		f(nil, ErrOffline)
	}
	return l.Err()
}

// Context ends with the connection; its cause is why.
func (l *Line) Context() context.Context { return l.ctx }

// Err is why the connection ended, nil while it lasts.
func (l *Line) Err() error { return context.Cause(l.ctx) }

// End ends the connection.
func (l *Line) End(why error) {
	l.cancel(why)
	_ = l.conn.Close()
}

func (l *Line) read(pushed func(wire.PushBody)) error {
	for {
		f, err := l.receive(l.ctx)
		if err != nil {
			if cause := l.Err(); cause != nil {
				return cause
			}
			return err
		}
		switch body := f.Body.(type) {
		case *wire.Response:
			l.answered(body)
		case *wire.Push:
			if _, ok := body.Body.(*wire.Superseded); ok {
				return ErrSuperseded
			}
			pushed(body.Body)
		case *wire.Hello, *wire.Request, nil:
			return ErrNonsense
		}
	}
}

func (l *Line) answered(r *wire.Response) {
	l.mu.Lock()
	f := l.open[r.Id]
	delete(l.open, r.Id)
	l.mu.Unlock()
	if f != nil {
		f(reading(r.Body))
	}
}

// Watch ends the line when the server has been silent for three calls in a row
// while questions were open; pings, which the network answers, do not count. It
// is called once a minute.
func (l *Line) Watch() {
	l.mu.Lock()
	if l.silent++; l.heard || len(l.open) == 0 {
		l.silent = 0
	}
	l.heard = false
	over := l.silent >= maxSilence
	l.mu.Unlock()
	if over {
		l.End(ErrSilent)
	}
}

// Request asks; requests are written in the order of the calls, and there is no
// bound but that of the caller. It reports false, and f is not called, if the
// line has ended.
func (l *Line) Request(body wire.RequestBody, f Answer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.put(body, f)
	}
	return !l.ended
}

// Tell says what has no answer.
func (l *Line) Tell(body wire.RequestBody) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(body, nil)
}

func (l *Line) put(body wire.RequestBody, f Answer) {
	l.lastID++
	if f != nil {
		l.open[l.lastID] = f
	}
	req := wire.Frame{Body: &wire.Request{Id: l.lastID, Body: body}}
	l.queue = append(l.queue, req.Append(nil))
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// write sends frames in their order until the line ends.
func (l *Line) write() {
	for {
		l.mu.Lock()
		list := l.queue
		l.queue = nil
		l.mu.Unlock()
		for _, b := range list {
			if err := l.conn.Send(l.ctx, b); err != nil {
				l.End(fmt.Errorf("the connection ended: %w", err)) // the reader notices
				return
			}
		}
		select {
		case <-l.more:
		case <-l.ctx.Done():
			return
		}
	}
}
