package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server/acme"
	"github.com/byre-messenger/byre/internal/server/ballast"
	"github.com/byre-messenger/byre/internal/server/config"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/server/metrics"
	"github.com/byre-messenger/byre/internal/store"
)

// acmeDir is where certificates of a domain are kept in the data directory.
const acmeDir = "acme"

// operation is what looks after a server while it starts, serves and stops.
type operation struct {
	clock   clock.Clock
	metrics *metrics.Metrics
	health  *metrics.Health
	ballast *ballast.Ballast
	acme    *acme.Manager // nil without a domain
	probes  *http.Server  // nil where nobody asked for it
}

// operate begins to answer probes, and looks at the disk before anything is
// written to it.
func operate(ctx context.Context, cfg config.Config, clk clock.Clock, log *slog.Logger, dir *datadir.Dir) (*operation, error) {
	o := &operation{clock: clk, metrics: metrics.New(), health: &metrics.Health{}}
	free := func() (uint64, error) { return ballast.Free(cfg.Data) }
	o.ballast = ballast.New(dir.Path(ballast.File), int64(cfg.Ballast), free, log)
	o.ballast.Check(ctx)
	o.health.Watch(o.ballast.Full)
	if err := o.order(cfg, clk, log, dir); err != nil {
		return nil, err
	}
	if cfg.Metrics == "off" {
		return o, nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Metrics)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("another program listens on %s already; name another HOST:PORT with --metrics", cfg.Metrics)
	}
	if err != nil {
		return nil, fmt.Errorf("can't serve metrics on %s; name another HOST:PORT with --metrics: %w", cfg.Metrics, err)
	}
	log.InfoContext(ctx, "metrics and probes are served", slog.String("addr", ln.Addr().String()))
	o.probes = &http.Server{
		Handler: o.metrics.Handler(o.health), ReadTimeout: headerTime, WriteTimeout: headerTime, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(discardAddresses{}, slog.LevelDebug),
	}
	go func() { _ = o.probes.Serve(ln) }()
	return o, nil
}

// order reads the certificates of the domains, if there are any.
func (o *operation) order(cfg config.Config, clk clock.Clock, log *slog.Logger, dir *datadir.Dir) (err error) {
	if len(cfg.Domains) == 0 {
		return nil
	}
	var roots *x509.CertPool
	if cfg.ACMECA != "" {
		pem, err := os.ReadFile(cfg.ACMECA)
		if err != nil {
			return fmt.Errorf("acme_ca: %w", err)
		}
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("acme_ca: %s holds no certificate in PEM form", cfg.ACMECA)
		}
	}
	o.acme, err = acme.Open(acme.Config{
		Dir: dir.Path(acmeDir), Domains: cfg.Domains, Directory: cfg.ACME, Email: cfg.ACMEEmail, Roots: roots, Clock: clk, Log: log,
	})
	return err
}

// run looks after the disk and the certificates until ctx ends.
func (o *operation) run(ctx context.Context, wg *sync.WaitGroup) {
	wg.Go(func() { o.ballast.Run(ctx, o.clock) })
	if o.acme != nil {
		wg.Go(func() { o.acme.Run(ctx) })
	}
}

// close ends the probes; it is the last thing that a server does.
func (o *operation) close() error {
	if o.probes == nil {
		return nil
	}
	return ignoreClosed(o.probes.Close())
}

// measure returns a store whose commits are counted.
func (o *operation) measure(st store.Store) store.Store { return measured{st, o} }

type measured struct {
	store.Store

	o *operation
}

// Commit implements [store.Store].
func (m measured) Commit(ctx context.Context, b *store.Batch) error {
	began := m.o.clock.Now()
	err := m.Store.Commit(ctx, b)
	failed := err
	if errors.Is(err, store.ErrConflict) {
		failed = nil // somebody else was first, as happens
	}
	m.o.metrics.Committed(m.o.clock.Now().Sub(began), failed)
	return err
}

// attach tells the metrics where the relay's numbers are.
func (s *server) attach() {
	s.ops.metrics.Attach(metrics.Sources{
		Relay: s.relay.Status, DiskFree: s.ops.ballast.Free, DiskFull: s.ops.ballast.Full,
		CertificateEnd: s.certificateEnd, Version: Version,
	})
}

func (s *server) certificateEnd() time.Time {
	if s.ops.acme != nil {
		if end := s.ops.acme.NotAfter(); !end.IsZero() {
			return end
		}
	}
	return s.certs.NotAfter()
}

// certificate is what a connection gets: that of the domain it names, else the
// local one, which whoever has ca.pem trusts.
func (s *server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.ops != nil && s.ops.acme != nil {
		if c := s.ops.acme.Certificate(hello); c != nil {
			return c, nil
		}
	}
	return s.certs.Certificate(hello)
}
