package datadir_test

import (
	"bytes"
	"errors"
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

func TestADamagedDirectoryIsNotUsed(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"newer format": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "format"), []byte("3\n"), 0o600) }, "install the newer byred again"},
		"torn key":     {func(dir string) error { return os.Truncate(filepath.Join(dir, "vault", "root.key"), 7) }, "root.key is damaged"},
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
