package cert_test

import (
	"bytes"
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

// TestACrashAtTheFirstCertificate: behind U1 the next start makes another
// authority; behind U2 it stays, and clients trust what it signs.
func TestACrashAtTheFirstCertificate(t *testing.T) {
	whole, clk := t.TempDir(), clock.System{}
	if _, err := cert.Open(whole, clk, []string{"localhost"}); err != nil {
		t.Fatal(err)
	}
	// That the key is the last of the two: where it can't be written, the other is.
	half := t.TempDir()
	if err := os.Mkdir(filepath.Join(half, cert.CAKeyFile+".new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Open(half, clk, nil); err == nil {
		t.Error("an authority whose key can't be written is taken")
	}
	if _, err := os.Stat(filepath.Join(half, cert.CAFile)); err != nil {
		t.Errorf("U1 is not the first step: %v", err)
	}
	steps := []string{cert.CAFile, cert.CAKeyFile}
	for n := range len(steps) + 1 {
		dir := t.TempDir()
		var ca []byte
		for _, name := range steps[:n] {
			b, err := os.ReadFile(filepath.Join(whole, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if name == cert.CAFile {
				ca = b
			}
		}
		l, err := cert.Open(dir, clk, []string{"localhost"})
		if err != nil {
			t.Fatalf("behind U%d: %v", n, err)
		}
		if err := verify(t, dir, l, "localhost", clk.Now()); err != nil {
			t.Errorf("behind U%d: %v", n, err)
		}
		now, err := os.ReadFile(filepath.Join(dir, cert.CAFile))
		if err != nil || bytes.Equal(now, ca) != (n == len(steps)) {
			t.Errorf("behind U%d the authority stays: %v, %v", n, bytes.Equal(now, ca), err)
		}
	}
}
