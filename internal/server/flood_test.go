package server

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay/limit"
	"github.com/byre-messenger/byre/internal/server/gate"
)

// footprint is what the process holds once it has come to rest.
func footprint() (goroutines int, heap uint64) {
	last := -1
	for n := runtime.NumGoroutine(); n != last; n = runtime.NumGoroutine() {
		last = n
		time.Sleep(200 * time.Millisecond)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return last, m.HeapAlloc
}

// assault is what became of connections that came faster than they may.
type assault struct {
	in, told, cut    atomic.Int64 // let in, told when to come again, ended
	portless, silent atomic.Int64 // never left, or never heard of again
	mu               sync.Mutex
	odd              []error // what else befell them
	took             time.Duration
}

// judge takes down what became of a connection.
func (a *assault) judge(c *caller, err error) {
	switch {
	case err == nil && c.head.StatusCode == http.StatusSwitchingProtocols:
		a.in.Add(1)
	case err == nil && c.head.StatusCode == http.StatusServiceUnavailable && c.head.Header.Get("Retry-After") != "":
		a.told.Add(1)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		a.portless.Add(1)
	case errors.Is(err, os.ErrDeadlineExceeded):
		a.silent.Add(1)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		err != nil && strings.Contains(err.Error(), "tls: internal error"):
		a.cut.Add(1)
	default:
		if err == nil {
			err = errors.New(c.head.Status)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.odd = append(a.odd, err)
	}
}

// assault connects count times, 128 at a time, and waits for the end of all.
func (e *edge) assault(count int, dial func() (net.Conn, error)) *assault {
	a, began := &assault{}, time.Now()
	var left atomic.Int64
	left.Store(int64(count))
	var all sync.WaitGroup
	for range 128 {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				conn, err := dial()
				if err != nil {
					a.judge(nil, err)
					continue
				}
				soon(conn, 30*time.Second)
				a.judge(e.calls(conn, ""))
				_ = conn.Close()
			}
		})
	}
	all.Wait()
	a.took = time.Since(began)
	return a
}

// still is a clock that stands: what comes, comes in no time, and no allowance
// grows meanwhile, however slow the machine is.
type still struct {
	clock.Clock

	now time.Time
}

func (s still) Now() time.Time { return s.now }

// TestTenThousandReconnects: one address connects as fast as it can, with a
// handshake each time. It is told to come again or cut off; alice and bob, from
// another address, talk on; and when it is over, nothing is left of it.
func TestTenThousandReconnects(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only Linux has a second loopback address")
	}
	count, limits := 1_000, gate.Limits{Rate: limit.Rate{Burst: 200, PerSecond: 50}}
	if os.Getenv("BYRE_LONG") != "" {
		count, limits = 10_000, gate.Defaults()
	} else {
		t.Log("1,000 reconnects against a smaller allowance; BYRE_LONG=1 makes them 10,000 against the true one")
	}
	e := newEdgeWith(t, gate.New(still{clock.System{}, time.Now()}, limits))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := e.httpServer(t.Context())
	served := e.serveOn(srv, ln)
	dial := func(from string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 30 * time.Second}
		return d.DialContext(t.Context(), "tcp", ln.Addr().String())
	}
	e.network = func() (net.Conn, error) { return dial("127.0.0.1") }
	alice, bob := e.joins("alice", ""), e.joins("bob", "")
	g0, h0 := footprint()

	over := make(chan *assault)
	go func() { over <- e.assault(count, func() (net.Conn, error) { return dial("127.0.0.2") }) }()
	var flood *assault
	var waits []time.Duration
	for n := 0; flood == nil; n++ {
		at := time.Now()
		alice.converse(n, bob)
		waits = append(waits, time.Since(at))
		select {
		case flood = <-over:
		case <-time.After(2 * time.Millisecond):
		}
	}
	flood.check(t, count, limits)
	slices.Sort(waits)
	median, worst := waits[len(waits)/2], waits[len(waits)-1]
	t.Logf("%d letters, median %v, worst %v", len(waits), median, worst)
	// The flood's own half of each handshake is done by this process as well.
	if median > 3*time.Second || worst > 10*time.Second {
		t.Errorf("alice's letters took %v, the worst %v", median, worst)
	}
	deadline := time.Now().Add(10 * time.Second)
	for all, _ := e.gate.Open(); all != 2; all, _ = e.gate.Open() {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left, want alice's and bob's", all)
		}
		time.Sleep(50 * time.Millisecond)
	}
	g1, h1 := footprint()
	if g1 > g0+4 || h1 > h0+(4<<20) {
		t.Errorf("%d goroutines and %d kB, before the flood %d and %d kB", g1, h1>>10, g0, h0>>10)
	}
	alice.leaves()
	bob.leaves()
	_ = srv.Close()
	<-served
	e.end()
}

// check demands that the flood was met as it should be: by the gate's clock it
// came at once, so that the burst is let in, and beside it whom there is time
// for; the others are sent away.
func (a *assault) check(t *testing.T, count int, l gate.Limits) {
	t.Helper()
	in, told, cut := a.in.Load(), a.told.Load(), a.cut.Load()
	t.Logf("%d reconnects in %v: %d let in, %d told when to come again, %d cut off", count, a.took.Round(time.Millisecond), in, told, cut)
	if in < int64(l.Rate.Burst) || told == 0 || cut == 0 {
		t.Errorf("let in %d, of %.0f that may; told when to come again %d, cut off %d of the others", in, l.Rate.Burst, told, cut)
	}
	if p, s := a.portless.Load(), a.silent.Load(); p+s > 0 || len(a.odd) > 0 {
		t.Errorf("%d found no free port, %d were left waiting, %d met something else: %v", p, s, len(a.odd), a.odd[:min(3, len(a.odd))])
	}
}

// TestAttacksLeaveNothing: after each of them goroutines and memory are what
// they were.
func TestAttacksLeaveNothing(t *testing.T) {
	e := newEdge(t)
	for what, does := range map[string]func(){
		"garbage instead of TLS": func() {
			conn := e.dial("203.0.113.9")
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			says(conn, noise(600))
			_ = conn.Close()
		},
		"connections that end at once": func() { _ = e.dial("203.0.113.9").Close() },
		"garbage in frames": func() {
			c := e.mustCall("203.0.113.9")
			go says(c, message(noise(5000)))
			_, _, _ = c.end()
			c.leaves()
		},
		"half of a frame": func() {
			c := e.mustCall("203.0.113.9")
			_, _ = c.frame()
			says(c, header(binaryFrame, 30<<10), noise(1000))
			c.leaves()
		},
		"a request that is none": func() {
			conn := e.client(e.dial("203.0.113.9"))
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			says(conn, []byte("FETCH byre\r\n\r\n"))
			_ = conn.Close()
		},
	} {
		for range 20 { // pools fill
			does()
		}
		g0, h0 := footprint()
		for range 300 {
			does()
		}
		g1, h1 := footprint()
		if g1 > g0+4 || h1 > h0+(2<<20) {
			t.Errorf("%s: %d goroutines and %d kB, before %d and %d kB", what, g1, h1>>10, g0, h0>>10)
		}
	}
	e.end()
}
