package server

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestABrowserIsAskedForASignOfLife: a page can answer pings and not send them,
// so the server asks; who answers stays, and who does not goes.
func TestABrowserIsAskedForASignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		e.upgrade = "Origin: https://byre.test\r\n"
		alice := e.joins("alice", "198.51.100.1")
		asked := func() {
			for {
				var h [2]byte
				if _, err := io.ReadFull(alice.in, h[:]); err != nil {
					t.Fatalf("no ping: %v", err)
				}
				if h[0] == pingFrame {
					return
				}
				_, _ = io.CopyN(io.Discard, alice.in, int64(h[1]))
			}
		}
		for range 8 {
			asked()
			if _, err := alice.Write(header(0x8a, 0)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if all, _ := e.gate.Open(); all != 1 {
			t.Errorf("%d connections after eight answers, want alice's", all)
		}
		asked() // and she says nothing
		time.Sleep(3 * time.Minute)
		if all, _ := e.gate.Open(); all != 0 {
			t.Errorf("%d connections after three minutes of silence", all)
		}
		alice.leaves()
		time.Sleep(time.Minute)
		e.end()
	})
}

// TestPagesOfOtherSitesReachNoRelay: what runs in a visitor's browser for
// another site gets no session.
func TestPagesOfOtherSitesReachNoRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		for _, origin := range []string{"https://mallory.example", "http://byre.test", "null"} {
			c, err := e.calls(e.dial("198.51.100.9"), fmt.Sprintf("Origin: %s\r\n", origin))
			if err != nil || c.head.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %+v, %v", origin, c.head, err)
			}
			c.leaves()
		}
		time.Sleep(time.Minute)
		e.end()
	})
}

// TestWhereTheWebClientIsServed: on the loopback listener always, on the one for
// devices where the server has a domain.
func TestWhereTheWebClientIsServed(t *testing.T) {
	s := &server{log: slog.New(slog.DiscardHandler)}
	for web, want := range map[bool]int{true: http.StatusOK, false: http.StatusNotFound} {
		w := httptest.NewRecorder()
		s.routes(web).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://byre.test/", nil))
		if w.Code != want {
			t.Errorf("with the client %v: %d, want %d", web, w.Code, want)
		}
	}
}
