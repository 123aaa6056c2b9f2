package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server/acme"
	"github.com/byre-messenger/byre/internal/server/cert"
	"github.com/byre-messenger/byre/internal/server/config"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/server/metrics"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
)

// operated is what looks after a server on a fresh directory.
func operated(t *testing.T, change func(*config.Config)) (*operation, *datadir.Dir, error) {
	t.Helper()
	cfg := config.Default()
	cfg.Data, cfg.Ballast = t.TempDir(), 0
	change(&cfg)
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	dir, err := datadir.Open(cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	o, err := operate(t.Context(), cfg, clock.System{}, slog.New(slog.DiscardHandler), dir)
	return o, dir, err
}

// TestUntilThereIsACertificate: a server with a domain shows its local
// certificate to everybody but a challenge, which gets none that was not made
// for it.
func TestUntilThereIsACertificate(t *testing.T) {
	o, dir, err := operated(t, func(c *config.Config) { c.Domains = []string{"chat.example.org"} })
	if err != nil {
		t.Fatal(err)
	}
	local, err := cert.Open(dir.Path("."), clock.System{}, []string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{ops: o, certs: local}
	own, err := local.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chat.example.org", "localhost", "", "mallory.example"} {
		for _, protos := range [][]string{nil, {"http/1.1"}, {acme.Protocol}} {
			got, err := s.certificate(&tls.ClientHelloInfo{ServerName: name, SupportedProtos: protos})
			if err != nil || got != own {
				t.Errorf("%q with %v is not shown the local certificate: %v", name, protos, err)
			}
		}
	}
	if !s.certificateEnd().Equal(local.NotAfter()) {
		t.Errorf("told is %v, want the end of the local one", s.certificateEnd())
	}
}

func TestProbesWhileTheServerStarts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if _, _, err := operated(t, func(c *config.Config) { c.Metrics = addr }); err == nil || !strings.Contains(err.Error(), "another program listens on "+addr+" already; name another HOST:PORT with --metrics") {
		t.Errorf("a taken port: %v", err)
	}
	_ = ln.Close()
	o, _, err := operated(t, func(c *config.Config) { c.Metrics = addr })
	if err != nil {
		t.Fatal(err)
	}
	ask := func() int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if code := ask(); code != http.StatusServiceUnavailable {
		t.Errorf("ready before it serves: %d", code)
	}
	o.health.Set(metrics.Serving)
	if code := ask(); code != http.StatusOK {
		t.Errorf("not ready though it serves: %d", code)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	o.run(ctx, &wg)
	stop()
	wg.Wait() // nothing stays
	if err := o.close(); err != nil {
		t.Error(err)
	}
}

// TestCommitsAreMeasured: also those that fail, and a conflict is no failure.
func TestCommitsAreMeasured(t *testing.T) {
	o, _, err := operated(t, func(*config.Config) {})
	if err != nil {
		t.Fatal(err)
	}
	st := o.measure(memstore.New())
	var b store.Batch
	b.Require([]byte("k"), []byte("not there"))
	if err := st.Commit(t.Context(), &b); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a conflict: %v", err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := st.Commit(t.Context(), &store.Batch{}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("behind the end: %v", err)
	}
}
