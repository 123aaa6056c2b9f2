package pebblestore

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/storetest"
)

// engine is a store on a disk that can lose its power.
type engine struct {
	fs   *vfs.MemFS
	open *Store
}

func (e *engine) Open(context.Context) (store.Store, error) {
	s, err := Open("data/store", Options{FS: e.fs})
	if err != nil {
		return nil, err
	}
	e.open = s
	return s, nil
}

func (e *engine) Crash(rnd *rand.Rand) error {
	before := e.fs
	e.fs = before.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rnd.IntN(5) * 25, RNG: rnd})
	if err := e.open.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
		return err
	}
	return nil
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(storetest.TB) storetest.Engine {
		return &engine{fs: vfs.NewCrashableMem()}
	})
}

func mustOpen(t *testing.T, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func set(s store.Store, key, val string) error {
	var b store.Batch
	b.Set([]byte(key), []byte(val))
	return s.Commit(context.Background(), &b)
}

// refused fails the test unless Open answers with a sentence that holds all of
// words.
func refused(t *testing.T, dir string, o Options, words ...string) {
	t.Helper()
	s, err := Open(dir, o)
	if err == nil {
		_ = s.Close()
		t.Fatalf("opened, want an error about %q", words)
	}
	for _, w := range append(words, dir) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	refused(t, dir, Options{}, "in use by another byre process: stop it first")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, Options{})
}

func TestFormat(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet", "there")
	s := mustOpen(t, dir, Options{Format: 2})
	if err := errors.Join(set(s, "alice", "1"), s.Close()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "FORMAT")); err != nil || string(text) != "byre 2\n" {
		t.Errorf("FORMAT holds %q, %v", text, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info, err)
	}
	refused(t, dir, Options{Format: 1}, "newer byre", "format 2", "up to 1", "install")
	refused(t, dir, Options{Format: 3}, "older byre", "format 2")

	// A migration that fails leaves the old number, one that works the new.
	migrated := 0
	forward := Options{Format: 3, Migrate: func(s store.Store, from int) error {
		migrated++
		if from != 2 {
			t.Errorf("migrating from %d", from)
		}
		if migrated == 1 {
			return errors.New("no room")
		}
		return set(s, "alice", "2")
	}}
	refused(t, dir, forward, "forward from format 2 to 3: no room")
	for range 2 {
		if err := mustOpen(t, dir, forward).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if migrated != 2 {
		t.Errorf("%d migrations, want 2", migrated)
	}
	refused(t, dir, Options{Format: 2}, "format 3")
}

func TestForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	photo := filepath.Join(dir, "photo.jpg")
	if err := os.WriteFile(photo, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, Options{}, "photo.jpg", "name an empty directory")
	if err := os.Remove(photo); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, dir, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "FORMAT"), []byte("cow 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, Options{}, "FORMAT", "backup")
	refused(t, photo+"/x", Options{FS: failing(vfs.Default, func(op errorfs.Op) bool { return op.Kind == errorfs.OpMkdirAll })}, "can't make the directory")
}
