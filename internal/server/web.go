package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"

	"github.com/byre-messenger/byre/internal/server/config"
)

// page is what the browser gets until the web client is built into byred.
const page = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>byre</title>
<body style="font:1rem/1.6 system-ui;max-width:36rem;margin:4rem auto;padding:0 1rem">
<h1>byre</h1>
<p>This server is running. This version has no web client yet; use the terminal client:</p>
<pre>byre register https://HOST:PORT NAME --ca ca.pem</pre>
<p lang="ko">서버가 실행 중입니다. 이 버전에는 아직 웹 클라이언트가 없습니다. 터미널 클라이언트를 사용하세요.</p>
</body></html>
`

// listenWeb serves the page to this machine alone. Where nobody asked for an
// address and the default one is taken, the server runs without it.
func (s *server) listenWeb(ctx context.Context) (*http.Server, error) {
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
	web := &http.Server{
		ReadHeaderTimeout: headerTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(discardAddresses{}, slog.LevelDebug),
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
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
			_, _ = io.WriteString(w, page)
		}),
	}
	go func() { _ = web.Serve(ln) }()
	return web, nil
}
