package transport

import (
	"bufio"
	"context"
	"crypto/sha1" // RFC 6455 4.2.2 asks for it
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
)

// mallory is a server: what it does with each connection of a device.
type mallory func(conn net.Conn)

// against runs a story with a device's dialer and a server of mallory's, on
// pipes, in simulated time.
func against(t *testing.T, m mallory, story func(t *testing.T, d Dialer)) {
	t.Helper()
	site := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(site.Close)
	roots := site.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	synctest.Test(t, func(t *testing.T) {
		d := Dialer{URL: "https://example.com", Roots: roots, Clock: clock.System{}}
		d.dial = func(context.Context, string, string) (net.Conn, error) {
			mine, theirs := net.Pipe()
			go func() {
				m(theirs)
				_ = theirs.Close()
			}()
			return mine, nil
		}
		story(t, d)
		time.Sleep(time.Minute) // goodbyes
		synctest.Wait()         // whatever still runs now fails the test
	})
}

// secure is mallory behind TLS, with the certificate of httptest.
func secure(m mallory) mallory {
	site := httptest.NewUnstartedServer(nil)
	site.StartTLS()
	certs := site.TLS.Certificates
	site.Close()
	return func(conn net.Conn) {
		c := tls.Server(conn, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: certs})
		m(c)
		_ = c.Close()
	}
}

// upgraded is mallory once the WebSocket stands; more are headers.
func upgraded(more string, m mallory) mallory {
	return secure(func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
			base64.StdEncoding.EncodeToString(sum[:]), more)
		m(conn)
	})
}

// says writes bytes and stays until the device goes.
func says(b string) mallory {
	return func(conn net.Conn) {
		if strings.HasPrefix(b, "HTTP/") { // an answer comes behind its request
			_, _ = conn.Read(make([]byte, 4096))
		}
		gone := make(chan struct{}) // one reader: a second would wait for a lock, in real time
		go func() {
			defer close(gone)
			_, _ = io.Copy(io.Discard, conn)
		}()
		_, _ = io.WriteString(conn, b)
		<-gone
	}
}

// repeats writes bytes again and again, with a pause.
func repeats(b string, pause time.Duration) mallory {
	return func(conn net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		for {
			if _, err := io.WriteString(conn, b); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

// TestAHostileServerBeforeTheSession: whatever answers, the device gets one
// sentence within its time, keeps nothing, and knows when to come again.
func TestAHostileServerBeforeTheSession(t *testing.T) {
	busy503 := func(after string) mallory {
		return secure(func(conn net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: "+after+"\r\nContent-Length: 0\r\n\r\n")
		})
	}
	for what, c := range map[string]struct {
		does  mallory
		want  error
		words string
		retry time.Duration
	}{
		"says nothing":                      {says(""), ErrDown, "", 0},
		"drips a TLS record":                {repeats("\x16", time.Second), ErrNotByre, "no TLS", 0},
		"garbage instead of TLS":            {says("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"), ErrNotByre, "no TLS", 0},
		"hangs up":                          {func(net.Conn) {}, ErrDown, "", 0},
		"has no room":                       {says("\x15\x03\x03\x00\x02\x02\x50"), ErrBusy, "come again in 5s", 5 * time.Second},
		"another alert":                     {says("\x15\x03\x03\x00\x02\x02\x28"), ErrDown, "", 0},
		"never answers":                     {secure(says("")), ErrDown, "", 0},
		"drips its answer":                  {secure(repeats("H", time.Second)), ErrDown, "", 0},
		"an answer without end":             {secure(repeats("HTTP/1.1 101 OK\r\nX: "+strings.Repeat("y", 1000)+"\r\n", 0)), ErrDown, "", 0},
		"garbage instead of an answer":      {secure(says(strings.Repeat("\x00\xff", 2000))), ErrDown, "", 0},
		"another page":                      {secure(says("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nhello")), ErrNotByre, "HTTP status 200", 0},
		"a status with a terminal's orders": {secure(says("HTTP/1.1 404 \x1b[2J\r\nContent-Length: 0\r\n\r\n")), ErrNotByre, "HTTP status 404", 0},
		"sends elsewhere":                   {secure(says("HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")), ErrNotByre, "HTTP status 302", 0},
		"is busy for a while":               {busy503("12"), ErrBusy, "come again in 12s", 12 * time.Second},
		"is busy for ever":                  {busy503("99999999999"), ErrBusy, "come again in 5s", 5 * time.Second},
		"is busy in words":                  {busy503("soon"), ErrBusy, "come again in 5s", 5 * time.Second},
		"agrees on compression":             {upgraded("Sec-WebSocket-Extensions: permessage-deflate\r\n", says("")), ErrDown, "", 0},
	} {
		t.Run(what, func(t *testing.T) {
			against(t, c.does, func(t *testing.T, d Dialer) {
				began := time.Now()
				conn, err := d.Dial(t.Context())
				if took := time.Since(began); took > dialTimeout+5*time.Second {
					t.Errorf("took %v", took)
				}
				if conn != nil || !errors.Is(err, c.want) {
					t.Errorf("got %v, %v; want %v", conn, err, c.want)
					return
				}
				if text := err.Error(); !strings.Contains(text, c.words) || strings.ContainsAny(text, "\x1b\n") || len(text) > 240 {
					t.Errorf("told %q", text)
				}
				later, _ := errors.AsType[interface {
					error
					RetryAfter() time.Duration
				}](err)
				if later != nil && later.RetryAfter() != c.retry {
					t.Errorf("to come again in %v, want %v", later.RetryAfter(), c.retry)
				}
			})
		})
	}
}

// TestAHostileServerInTheSession: no frame is longer than a MiB, no silence
// longer than the pings allow, and the end is a sentence.
func TestAHostileServerInTheSession(t *testing.T) {
	closing := func(code uint16, reason string) mallory {
		return says(string(append([]byte{0x88, byte(len(reason) + 2), byte(code >> 8), byte(code)}, reason...)))
	}
	pings := pingEvery + pingTimeout + time.Second
	for what, c := range map[string]struct {
		does   mallory
		want   error
		words  string
		within time.Duration
	}{
		"a giant frame":               {says("\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00"), ErrLost, "", pings},
		"a frame of negative length":  {says("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), ErrLost, "", time.Second},
		"a message without end":       {repeats("\x02\x7e\x10\x00"+strings.Repeat("x", 0x1000), 0), ErrLost, "", time.Second},
		"parts without end":           {func(c net.Conn) { _, _ = c.Write([]byte{2, 1, 0}); repeats(strings.Repeat("\x00\x01x", 5000), 0)(c) }, ErrLost, "", time.Minute},
		"a frame that drips":          {func(c net.Conn) { _, _ = c.Write([]byte("\x82\x7e\xff\xff")); repeats("x", time.Second)(c) }, ErrLost, "", pings},
		"a frame that stops":          {says("\x82\x10half"), ErrLost, "", pings},
		"nothing at all":              {says(""), ErrLost, "", pings},
		"a compressed frame":          {says("\xc2\x02\x03\x00"), ErrLost, "", time.Second},
		"text":                        {says("\x81\x02hi"), ErrNotByre, "a text frame", time.Second},
		"garbage":                     {says(strings.Repeat("\xff\x00\x55", 500)), ErrLost, "", time.Second},
		"goes down":                   {closing(1001, "bye"), ErrGoingDown, "starts anew", time.Second},
		"has no room any more":        {closing(1013, "retry-after=30"), ErrBusy, "come again in 30s", time.Second},
		"can't say when":              {closing(1013, "retry-after=\x1b[31m"), ErrBusy, "come again in 5s", time.Second},
		"a reason in its own words":   {closing(4999, "\x1b]0;owned\x07"), ErrEnded, "code 4999", time.Second},
		"does not read what we write": {closing(1002, ""), ErrEnded, "update byre", time.Second},
	} {
		t.Run(what, func(t *testing.T) {
			against(t, upgraded("", c.does), func(t *testing.T, d Dialer) {
				conn, err := d.Dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				b, err := conn.Recv(t.Context())
				if took := time.Since(began); took > c.within+10*time.Second {
					t.Errorf("took %v", took)
				}
				if err == nil || !errors.Is(err, c.want) {
					t.Errorf("got %d bytes, %v; want %v", len(b), err, c.want)
				} else if text := err.Error(); !strings.Contains(text, c.words) || strings.ContainsAny(text, "\x1b\x07\n") || len(text) > 240 {
					t.Errorf("told %q", text)
				}
				_ = conn.Close()
			})
		})
	}
}

// TestAThousandConnectionsLeaveNothing: neither goroutines nor memory grow with
// the connections that a hostile server ended.
func TestAThousandConnectionsLeaveNothing(t *testing.T) {
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(site.Close)
	roots := site.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	d := Dialer{URL: site.URL, Roots: roots, Clock: clock.System{}}
	round := func() {
		for range 250 {
			if _, err := d.Dial(t.Context()); !errors.Is(err, ErrBusy) {
				t.Fatal(err)
			}
		}
		site.CloseClientConnections()
	}
	measure := func() (goroutines int, heap uint64) {
		for range 50 { // what was closed ends on its own time
			time.Sleep(10 * time.Millisecond)
			if n := runtime.NumGoroutine(); n == goroutines {
				break
			} else {
				goroutines = n
			}
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return goroutines, m.HeapAlloc
	}
	round()
	g0, h0 := measure()
	round()
	round()
	round()
	g1, h1 := measure()
	if g1 > g0+5 || h1 > h0+(2<<20) {
		t.Errorf("%d goroutines and %d bytes, before %d and %d", g1, h1, g0, h0)
	}
}
