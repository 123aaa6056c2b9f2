package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/byre-messenger/byre/bench/proc"
	"github.com/byre-messenger/byre/internal/server"
	"github.com/byre-messenger/byre/internal/server/control"
	"github.com/byre-messenger/byre/internal/server/datadir"
)

// built is a binary in a directory of its own.
type built struct{ dir, path string }

// buildServer builds byred from this tree, as the Makefile does.
func buildServer(ctx context.Context) (built, error) {
	dir, err := os.MkdirTemp("", "byre-bench-*")
	if err != nil {
		return built{}, err
	}
	b := built{dir, filepath.Join(dir, "byred")}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.path, "github.com/byre-messenger/byre/cmd/byred") //nolint:gosec // constant but for the directory that was just made
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64") {
		cmd.Env = append(cmd.Env, "GOEXPERIMENT=runtimesecret")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return built{}, fmt.Errorf("byred does not build: %w\n%s", err, out)
	}
	return b, nil
}

// target is the relay that is loaded.
type target struct {
	host  string                 // HOST:PORT
	known atomic.Pointer[[]byte] // the certificate whose chain was verified
	roots *x509.CertPool
	proc  *proc.Process // nil: it runs elsewhere
	data  string        // its data directory, "" if it runs elsewhere
	args  []string      // of its command
	log   *proc.Tail
}

// serve seeds a new data directory with n accounts and starts byred on it, or
// registers them where the relay runs already.
func serve(ctx context.Context, o options, n int) (*target, []*device, error) {
	if o.addr != "" {
		t, err := elsewhere(o)
		if err != nil {
			return nil, nil, err
		}
		devices, err := registerAll(ctx, t, n)
		return t, devices, err
	}
	data, err := os.MkdirTemp("", "byre-bench-data-*")
	if err != nil {
		return nil, nil, err
	}
	t := &target{data: data}
	devices, err := seed(ctx, data, n)
	if err == nil {
		// No setting is changed that an operator's byred would not have.
		t.args = []string{o.byred, "serve", "--data", data, "--listen", "127.0.0.1:0", "--web", "off"}
		err = t.start(ctx)
	}
	if err != nil {
		_ = os.RemoveAll(data)
		return nil, nil, err
	}
	return t, devices, nil
}

// elsewhere is the relay that the command line names.
func elsewhere(o options) (*target, error) {
	u, err := url.Parse(o.addr)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("-addr: %q does not look like https://host:port", o.addr)
	}
	t := &target{host: u.Host}
	if u.Port() == "" {
		t.host += ":443"
	}
	if o.ca != "" {
		return t, t.trust(o.ca)
	}
	return t, nil
}

func (t *target) trust(ca string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return fmt.Errorf("the server's authority: %w", err)
	}
	t.roots = x509.NewCertPool()
	if !t.roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate", ca)
	}
	return nil
}

// verify verifies the server's certificate against the roots, once: in ten
// thousand connections of one process the server is what shall be measured.
func (t *target) verify(s tls.ConnectionState) error {
	leaf := s.PeerCertificates[0]
	if k := t.known.Load(); k != nil && bytes.Equal(*k, leaf.Raw) {
		return nil
	}
	opts := x509.VerifyOptions{Roots: t.roots, DNSName: s.ServerName, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(opts); err != nil {
		return fmt.Errorf("the server's certificate: %w", err)
	}
	t.known.Store(&leaf.Raw)
	return nil
}

// start runs byred until it is ready.
func (t *target) start(ctx context.Context) error {
	t.log = &proc.Tail{}
	p, line, err := proc.Start(ctx, t.args, "ready ", t.log)
	if err != nil {
		return fmt.Errorf("byred: %w", err)
	}
	t.proc = p
	address, ca, ok := strings.Cut(strings.TrimPrefix(line, "ready https://"), " ca=")
	if !ok {
		return fmt.Errorf("byred: its ready line is %q", line)
	}
	t.host = address
	return t.trust(ca)
}

// stop ends byred and removes its data. An error of byred's is the result's.
func (t *target) stop() error {
	if t.proc == nil {
		return nil
	}
	err := t.proc.Stop(syscall.SIGTERM)
	if err != nil {
		err = fmt.Errorf("byred ended with %w\n%s", err, t.log)
	}
	return errors.Join(err, os.RemoveAll(t.data)) //nolint:gosec // it was made by serve
}

// waiting returns how many envelopes wait at the relay, -1 if it runs elsewhere.
func (t *target) waiting(ctx context.Context) (int64, error) {
	if t.proc == nil {
		return -1, nil
	}
	var s server.Status
	if err := control.Ask(ctx, datadir.ControlSocket(t.data), "status", &s); err != nil {
		return 0, fmt.Errorf("ask byred: %w", err)
	}
	return s.Waiting, nil
}
