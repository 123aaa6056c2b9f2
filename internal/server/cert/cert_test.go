package cert_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server/cert"
)

func verify(t *testing.T, dir string, l *cert.Local, host string, at time.Time) error {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(dir, cert.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("ca.pem holds no certificate")
	}
	got, err := l.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = got.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: at})
	return err
}

func TestTheLocalAuthority(t *testing.T) {
	dir := t.TempDir()
	clk := clock.Shift(clock.System{}, 0)
	open := func() *cert.Local {
		l, err := cert.Open(dir, clk, []string{"localhost", "127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	for _, host := range []string{"localhost", "127.0.0.1"} {
		if err := verify(t, dir, l, host, clk.Now()); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if verify(t, dir, l, "mallory.example", clk.Now()) == nil {
		t.Error("the certificate is good for any name")
	}
	// Clients whose clock is a day and some behind, or ahead.
	for _, off := range []time.Duration{-47 * time.Hour, 47 * time.Hour} {
		if err := verify(t, dir, l, "localhost", clk.Now().Add(off)); err != nil {
			t.Errorf("a clock that is off by %v: %v", off, err)
		}
	}
	first := l.NotAfter()
	clk.Advance(25 * 24 * time.Hour) // the operator never restarts it
	if err := verify(t, dir, l, "localhost", clk.Now()); err != nil || !l.NotAfter().After(first) {
		t.Errorf("after 25 days: %v, good until %v", err, l.NotAfter())
	}
	// A restart keeps the authority that clients trust.
	if err := verify(t, dir, open(), "localhost", clk.Now()); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, cert.CAFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Open(dir, clk, nil); err == nil {
		t.Error("half an authority was replaced silently")
	}
}
