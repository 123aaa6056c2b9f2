package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/byre-messenger/byre/internal/store"
)

// failing returns fs with every operation failing that bad says.
func failing(fs vfs.FS, bad func(errorfs.Op) bool) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if bad(op) {
			return errorfs.ErrInjected
		}
		return nil
	}))
}

// TestFailedSync fails one fsync of the log under many writers: none of those
// who waited for it is answered, nothing is answered afterwards although the
// disk works again, and what was answered before is there.
func TestFailedSync(t *testing.T) {
	for round := range 20 {
		fs := vfs.NewCrashableMem()
		var left atomic.Int64 // fsyncs of the log until one fails
		left.Store(int64(5 + round))
		s := mustOpen(t, "data", Options{FS: failing(fs, func(op errorfs.Op) bool {
			sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
			return sync && strings.HasSuffix(op.Path, ".log") && left.Add(-1) == 0
		})})
		var wg sync.WaitGroup
		var answered [8]int
		for w := range answered {
			wg.Go(func() {
				for n := 1; ; n++ {
					if err := set(s, fmt.Sprintf("count %d", w), fmt.Sprintf("%08d", n)); err != nil {
						if !errors.Is(err, store.ErrFailed) {
							t.Error(err)
						}
						return
					}
					answered[w] = n
				}
			})
		}
		wg.Wait()
		for name, err := range map[string]error{
			"view":   s.View(t.Context(), func(store.Reader) error { return nil }),
			"commit": set(s, "late", ""),
			"settle": s.settle(),
			"empty":  s.Commit(t.Context(), new(store.Batch)),
			"lazy":   s.Commit(t.Context(), &store.Batch{Lazy: true}),
			"close":  s.Close(),
		} {
			if !errors.Is(err, store.ErrFailed) {
				t.Errorf("%s after a failed fsync: %v", name, err)
			}
		}
		disk := fs.CrashClone(vfs.CrashCloneCfg{})
		s = mustOpen(t, "data", Options{FS: disk})
		err := s.View(t.Context(), func(r store.Reader) error {
			for w, n := range answered {
				v, _, err := r.Get(fmt.Appendf(nil, "count %d", w))
				if err != nil || n > 0 && string(v) < fmt.Sprintf("%08d", n) {
					t.Errorf("writer %d was answered %d, the disk holds %s, %v", w, n, v, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestFullDiskAtOpen opens a store whose log can't be written out: Open says so
// instead of trying for ever, and loses nothing.
func TestFullDiskAtOpen(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := mustOpen(t, "data", Options{FS: fs})
	if err := set(s, "alice", "1"); err != nil {
		t.Fatal(err)
	}
	disk := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	full := failing(disk.CrashClone(vfs.CrashCloneCfg{}), func(op errorfs.Op) bool {
		return op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".sst")
	})
	if _, err := Open("data", Options{FS: full}); !errors.Is(err, errorfs.ErrInjected) {
		t.Fatalf("open on a full disk: %v", err)
	}
	s = mustOpen(t, "data", Options{FS: disk})
	err := s.View(t.Context(), func(r store.Reader) error {
		if v, ok, err := r.Get([]byte("alice")); err != nil || !ok || string(v) != "1" {
			t.Errorf("after there is room again: %q, %t, %v", v, ok, err)
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Error(err)
	}
}

// TestLog shows that the engine's complaints reach the log and its chatter,
// which names keys, does not.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := mustOpen(t, t.TempDir(), Options{Log: log})
	for range 3 {
		if err := errors.Join(set(s, "alice", "1"), s.db.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("the engine chats: %s", &out)
	}
	logger{s}.Errorf("bad %s", "block")
	if !strings.Contains(out.String(), "bad block") {
		t.Errorf("the log holds %q", &out)
	}
	logger{&Store{}}.Errorf("to nobody")
}

// TestFatal shows that nothing is answered once the engine's own books fail.
func TestFatal(t *testing.T) {
	fatal := make(chan error)
	var broken atomic.Bool
	s := mustOpen(t, "data", Options{
		FS: failing(vfs.NewMem(), func(op errorfs.Op) bool {
			return broken.Load() && strings.Contains(op.Path, "MANIFEST")
		}),
		Fatal: func(err error) { fatal <- err },
	})
	if err := set(s, "alice", "1"); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	go func() { _ = s.db.Flush() }()
	if err := <-fatal; !errors.Is(err, store.ErrFailed) || !strings.Contains(err.Error(), "MANIFEST") {
		t.Errorf("the engine ended with %v", err)
	}
	if err := set(s, "bob", "1"); !errors.Is(err, store.ErrFailed) {
		t.Errorf("a commit afterwards: %v", err)
	}
	s.apply.Lock()
	s.stuck = true // Close must not wait for the locks that the engine took along
	s.apply.Unlock()
}

// TestLostLog fails the log while nobody waits for it: lazy commits go on until
// it is noticed, and from then on everything is refused and nothing hangs.
func TestLostLog(t *testing.T) {
	var broken atomic.Bool
	fatal := make(chan error, 1)
	s := mustOpen(t, "data", Options{
		FS: failing(vfs.NewMem(), func(op errorfs.Op) bool {
			return broken.Load() && op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log")
		}),
		Fatal: func(err error) { fatal <- err },
	})
	broken.Store(true)
	var err error
	for n := 0; err == nil && n < 1e6; n++ {
		b := &store.Batch{Lazy: true}
		b.Set([]byte("alice"), []byte("1"))
		err = s.Commit(t.Context(), b)
	}
	if !errors.Is(err, store.ErrFailed) || !errors.Is(<-fatal, store.ErrFailed) {
		t.Fatalf("lazy commits to a broken log: %v", err)
	}
	if err := set(s, "bob", ""); !errors.Is(err, store.ErrFailed) {
		t.Errorf("a commit afterwards: %v", err)
	}
	if err := s.Close(); !errors.Is(err, store.ErrFailed) {
		t.Errorf("close: %v", err)
	}
}

// TestPanic lets the engine panic at a commit: it may hold its locks for ever,
// so that nobody may call it again.
func TestPanic(t *testing.T) {
	s := mustOpen(t, "data", Options{FS: vfs.NewMem()})
	w, err := s.translate(new(store.Batch))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Set([]byte("alice"), nil, nil), s.enqueue(w, false), w.SyncWait()); err != nil {
		t.Fatal(err)
	}
	if err := s.enqueue(w, false); !errors.Is(err, store.ErrFailed) || !strings.Contains(err.Error(), "already") {
		t.Errorf("one batch twice: %v", err)
	}
	if err := set(s, "bob", ""); !errors.Is(err, store.ErrFailed) {
		t.Errorf("a commit afterwards: %v", err)
	}
	if err := s.Close(); !errors.Is(err, store.ErrFailed) || s.db == nil {
		t.Errorf("close: %v", err)
	}
	refused(t, "data", s.opts, "in use")
	_ = s.db.Close()
}

// TestNoRoomForLog fails the beginning of a new log.
func TestNoRoomForLog(t *testing.T) {
	fatal := make(chan error)
	var full atomic.Bool
	s, err := Open("data", Options{ // never closed: what the engine holds is lost
		FS: failing(vfs.NewMem(), func(op errorfs.Op) bool {
			return full.Load() && strings.HasSuffix(op.Path, ".log") &&
				(op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite)
		}),
		Fatal: func(err error) { fatal <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	go func() {
		for range 100 {
			b := &store.Batch{Lazy: true}
			b.Set([]byte("alice"), make([]byte, 1<<20))
			_ = s.Commit(t.Context(), b) // never returns
		}
	}()
	if err := <-fatal; !errors.Is(err, store.ErrFailed) || !strings.Contains(err.Error(), "can't begin a log") {
		t.Errorf("the engine ended with %v", err)
	}
	if err := s.View(t.Context(), func(store.Reader) error { return nil }); !errors.Is(err, store.ErrFailed) {
		t.Errorf("a view afterwards: %v", err)
	}
}

// TestConflictWaits holds the disk back: whoever is in conflict with a commit
// that waits for it must wait as well.
func TestConflictWaits(t *testing.T) {
	var hold atomic.Bool
	waiting, release := make(chan struct{}), make(chan struct{})
	fs := failing(vfs.NewMem(), func(op errorfs.Op) bool {
		sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
		if sync && strings.HasSuffix(op.Path, ".log") && hold.CompareAndSwap(true, false) {
			close(waiting)
			<-release
		}
		return false
	})
	s := mustOpen(t, "data", Options{FS: fs})
	hold.Store(true)
	first := make(chan error, 1)
	go func() { first <- set(s, "alice", "1") }()
	<-waiting
	answers := make(chan error, 3)
	for _, b := range []*store.Batch{{}, {Lazy: true}} {
		b.Require([]byte("alice"), nil)
		go func() { answers <- s.Commit(t.Context(), b) }()
	}
	go func() { answers <- s.Commit(t.Context(), new(store.Batch)) }()
	for range 1000 {
		runtime.Gosched()
		select {
		case err := <-answers:
			t.Fatalf("answered %v before the disk did", err)
		default:
		}
	}
	close(release)
	conflicts := 0
	for range 3 {
		if err := <-answers; errors.Is(err, store.ErrConflict) {
			conflicts++
		} else if err != nil {
			t.Error(err)
		}
	}
	if err := <-first; err != nil || conflicts != 2 {
		t.Errorf("%v, %d conflicts, want 2", err, conflicts)
	}
}
