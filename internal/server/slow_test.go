package server

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/server/config"
	"github.com/byre-messenger/byre/internal/wire"
)

// drip writes b byte by byte with pauses until the connection ends.
func drip(w io.Writer, b []byte, pause time.Duration) {
	for i := 0; ; i++ {
		if _, err := w.Write(b[i%len(b) : i%len(b)+1]); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

// TestSlowPeersGoAway: whoever is slow, at whatever step, is gone after its time
// and leaves nothing behind, while others talk.
func TestSlowPeersGoAway(t *testing.T) {
	for what, c := range map[string]struct {
		does   func(e *edge, end func(began time.Time))
		within time.Duration
	}{
		"says nothing": {func(e *edge, end func(time.Time)) {
			conn := e.dial("203.0.113.9")
			began := time.Now()
			_, _ = io.Copy(io.Discard, conn)
			end(began)
		}, headerTime + time.Second},
		"drips its half of the TLS handshake": {func(e *edge, end func(time.Time)) {
			conn := e.dial("203.0.113.9")
			began := time.Now()
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			drip(conn, []byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 0, 0, 0, 0, 0}, time.Second)
			end(began)
		}, headerTime + 2*time.Second},
		"drips its request": {func(e *edge, end func(time.Time)) {
			conn := e.dial("203.0.113.9")
			began := time.Now()
			secure := e.client(conn)
			go func() { _, _ = io.Copy(io.Discard, secure) }()
			drip(secure, []byte("GET /byre/v1 HTTP/1.1\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), time.Second)
			end(began)
		}, headerTime + 2*time.Second},
		"never signs in": {func(e *edge, end func(time.Time)) {
			c := e.mustCall("203.0.113.9")
			began := time.Now()
			if code, text, err := c.end(); code != 4003 || text != "no sign-in came in time" {
				e.t.Errorf("ended with %d, %q, %v", code, text, err)
			}
			c.leaves()
			end(began)
		}, 31 * time.Second},
		"pings and never signs in": {func(e *edge, end func(time.Time)) {
			c := e.mustCall("203.0.113.9")
			began := time.Now()
			go func() { _, _, _ = c.end(); _, _ = io.Copy(io.Discard, c); c.leaves() }() // pongs are read to the last
			for {
				if _, err := c.Write(header(pingFrame, 0)); err != nil {
					break
				}
				time.Sleep(time.Second)
			}
			end(began)
		}, 33 * time.Second},
		"signs in and is never heard of again": {func(e *edge, end func(time.Time)) {
			m := e.joins("mallory", "203.0.113.9")
			began := time.Now()
			_, _, _ = m.end()
			m.leaves()
			end(began)
		}, 2*time.Minute + time.Second},
		"drips the header of a frame": {func(e *edge, end func(time.Time)) {
			m := e.joins("mallory", "203.0.113.9")
			began := time.Now()
			go func() { _, _, _ = m.end(); m.leaves() }()
			drip(m, header(binaryFrame, 1<<20)[:1], 3*time.Minute)
			end(began)
		}, 4 * time.Minute},
		"drips the body of a frame": {func(e *edge, end func(time.Time)) {
			m := e.joins("mallory", "203.0.113.9")
			began := time.Now()
			go func() { _, _, _ = m.end(); m.leaves() }()
			_, _ = m.Write(header(binaryFrame, 1<<20))
			drip(m, make([]byte, 16), time.Second)
			end(began)
		}, time.Minute + 2*time.Second},
		"pings between the parts of a message without end": {func(e *edge, end func(time.Time)) {
			m := e.joins("mallory", "203.0.113.9")
			began := time.Now()
			go func() { _, _, _ = m.end(); m.leaves() }()
			first := byte(0x02) // a binary message, to be continued
			for {
				if _, err := m.Write(append(header(first, 1), 'x')); err != nil {
					break
				}
				first = 0
				if _, err := m.Write(header(pingFrame, 0)); err != nil {
					break
				}
				time.Sleep(time.Second)
			}
			end(began)
		}, time.Minute + 2*time.Second},
		"pings and takes no answer": {func(e *edge, end func(time.Time)) {
			m := e.joins("mallory", "203.0.113.9")
			began := time.Now()
			for {
				if _, err := m.Write(header(pingFrame, 0)); err != nil {
					break
				}
			}
			end(began)
		}, writeTimeoutOfLinks + 6*time.Second}, // TLS says goodbye for 5 s
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEdge(t)
				done := make(chan struct{})
				go func() {
					defer close(done)
					c.does(e, func(began time.Time) {
						if took := time.Since(began); took > c.within {
							t.Errorf("was there for %v, want %v at most", took, c.within)
						}
					})
				}()
				alice, bob := e.joins("alice", "198.51.100.1"), e.joins("bob", "198.51.100.2")
				for n := 0; ; n++ {
					alice.converse(n, bob)
					select {
					case <-done:
					default:
						time.Sleep(7 * time.Second)
						continue
					}
					break
				}
				time.Sleep(6 * time.Second) // TLS says goodbye for 5
				if all, newcomers := e.gate.Open(); all != 2 || newcomers != 0 {
					t.Errorf("%d connections, %d newcomers; want alice's and bob's", all, newcomers)
				}
				alice.leaves()
				bob.leaves()
				e.end()
			})
		})
	}
}

// writeTimeoutOfLinks is how long the socket waits for a peer that takes
// nothing.
const writeTimeoutOfLinks = 30 * time.Second

// TestAPeerThatVanishes: bob's cable is cut and nobody is told. What is written
// to him meanwhile is stored, and read when he comes back; the server forgets
// the dead connection.
func TestAPeerThatVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		alice, bob := e.joins("alice", "198.51.100.1"), e.joins("bob", "198.51.100.2")
		alice.converse(0, bob)
		// From here on bob neither reads nor writes, nor closes.
		got, ok := alice.asks(letter(1, bob)).(*wire.Sent)
		if !ok || got.Outcomes[0].Outcome != wire.OutcomeStored {
			t.Fatalf("a letter to nobody: %+v", got)
		}
		for range 5 {
			time.Sleep(30 * time.Second)
			alice.asks(&wire.LookUp{Name: "bob"})
		}
		if all, _ := e.gate.Open(); all != 1 {
			t.Errorf("%d connections after %s, want alice's", all, "two minutes of silence")
		}
		if s := e.relay.Status(); s.Waiting != 1 || s.SignedIn != 1 {
			t.Errorf("status %+v", s)
		}
		alice.leaves()
		bob.leaves()
		e.end()
	})
}

// TestADownloadHasItsTime: a browser on a slow line gets a page of the web client
// that takes longer than an answer may otherwise, and no more than its time.
func TestADownloadHasItsTime(t *testing.T) {
	for pause, comes := range map[time.Duration]bool{downloadTime - time.Second: true, downloadTime + time.Second: false} {
		t.Run(pause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{log: slog.New(slog.DiscardHandler), cfg: config.Config{Domains: []string{"byre.test"}}}
				srv := s.httpServer(t.Context())
				ln := &pipes{conns: make(chan net.Conn, 1)}
				served := make(chan struct{})
				go func() { defer close(served); _ = srv.Serve(ln) }()
				browser, theirs := net.Pipe()
				ln.conns <- theirs
				if _, err := io.WriteString(browser, "GET / HTTP/1.1\r\nHost: byre.test\r\nConnection: close\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(pause)
				got, err := io.ReadAll(browser)
				if whole := strings.HasPrefix(string(got), "HTTP/1.1 200 OK\r\n"); err != nil || whole != comes {
					t.Errorf("after %v of %v the page comes: %v, want %v (%d bytes, %v)", pause, downloadTime, whole, comes, len(got), err)
				}
				_, _ = browser.Close(), srv.Close()
				<-served
			})
		})
	}
}
