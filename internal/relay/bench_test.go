package relay_test

import (
	"crypto/rand"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/wire"
)

// echo is a device's link that confirms at once what is delivered.
type echo struct {
	session atomic.Pointer[relay.Session]
	acks    chan uint64
	answers chan *wire.Response
}

func (e *echo) Write(b []byte) {
	var f wire.Frame
	if err := f.Parse(b); err != nil {
		panic(err)
	}
	switch body := f.Body.(type) {
	case *wire.Push:
		if d, ok := body.Body.(*wire.Deliver); ok {
			e.acks <- d.N
		}
	case *wire.Response:
		e.answers <- body
	}
}

func (*echo) Close(relay.Reason) {}

// loose takes the limits away that a benchmark would meet.
func loose(c *relay.Config) { c.Limits.SendBytes, c.Limits.Asks = 1<<50, 1<<30 }

// plug signs a device in on a link that confirms by itself.
func (d *device) plug(w *world) *echo {
	e := &echo{acks: make(chan uint64, 1<<16), answers: make(chan *wire.Response, 1<<10)}
	hello := make(chan *wire.Hello, 1)
	s := w.relay.Open(first{e, hello})
	e.session.Store(s)
	f := wire.Frame{Body: &wire.Request{Id: 1, Body: d.signInRequest(<-hello)}}
	s.Handle(f.Append(nil))
	<-e.answers
	go func() {
		for n := range e.acks {
			f := wire.Frame{Body: &wire.Request{Body: &wire.Ack{N: n}}}
			s.Handle(f.Append(nil))
		}
	}()
	return e
}

// first passes the Hello on and everything else to the echo.
type first struct {
	*echo

	hello chan *wire.Hello
}

func (l first) Write(b []byte) {
	var f wire.Frame
	if err := f.Parse(b); err == nil {
		if h, ok := f.Body.(*wire.Hello); ok {
			l.hello <- h
			return
		}
	}
	l.echo.Write(b)
}

// BenchmarkLive measures one envelope of 1 KiB from Send to its answer, the
// receiver confirming, without network; pairs work at the same time.
func BenchmarkLive(b *testing.B) {
	for _, pairs := range []int{1, 64} {
		b.Run(fmt.Sprintf("pairs=%d", pairs), func(b *testing.B) { benchSend(b, pairs, 1, true) })
	}
}

// BenchmarkStored measures one envelope of 1 KiB from Send to durable, on
// Pebble; each sender has up to window requests open.
func BenchmarkStored(b *testing.B) {
	for _, c := range []struct{ senders, window int }{{1, 1}, {1, 128}, {16, 1}, {64, 1}, {64, 8}} {
		b.Run(fmt.Sprintf("senders=%d/window=%d", c.senders, c.window), func(b *testing.B) { benchSend(b, c.senders, c.window, false) })
	}
}

// perReceiver is below what one account may fill of a mailbox.
const perReceiver = 3_900

func benchSend(b *testing.B, senders, window int, live bool) {
	b.Helper()
	w := onPebble(b, b.TempDir(), loose)
	defer w.stop()
	each := b.N/senders + 1
	c := newCrowd(w, senders, each, live)
	b.ReportAllocs()
	b.ResetTimer()
	c.send(b, window, each)
	b.ReportMetric(float64(each*senders)/b.Elapsed().Seconds(), "envelopes/s")
}

// crowd are senders, each with receivers of its own.
type crowd struct {
	links     []*echo
	receivers [][]*device
	// envelopes are what each sends, in turns: as random as what is encrypted,
	// since the engine compresses what it can.
	envelopes [][]byte
	sent      int // by each sender
}

// newCrowd returns senders of which each may send that many envelopes in all.
func newCrowd(w *world, senders, each int, live bool) *crowd {
	c := &crowd{links: make([]*echo, senders), receivers: make([][]*device, senders), envelopes: make([][]byte, senders)}
	for i := range senders {
		c.envelopes[i] = make([]byte, 64<<10)
		_, _ = rand.Read(c.envelopes[i])
		alice := w.online(fmt.Sprint("alice", i))
		alice.hangUp()
		c.links[i] = alice.plug(w)
		for j := range each/perReceiver + 1 {
			bob := w.online(fmt.Sprint("bob", i, "x", j))
			bob.hangUp()
			if live {
				bob.plug(w)
			}
			c.receivers[i] = append(c.receivers[i], bob)
		}
	}
	return c
}

// send lets each sender send n envelopes, up to window of them open, and waits
// for all answers.
func (c *crowd) send(b *testing.B, window, n int) {
	b.Helper()
	var wg sync.WaitGroup
	for i := range c.links {
		wg.Go(func() {
			s, open := c.links[i].session.Load(), 0
			for k := c.sent; k < c.sent+n; k++ {
				to, envelope := c.receivers[i][k/perReceiver], c.envelopes[i][k%64<<10:][:1<<10]
				f := wire.Frame{Body: &wire.Request{Id: uint64(k) + 2, Body: &wire.Send{Envelope: envelope, Targets: []wire.Target{to.target()}}}}
				s.Handle(f.Append(nil))
				if open++; open == window {
					check(b, <-c.links[i].answers)
					open--
				}
			}
			for ; open > 0; open-- {
				check(b, <-c.links[i].answers)
			}
		})
	}
	wg.Wait()
	c.sent += n
}

func check(b *testing.B, r *wire.Response) {
	b.Helper()
	sent, ok := r.Body.(*wire.Sent)
	if !ok || (sent.Outcomes[0].Outcome != wire.OutcomeLive && sent.Outcomes[0].Outcome != wire.OutcomeStored) {
		b.Errorf("answered %v", r)
	}
}

// BenchmarkIdleSession reports the memory of a signed-in session that does
// nothing, mailbox included, connection not.
func BenchmarkIdleSession(b *testing.B) {
	w := onPebble(b, b.TempDir(), loose)
	defer w.stop()
	const n = 500
	var people []*device
	for i := range n {
		d := w.online(fmt.Sprint("someone", i))
		d.hangUp()
		people = append(people, d)
	}
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for _, d := range people {
			d.signIn()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/session")
		for _, d := range people {
			d.hangUp()
		}
	}
}
