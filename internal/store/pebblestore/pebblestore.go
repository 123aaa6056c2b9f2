// Package pebblestore keeps a [store.Store] in a directory, on Pebble: the
// engine of the server and of native clients.
package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/byre-messenger/byre/internal/store"
)

// Store is an engine on a directory that it alone uses.
//
// Why no commit is durable before one it has seen. A batch becomes visible, to
// a View or to another's guards, only after Pebble has given it a place in the
// write-ahead log (WAL) and published it, and Pebble publishes in the order of
// the log. Whoever has seen a batch asks for a place afterwards, and so stands
// behind it. Of a log, a crash leaves a prefix: reading back stops at the first
// record that is not whole, and a full log is synced and closed before the next
// one is begun. Hence if the later batch is read back, so is the earlier, lazy
// or not. What writes nothing has no place in the log; it waits for the log
// instead (settle).
//
// Why guards hold. All keys that a batch requires or writes stay locked from
// before the compare until the batch is published; so nobody can change a
// required key in between. The lock is not held while the disk works: that is
// what lets thousands of commits share one fsync.
type Store struct {
	opts Options
	db   *pebble.DB
	lock *pebble.Lock

	// life is read-locked by every call under way; Close takes it whole.
	life   sync.RWMutex
	closed bool // under life

	stripes stripes

	// apply is held while a batch enters Pebble. A log that cannot be written
	// makes Pebble panic inside its own lock, and whoever waits for that lock
	// waits forever; with apply nobody does.
	apply sync.Mutex
	stuck bool // under apply: Pebble's lock is lost, see above

	failed atomic.Pointer[error] // why the store refuses everything

	start start

	// All that is visible is durable if inflight is 0 and lazy is lazyDurable.
	inflight    atomic.Int64 // commits that wait for the disk: up before they are visible, down after the fsync
	lazy        atomic.Int64 // lazy commits so far, counted under apply before they are visible
	lazyDurable atomic.Int64 // those of them known to be durable
}

var _ store.Store = (*Store)(nil)

// Open opens the store in dir, and makes one if there is none. Its errors are
// sentences for people.
func Open(dir string, o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	o.Format = max(o.Format, 1)
	if err := makeDir(o.FS, dir); err != nil {
		return nil, fmt.Errorf("can't make the directory %s: %w", dir, err)
	}
	lock, err := pebble.LockDirectory(dir, o.FS)
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("can't write to the directory %s: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is in use by another byre process: stop it first (%w)", dir, err)
	}
	s := &Store{opts: o, lock: lock, start: newStart()}
	s.stripes.seed = maphash.MakeSeed()
	if err := s.open(dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Store) open(dir string) error {
	o := s.opts
	found, err := readFormat(o.FS, dir)
	switch {
	case err != nil:
		return err
	case found > o.Format:
		return fmt.Errorf("%s was written by a newer byre (format %d, this one knows up to %d): install the newer byre again", dir, found, o.Format)
	case found > 0 && found < o.Format && o.Migrate == nil:
		return fmt.Errorf("%s was written by an older byre (format %d, this one needs %d) and can't be brought forward: use a byre in between first", dir, found, o.Format)
	case found == 0:
		if err := writeFormat(o.FS, dir, o.Format); err != nil {
			return fmt.Errorf("can't write to %s: %w", dir, err)
		}
		found = o.Format
	}
	if s.db, err = s.start.open(dir, o.engine(s)); err != nil {
		return fmt.Errorf("can't open the store in %s: %w", dir, err)
	}
	if found == o.Format {
		return nil
	}
	if err = o.Migrate(s, found); err == nil {
		// The number must not be durable before what it speaks of.
		err = s.settle()
	}
	if err == nil {
		err = writeFormat(o.FS, dir, o.Format)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("can't bring %s forward from format %d to %d: %w", dir, found, o.Format, err), s.db.Close())
	}
	return nil
}

// enter begins a call. If it returns nil, the caller must release s.life.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.life.RLock()
	err := s.failure()
	if s.closed {
		err = store.ErrClosed
	}
	if err != nil {
		s.life.RUnlock()
	}
	return err
}

// fail makes the store refuse everything from now on and returns why it does.
func (s *Store) fail(err error) error {
	if !errors.Is(err, store.ErrFailed) {
		err = fmt.Errorf("%w: %w", store.ErrFailed, err)
	}
	if s.failed.CompareAndSwap(nil, &err) && s.opts.Fatal != nil {
		s.opts.Fatal(err)
	}
	return s.failure()
}

func (s *Store) failure() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// View implements [store.Store].
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := s.enter(ctx); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	defer s.life.RUnlock()
	r := &reader{ctx: ctx, snap: s.db.NewSnapshot()}
	defer func() {
		r.done = true
		_ = r.snap.Close() // it only lets go of memory
	}()
	return fn(r)
}

// Close implements [store.Store].
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.closed = true
	if s.stuck {
		// Pebble's Close would wait for a lock that nobody gives back. The
		// directory stays locked while this process lives.
		return s.failure()
	}
	// Pebble syncs the log as it closes it, and with it lazy commits.
	err := errors.Join(s.db.Close(), s.lock.Close())
	if err := s.failure(); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// holds reports whether all guards of b hold.
func (s *Store) holds(b *store.Batch) (bool, error) {
	for _, g := range b.Guards() {
		v, closer, err := s.db.Get(g.Key)
		if errors.Is(err, pebble.ErrNotFound) {
			if g.Val != nil {
				return false, nil
			}
			continue
		}
		if err != nil {
			return false, fmt.Errorf("compare: %w", err)
		}
		same := g.Val != nil && bytes.Equal(v, g.Val)
		if err := closer.Close(); err != nil {
			return false, fmt.Errorf("compare: %w", err)
		}
		if !same {
			return false, nil
		}
	}
	return true, nil
}
