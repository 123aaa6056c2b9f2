package server

import (
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// TestTenThousandReconnects: one address connects as fast as it can, with a
// handshake each time. It is told to come again or cut off; alice and bob, from
// another address, talk on; and when it is over, nothing is left of it.
func TestTenThousandReconnects(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only Linux has a second loopback address")
	}
	count, rate := 1_000, limit.Rate{Burst: 200, PerSecond: 50}
	if os.Getenv("BYRE_LONG") != "" {
		count, rate = 10_000, limit.Rate{}
	} else {
		t.Log("1,000 reconnects against a smaller allowance; BYRE_LONG=1 makes them 10,000 against the true one")
	}
	e := newEdgeWith(t, gate.Limits{Rate: rate})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := e.httpServer(t.Context())
	served := e.serveOn(srv, ln)
	dial := func(from string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
		return d.DialContext(t.Context(), "tcp", ln.Addr().String())
	}
	e.network = func() (net.Conn, error) { return dial("127.0.0.1") }
	alice, bob := e.joins("alice", ""), e.joins("bob", "")
	g0, h0 := footprint()

	var in, told, cut atomic.Int64
	left := make(chan struct{}, count)
	for range count {
		left <- struct{}{}
	}
	close(left)
	began := time.Now()
	var flood sync.WaitGroup
	for range 80 {
		flood.Go(func() {
			for range left {
				conn, err := dial("127.0.0.2")
				if err != nil {
					cut.Add(1)
					continue
				}
				soon(conn, 20*time.Second)
				switch c, err := e.calls(conn, ""); {
				case err != nil:
					cut.Add(1)
				case c.head.StatusCode == http.StatusServiceUnavailable && c.head.Header.Get("Retry-After") != "":
					told.Add(1)
				default:
					in.Add(1)
				}
				_ = conn.Close()
			}
		})
	}
	over := make(chan struct{})
	go func() { flood.Wait(); close(over) }()
	var waits []time.Duration
	for n := 0; ; n++ {
		at := time.Now()
		alice.converse(n, bob)
		waits = append(waits, time.Since(at))
		select {
		case <-over:
		default:
			time.Sleep(2 * time.Millisecond)
			continue
		}
		break
	}
	slices.Sort(waits)
	median, worst := waits[len(waits)/2], waits[len(waits)-1]
	t.Logf("%d reconnects in %v: %d let in, %d told when to come again, %d cut off; %d letters, median %v, worst %v",
		count, time.Since(began).Round(time.Millisecond), in.Load(), told.Load(), cut.Load(), len(waits), median, worst)
	// On a slow machine the flood is none, and the rate lets everybody in.
	flooded := float64(count) > 1.5*(rate.Burst+rate.PerSecond*time.Since(began).Seconds()) && rate.Burst > 0
	if in.Load() == 0 || flooded && told.Load()+cut.Load() == 0 {
		t.Error("nobody was turned away, or everybody")
	}
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
