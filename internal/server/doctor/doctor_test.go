package doctor_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/checkup"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server/ballast"
	"github.com/byre-messenger/byre/internal/server/cert"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/server/doctor"
)

func found(data string, clk clock.Clock, check string) bool {
	return slices.ContainsFunc(doctor.Examine(data, clk, nil), func(f checkup.Finding) bool { return f.Check == check && !f.OK })
}

func TestTheDoctorFinds(t *testing.T) {
	clk := clock.Shift(clock.System{}, 0)
	data := filepath.Join(t.TempDir(), "data")
	if !found(data, clk, "directory") {
		t.Error("a missing directory is healthy")
	}
	d, err := datadir.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if _, err := cert.Open(data, clk, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Path(ballast.File), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, check := range []string{"directory", "format", "root.key", "server.key", "ca.key", "certificate", "domain", "ballast", "clock"} {
		if found(data, clk, check) {
			t.Errorf("%s: a finding on a fresh directory: %v", check, doctor.Examine(data, clk, nil))
		}
	}
	for check, spoil := range map[string]func() error{
		"root.key":    func() error { return os.Chmod(d.Path("vault/root.key"), 0o644) },
		"server.key":  func() error { return os.Remove(d.Path("server.key")) },
		"format":      func() error { return os.WriteFile(d.Path("format"), []byte("9"), 0o600) },
		"certificate": func() error { return os.WriteFile(d.Path(cert.CAFile), []byte("no"), 0o600) },
		"directory":   func() error { return os.Chmod(data, 0o755) },
		"ca.key":      func() error { return os.Chmod(d.Path(cert.CAKeyFile), 0o640) },
		"ballast":     func() error { return os.Remove(d.Path(ballast.File)) },
		"domain": func() error {
			dir := d.Path("acme/ca.test")
			return errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "certificate.pem"), []byte("no"), 0o600))
		},
		"clock": func() error { clk.Advance(-24 * time.Hour); return nil },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if !found(data, clk, check) {
			t.Errorf("%s: not found", check)
		}
	}
}

// TestAClockFarAhead: what waits would expire at the next start.
func TestAClockFarAhead(t *testing.T) {
	clk := clock.Shift(clock.System{}, 0)
	d, err := datadir.Open(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	clk.Advance(6 * 24 * time.Hour)
	if found(filepath.Dir(d.Path("x")), clk, "clock") {
		t.Error("six days off are a finding")
	}
	clk.Advance(30 * 24 * time.Hour)
	if !found(filepath.Dir(d.Path("x")), clk, "clock") {
		t.Error("a month ahead is none")
	}
}

// TestEveryFindingSaysWhatToDo on a directory where nothing is right.
func TestEveryFindingSaysWhatToDo(t *testing.T) {
	for _, f := range doctor.Examine(filepath.Join(t.TempDir(), "none"), clock.System{}, &doctor.Running{}) {
		if !f.OK && !strings.ContainsAny(f.Text, ";,") {
			t.Errorf("%s: %s", f.Check, f.Text)
		}
	}
}

// TestTheVaultIsNamed with what erasing is worth there.
func TestTheVaultIsNamed(t *testing.T) {
	for class, says := range map[string]string{"file": "SSD", "memory": "lost when the server ends"} {
		for _, f := range doctor.Examine(t.TempDir(), clock.System{}, &doctor.Running{Vault: class}) {
			if f.Check == "vault" && (!strings.HasPrefix(f.Text, class+": ") || !strings.Contains(f.Text, says)) {
				t.Errorf("%s: %s", class, f.Text)
			}
		}
	}
}
