// Package server runs byred: it opens the data directory, joins the relay to
// the network, and takes both down in order.
package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/hygiene"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/server/acme"
	"github.com/byre-messenger/byre/internal/server/backup"
	"github.com/byre-messenger/byre/internal/server/cert"
	"github.com/byre-messenger/byre/internal/server/config"
	"github.com/byre-messenger/byre/internal/server/control"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/server/gate"
	"github.com/byre-messenger/byre/internal/server/metrics"
	"github.com/byre-messenger/byre/internal/server/stack"
	"github.com/byre-messenger/byre/internal/store/pebblestore"
)

const (
	// drainTime is how long a stop may take for what is under way; with what
	// follows it stays below the ten seconds of the command contract.
	drainTime = 8 * time.Second
	// headerTime bounds the handshake and the request of a new connection.
	headerTime = 10 * time.Second
	// maxHeader is the longest header of a request in bytes; devices need a
	// tenth of it.
	maxHeader = 8 << 10
)

// Version is what status shows; the build sets it.
var Version = "dev"

// Status is what 'byred status' shows. The numbers are of the relay, counted
// since the start unless their names say otherwise.
type Status struct {
	relay.Status

	Retention string `json:"retention"`
	Vault     string `json:"vault"`
	Version   string `json:"version"`
	// DiskFull: what is new is refused until there is room.
	DiskFull       bool      `json:"disk_full"`
	DiskFree       uint64    `json:"disk_free_bytes"`
	CertificateEnd time.Time `json:"certificate_end"`
}

// Run serves until ctx ends, then drains and returns. It writes the ready line
// to out once devices can connect.
func Run(ctx context.Context, cfg config.Config, clk clock.Clock, log *slog.Logger, out io.Writer) error {
	return run(ctx, cfg, clk, log, out, nil)
}

// run is Run on a file system, nil being the machine's.
func run(ctx context.Context, cfg config.Config, clk clock.Clock, log *slog.Logger, out io.Writer, fs vfs.FS) (err error) {
	if err := cfg.Check(); err != nil {
		return err
	}
	dir, err := datadir.Open(cfg.Data)
	if err != nil {
		return err
	}
	defer closing(&err, dir.Close)
	ops, err := operate(ctx, cfg, clk, log, dir)
	if err != nil {
		return err
	}
	defer closing(&err, ops.close)
	host, _, _ := net.SplitHostPort(cfg.Listen) // Check has seen to it
	certs, err := cert.Open(cfg.Data, clk, append([]string{"localhost", "127.0.0.1", "::1", host}, cfg.Names...))
	if err != nil {
		return err
	}
	broken := make(chan error, 1)
	st, err := pebblestore.Open(dir.Path("relay"), pebblestore.Options{
		Log: log, Server: true, FS: fs,
		// Called once. Calls under way in the store may hang from then on.
		Fatal: func(err error) { broken <- err },
	})
	if err != nil {
		return err
	}
	defer closing(&err, func() error { return within(ctx, storeTime, log, st.Close) })
	keys, err := atrest.New(dir.Root)
	if err != nil {
		return err
	}
	kept, err := openVault(cfg, dir)
	if err != nil {
		return err
	}
	mode, bits := cfg.WhoMayRegister(len(cfg.Domains) > 0)
	r, err := relay.New(ctx, relay.Config{
		Store: ops.measure(st), Clock: clk, ServerKey: dir.Identity, Keys: keys, Full: ops.ballast.Full,
		Vault: kept, ShredLag: ops.metrics.Shredded,
		Retention: time.Duration(cfg.Retention), Registration: mode, RegisterWork: bits, Log: log,
	})
	if err != nil {
		return undecided(err)
	}
	s := &server{
		cfg: cfg, relay: r, certs: certs, ops: ops, log: log, dir: dir, gate: gate.New(clk, gate.Limits{}), broken: broken,
		backup: func(ctx context.Context, w io.Writer) error {
			_, err := backup.Write(ctx, w, backup.Source{Path: dir.Path, Store: st, Keys: keys}, clk.Now())
			return err
		},
	}
	s.attach()
	return s.serve(ctx, out)
}

// server is what Run puts together.
type server struct {
	cfg     config.Config
	relay   *relay.Relay
	certs   *cert.Local
	ops     *operation
	log     *slog.Logger
	dir     *datadir.Dir
	gate    *gate.Gate
	sockets sockets
	// broken gets the error after which the store writes no more.
	broken <-chan error
	// backup writes an archive of what must not be lost.
	backup control.Stream
}

func (s *server) serve(ctx context.Context, out io.Writer) (err error) {
	// The relay outlives ctx: it drains after the signal.
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("another program listens on %s already; stop it, or name another HOST:PORT with --listen", s.cfg.Listen)
	}
	if err != nil {
		return fmt.Errorf("can't listen on %s; name another HOST:PORT with --listen: %w", s.cfg.Listen, err)
	}
	devices := s.httpServer(alive)
	web, err := s.listenWeb(ctx, alive)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	ctl, err := control.Listen(ctx, datadir.ControlSocket(s.cfg.Data), control.Ops{
		"status":  func(context.Context, json.RawMessage) (any, error) { return s.status(), nil },
		"process": func(context.Context, json.RawMessage) (any, error) { return hygiene.Of(), nil },
		"invite":  s.invite,
		"backup":  func(context.Context, json.RawMessage) (any, error) { return s.backup, nil },
	})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	var running sync.WaitGroup
	running.Go(func() { ctl.Serve(alive) })
	running.Go(func() { s.relay.Run(alive) })
	s.ops.run(alive, &running)
	failed := make(chan error, 1)
	go func() { failed <- devices.Serve(tls.NewListener(s.gate.Listen(ln), s.tlsConfig())) }()
	s.ops.health.Set(metrics.Serving)
	_, _ = fmt.Fprintf(out, "ready https://%s ca=%s\n", ln.Addr(), s.dir.Path(cert.CAFile))

	patience := drainTime
	select {
	case <-ctx.Done():
		s.ops.health.Set(metrics.Draining)
	case err = <-failed:
	case err = <-s.broken:
		s.ops.health.Set(metrics.Broken)
		err = brokenStore(err)
		patience = brokenTime // nothing more becomes durable: there is nothing to wait for
	}
	err = errors.Join(err, s.stop(context.WithoutCancel(ctx), patience, devices, web, ctl))
	stop()
	// The relay uses the store until then; a store that hangs keeps nobody.
	ended := within(ctx, storeTime, s.log, func() error { running.Wait(); return nil })
	return errors.Join(err, ended)
}

// stop ends service in order: no new connections, what is unconfirmed becomes
// durable and is answered, then everything closes.
func (s *server) stop(ctx context.Context, patience time.Duration, devices, web *http.Server, ctl *control.Server) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.log.InfoContext(ctx, "stopping")
	// Close, not Shutdown: sessions are hijacked and belong to the relay.
	errs := []error{ignoreClosed(devices.Close())}
	if web != nil {
		errs = append(errs, ignoreClosed(web.Close()))
	}
	if err := s.relay.Drain(ctx); err != nil {
		// Not lost: unanswered senders send again.
		s.log.WarnContext(ctx, "stopped before everything was answered", slog.Any("err", err))
	}
	return errors.Join(append(errs, ctl.Close())...)
}

func (s *server) httpServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:     gate.Handler(s.routes(len(s.cfg.Domains) > 0)),
		ConnContext: gate.Context,
		// Also for what follows a request: nobody holds a connection without a
		// session. A session's connection is hijacked, and has its own deadlines.
		ReadTimeout: headerTime, WriteTimeout: headerTime,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       slog.NewLogLogger(discardAddresses{}, slog.LevelDebug),
	}
}

// tlsConfig is TLS 1.3 alone (R7); native clients offer only the hybrid
// post-quantum group, browsers may lack it.
func (s *server) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS13,
		GetCertificate:   s.certificate,
		CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.X25519},
		NextProtos:       []string{"http/1.1", acme.Protocol},
		// The first word that a connection's goroutine has with this package.
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { stack.Grow(); return nil, nil },
	}
}

func (s *server) status() Status {
	return Status{
		Status:    s.relay.Status(),
		Retention: time.Duration(s.cfg.Retention).String(),
		Vault:     s.cfg.Vault,
		Version:   Version,

		DiskFull: s.ops.ballast.Full(), DiskFree: s.ops.ballast.Free(), CertificateEnd: s.certificateEnd().UTC(),
	}
}

// discardAddresses drops what net/http logs: its lines hold addresses, which
// belong into the access log alone (R14).
type discardAddresses struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (discardAddresses) Enabled(context.Context, slog.Level) bool { return false }

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
