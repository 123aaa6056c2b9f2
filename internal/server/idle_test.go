package server

import (
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are handed to it.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	if c, ok := <-p.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.conns) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// TestMalloryHoldsNoConnection: whoever has not signed in is gone after a while,
// also one that speaks HTTP and never asks for the relay.
func TestMalloryHoldsNoConnection(t *testing.T) {
	for what, request := range map[string]string{
		"stays after an answer": "GET /nothing HTTP/1.1\r\nHost: byre.test\r\n\r\n",
		"sends no body":         "POST /nothing HTTP/1.1\r\nHost: byre.test\r\nContent-Length: 100000\r\n\r\nx",
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := (&server{log: slog.New(slog.DiscardHandler)}).httpServer(t.Context())
				ln := &pipes{conns: make(chan net.Conn, 1)}
				served := make(chan struct{})
				go func() { defer close(served); _ = srv.Serve(ln) }()
				mallory, theirs := net.Pipe()
				ln.conns <- theirs
				began := time.Now()
				if _, err := io.WriteString(mallory, request); err != nil {
					t.Fatal(err)
				}
				_ = mallory.SetReadDeadline(began.Add(time.Hour))
				_, err := io.Copy(io.Discard, mallory) // an answer, or none
				if err != nil || time.Since(began) > 30*time.Second {
					t.Errorf("the connection stood for %v: %v", time.Since(began), err)
				}
				_ = mallory.Close()
				_ = srv.Close()
				<-served
			})
		})
	}
}
