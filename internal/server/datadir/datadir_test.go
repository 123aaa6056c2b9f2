package datadir_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/server/datadir"
)

func TestKeysStay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	root, public := d.Root.Clone(), d.Identity.Public()
	if _, err := datadir.Open(path); !errors.Is(err, datadir.ErrInUse) {
		t.Errorf("a second byred got in: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	if !again.Root.Equal(root) || !bytes.Equal(again.Identity.Public(), public) {
		t.Error("the keys changed between two starts")
	}
}

// TestACrashAtTheFirstStart: whatever of a new directory is durable when the
// power goes is kept by the next start, which makes the rest.
func TestACrashAtTheFirstStart(t *testing.T) {
	whole := t.TempDir()
	d, err := datadir.Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	root, public := d.Root.Clone(), d.Identity.Public()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	steps := []string{"format", datadir.RootKeyFile, datadir.IdentityFile} // J1, J2, J3
	for n := range len(steps) + 1 {
		path := t.TempDir()
		if err := os.Mkdir(filepath.Join(path, "vault"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range steps[:n] {
			b, err := os.ReadFile(filepath.Join(whole, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(path, name), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // and the start after that one
			d, err := datadir.Open(path)
			if err != nil {
				t.Fatalf("behind step J%d: %v", n, err)
			}
			if kept := d.Root.Equal(root); kept != (n >= 2) {
				t.Errorf("behind step J%d: the root key is kept: %v", n, kept)
			}
			if kept := bytes.Equal(d.Identity.Public(), public); kept != (n >= 3) {
				t.Errorf("behind step J%d: the server's key is kept: %v", n, kept)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if f, err := datadir.ReadFormat(path); err != nil || f != datadir.Format {
				t.Errorf("behind step J%d: format %d, %v", n, f, err)
			}
		}
	}
}

func TestADamagedDirectoryIsNotUsed(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"newer format": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "format"), fmt.Append(nil, datadir.Format+1), 0o600)
		}, "install the newer byred again"},
		"torn key": {func(dir string) error { return os.Truncate(filepath.Join(dir, "vault", "root.key"), 7) }, "root.key is damaged"},
		"lost key": {func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "relay"), 0o700), os.Remove(filepath.Join(dir, "server.key")))
		}, "server.key is missing though the store is there"},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			d, err := datadir.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(d.Close(), c.spoil(path)); err != nil {
				t.Fatal(err)
			}
			if _, err := datadir.Open(path); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open: %v, want %q", err, c.want)
			}
		})
	}
}
