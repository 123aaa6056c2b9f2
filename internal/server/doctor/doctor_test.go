package doctor_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server/cert"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/server/doctor"
)

func found(data string, clk clock.Clock, check string) bool {
	return slices.ContainsFunc(doctor.Examine(data, clk), func(f doctor.Finding) bool { return f.Check == check && !f.OK })
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
	for _, check := range []string{"directory", "format", "root.key", "server.key", "certificate", "clock"} {
		if found(data, clk, check) {
			t.Errorf("%s: a finding on a fresh directory: %v", check, doctor.Examine(data, clk))
		}
	}
	for check, spoil := range map[string]func() error{
		"root.key":    func() error { return os.Chmod(d.Path("root.key"), 0o644) },
		"server.key":  func() error { return os.Remove(d.Path("server.key")) },
		"format":      func() error { return os.WriteFile(d.Path("format"), []byte("9"), 0o600) },
		"certificate": func() error { return os.WriteFile(d.Path(cert.CAFile), []byte("no"), 0o600) },
		"directory":   func() error { return os.Chmod(data, 0o755) },
		"clock":       func() error { clk.Advance(-24 * time.Hour); return nil },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if !found(data, clk, check) {
			t.Errorf("%s: not found", check)
		}
	}
}
