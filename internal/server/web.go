package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server/config"
	"github.com/byre-messenger/byre/internal/server/socket"
	"github.com/byre-messenger/byre/internal/webui"
)

// downloadTime is how long one file of the web client may take: the largest
// comes in time at 15 kB/s.
const downloadTime = 2 * time.Minute

// sockets speaks the relay protocol, one for all listeners: they share a bound.
type sockets struct {
	once sync.Once
	http.Handler
}

func (h *sockets) handler(s *server) http.Handler {
	h.once.Do(func() { h.Handler = socket.Handler(s.relay, s.log) })
	return h.Handler
}

// routes is what a listener serves: the relay protocol, to devices and to pages
// of this very server, and the web client where it is offered.
func (s *server) routes(web bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(socket.Path, webui.SameOrigin(s.sockets.handler(s)))
	if web {
		ui := webui.Handler()
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			// More than a handshake gets; a server that can't say so sends what
			// fits into less.
			_ = http.NewResponseController(w).SetWriteDeadline(clock.System{}.Now().Add(downloadTime))
			ui.ServeHTTP(w, r)
		})
	}
	return mux
}

// listenWeb serves the web client to this machine alone. Where nobody asked for
// an address and the default one is taken, the server runs without it. Sessions
// live as long as alive.
func (s *server) listenWeb(ctx, alive context.Context) (*http.Server, error) {
	if s.cfg.Web == "off" {
		return nil, nil //nolint:nilnil // no page is what was asked for
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Web)
	if errors.Is(err, syscall.EADDRINUSE) && s.cfg.Web == config.Default().Web {
		s.log.WarnContext(ctx, "the page for browsers is off: its port is taken", slog.Any("err", err))
		return nil, nil //nolint:nilnil // as above
	}
	if err != nil {
		return nil, fmt.Errorf("can't serve the page for browsers on %s: %w", s.cfg.Web, err)
	}
	next := s.routes(true)
	web := &http.Server{
		ReadTimeout: headerTime, WriteTimeout: headerTime,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return alive },
		ErrorLog:       slog.NewLogLogger(discardAddresses{}, slog.LevelDebug),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// A name that leads here by DNS from another site must not be
			// served (DNS rebinding).
			host, _, err := net.SplitHostPort(r.Host)
			if err != nil {
				host = r.Host
			}
			if !config.Loopback(host) {
				http.Error(w, "this page is for this machine alone", http.StatusMisdirectedRequest)
				return
			}
			next.ServeHTTP(w, r)
		}),
	}
	go func() { _ = web.Serve(ln) }()
	return web, nil
}
