package testnet

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/testnet/witness"
	"github.com/byre-messenger/byre/internal/wire"
)

// ErrDown is what dialing a server gets that is not there.
var ErrDown = errors.New("the server can't be reached")

// errCut is what a cut connection gets.
var errCut = errors.New("the connection was cut")

// Tap sees a frame on its way and returns what goes on in its place; nothing
// swallows it. up is true from the device to the server.
type Tap func(up bool, f *wire.Frame) []*wire.Frame

// wires are all connections to the server.
type wires struct {
	trace *witness.Trace

	mu    sync.Mutex
	relay *relay.Relay
	open  map[*cable]bool
}

// serve says who answers from now on; nil is nobody.
func (w *wires) serve(r *relay.Relay) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.relay = r
}

func (w *wires) cutAll() {
	w.mu.Lock()
	var all []*cable
	for c := range w.open {
		all = append(all, c)
	}
	w.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

// Switch is one device's access to the server: its transport, and what a test
// does to it. It is safe for concurrent use.
type Switch struct {
	wires *wires
	who   int // in traces

	taps sync.Mutex // held while a tap runs

	mu     sync.Mutex
	down   bool
	lines  [2]way // down and up
	tap    Tap
	cable  *cable
	breaks int // how often a planned break came
}

// way is one direction of a connection.
type way struct {
	delay  time.Duration
	left   int  // frames until the connection breaks; 0: it does not
	before bool // the last of them does not arrive
}

func (s *Switch) way(up bool) *way {
	if up {
		return &s.lines[1]
	}
	return &s.lines[0]
}

// Down makes dialing fail, and cuts the connection.
func (s *Switch) Down() { s.set(func() { s.down = true }); s.Cut() }

// Up ends Down.
func (s *Switch) Up() { s.set(func() { s.down = false }) }

// Delay makes each frame take d, either way.
func (s *Switch) Delay(d time.Duration) { s.DelayWay(true, d); s.DelayWay(false, d) }

// DelayWay makes each frame take d in one direction; up is to the server.
func (s *Switch) DelayWay(up bool, d time.Duration) { s.set(func() { s.way(up).delay = d }) }

// Break plans that the connection, this one or a later one, breaks at the n-th
// frame from now in one direction: before it arrives, or right after it had its
// effect and before anything that follows from it. 0 plans nothing any more.
func (s *Switch) Break(up bool, n int, before bool) {
	s.set(func() { s.way(up).left, s.way(up).before = n, before })
}

// Breaks returns how often a planned break came.
func (s *Switch) Breaks() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.breaks
}

// meets counts a frame, and reports whether the connection breaks at it, and
// whether it is lost with it.
func (s *Switch) meets(up bool) (breaks, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.way(up)
	if w.left == 0 {
		return false, false
	}
	if w.left--; w.left > 0 {
		return false, false
	}
	s.breaks++
	return true, w.before
}

// Tap puts a tap on the connection, nil takes it off.
func (s *Switch) Tap(t Tap) { s.set(func() { s.tap = t }) }

// Between runs f while no tap runs, for what a test shares with one.
func (s *Switch) Between(f func()) {
	s.taps.Lock()
	defer s.taps.Unlock()
	f()
}

// Cut ends the present connection.
func (s *Switch) Cut() {
	s.mu.Lock()
	c := s.cable
	s.mu.Unlock()
	if c != nil {
		_ = c.Close()
	}
}

func (s *Switch) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *Switch) now(up bool) (time.Duration, Tap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.way(up).delay, s.tap
}

// Dial implements [line.Transport].
func (s *Switch) Dial(context.Context) (line.Conn, error) {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	s.wires.mu.Lock()
	r := s.wires.relay
	s.wires.mu.Unlock()
	if down || r == nil {
		return nil, ErrDown
	}
	c := &cable{s: s, gone: make(chan struct{}), up: make(chan []byte, 4096), down: make(chan []byte, 4096)}
	ready := make(chan struct{})
	c.closed = func() { <-ready; c.session.Closed() }
	c.session = r.Open(link{c})
	close(ready)
	s.wires.mu.Lock()
	if s.wires.open == nil {
		s.wires.open = map[*cable]bool{}
	}
	s.wires.open[c] = true
	s.wires.mu.Unlock()
	s.set(func() { s.cable = c })
	go c.carry()
	return c, nil
}

// cable is one connection.
type cable struct {
	s        *Switch
	session  *relay.Session
	up, down chan []byte
	passed   [][]byte // through the tap, for Recv
	gone     chan struct{}
	once     sync.Once
	closed   func()
	mute     atomic.Bool // it breaks: nothing comes down any more
	device   []byte      // that signs in; of the sender alone

	mu     sync.Mutex
	traced traced
}

// carry takes the device's frames to the relay, as the connection's one reader.
func (c *cable) carry() {
	for {
		select {
		case b := <-c.up:
			breaks, lost := c.s.meets(true)
			c.mute.Store(breaks)
			if !lost {
				for _, b := range c.pass(true, b) {
					c.session.Handle(b)
				}
			}
			if breaks {
				_ = c.Close()
			}
		case <-c.gone:
			return
		}
	}
}

// pass lets a frame take its time and go through the tap.
func (c *cable) pass(up bool, b []byte) [][]byte {
	delay, tap := c.s.now(up)
	if delay > 0 {
		arrived := time.NewTimer(delay) //nolint:forbidigo // a network takes its time
		defer arrived.Stop()
		select {
		case <-arrived.C:
		case <-c.gone:
		}
	}
	if tap == nil {
		return [][]byte{b}
	}
	f := &wire.Frame{}
	if f.Parse(b) != nil {
		return [][]byte{b}
	}
	var out [][]byte
	c.s.Between(func() {
		for _, f := range tap(up, f) {
			out = append(out, f.Append(nil))
		}
	})
	return out
}

// Send implements [line.Conn].
func (c *cable) Send(ctx context.Context, frame []byte) error {
	select {
	case <-c.gone:
		return errCut
	default:
	}
	c.asked(frame)
	select {
	case c.up <- append([]byte(nil), frame...):
		return nil
	case <-c.gone:
		return errCut
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Recv implements [line.Conn].
func (c *cable) Recv(ctx context.Context) ([]byte, error) {
	for {
		if len(c.passed) > 0 {
			b := c.passed[0]
			c.passed = c.passed[1:]
			c.heard(b)
			return b, nil
		}
		select {
		case b := <-c.down:
			breaks, lost := c.s.meets(false)
			if breaks {
				_ = c.Close()
			}
			if !lost {
				c.passed = c.pass(false, b)
			}
		case <-c.gone:
			return nil, errCut
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close implements [line.Conn].
func (c *cable) Close() error {
	c.once.Do(func() {
		close(c.gone)
		c.s.wires.mu.Lock()
		delete(c.s.wires.open, c)
		c.s.wires.mu.Unlock()
		go c.closed()
	})
	return nil
}

// link is the relay's end of a cable.
type link struct{ c *cable }

// Write implements [relay.Link].
func (l link) Write(frame []byte) {
	if l.c.mute.Load() {
		return
	}
	select {
	case l.c.down <- append([]byte(nil), frame...):
	case <-l.c.gone:
	default:
		go l.Close(relay.Failed) // too much is queued
	}
}

// Close implements [relay.Link].
func (l link) Close(relay.Reason) {
	go func() {
		time.Sleep(time.Millisecond) //nolint:forbidigo // what is queued goes first
		_ = l.c.Close()
	}()
}
