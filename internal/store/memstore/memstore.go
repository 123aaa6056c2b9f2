// Package memstore keeps a [store.Store] in memory: for tests, which can take
// its power away, and for browsers without IndexedDB. Nothing of it survives
// the process.
package memstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/byre-messenger/byre/internal/store"
)

// maxLazy is how many lazy commits a crash can undo. Older ones count as
// durable, which the contract allows, so that their snapshots can be freed.
const maxLazy = 64

// Disk is what a Store keeps its records on, and what is left when the Store is
// closed or crashes. Its zero value is empty. It is safe for concurrent use.
type Disk struct {
	mu   sync.Mutex
	open *Store  // or nil
	root *node   // what the next View sees
	lazy []*node // root before each commit that a crash may undo, oldest first
}

// New returns an open store on a disk of its own.
func New() *Store {
	s, err := new(Disk).Open()
	if err != nil {
		panic(err) // a new disk is not open
	}
	return s
}

// Open opens what stands on d. Like any engine, it refuses a second Store while
// the first is open.
func (d *Disk) Open() (*Store, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open != nil {
		return nil, errors.New("the memory store is in use: close it first")
	}
	s := &Store{disk: d}
	d.open = s
	return s, nil
}

// Crash takes the power from d: the open Store, if there is one, fails every
// later call, and of the lazy commits that a crash may undo the oldest keep
// ones survive. It returns how many there were. d can be opened again.
func (d *Disk) Crash(keep int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.lazy)
	if keep < n {
		d.root = d.lazy[max(keep, 0)]
	}
	d.open, d.lazy = nil, nil
	return n
}

// Store is an engine in memory.
//
// Commits happen one after the other under the disk's lock, each by replacing
// the root. A commit that is not lazy makes durable all that came before it, so
// that what a crash leaves is always a prefix of the commits: none is durable
// before one it has seen.
type Store struct {
	disk  *Disk
	views sync.WaitGroup // Close waits for them
}

var _ store.Store = (*Store)(nil)

// View implements [store.Store]. The slices it hands out are copies, scribbled
// over when fn returns, so that tests catch whoever keeps one.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	s.disk.mu.Lock()
	if s.disk.open != s {
		s.disk.mu.Unlock()
		return store.ErrClosed
	}
	root := s.disk.root
	s.views.Add(1)
	s.disk.mu.Unlock()
	defer s.views.Done()

	r := &reader{ctx: ctx, root: root}
	defer r.end()
	return fn(r)
}

// Commit implements [store.Store].
func (s *Store) Commit(ctx context.Context, b *store.Batch) error {
	if err := b.Check(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open != s {
		return store.ErrClosed
	}
	root := d.root
	for _, g := range b.Guards() {
		n := root.get(g.Key)
		if (n != nil) != (g.Val != nil) || n != nil && !bytes.Equal(n.val, g.Val) {
			d.lazy = nil // what broke the guard is durable
			return store.ErrConflict
		}
	}
	for _, op := range b.Ops() {
		switch op.Kind {
		case store.OpSet:
			root = root.set(bytes.Clone(op.Key), append([]byte{}, op.Val...))
		case store.OpDelete:
			root = root.delete(op.Key, after(op.Key))
		case store.OpDeleteRange:
			root = root.delete(op.Key, op.Val)
		}
	}
	if !b.Lazy {
		d.lazy = nil
	} else if root != d.root {
		d.lazy = append(d.lazy, d.root)
		if len(d.lazy) > maxLazy {
			d.lazy = d.lazy[1:]
		}
	}
	d.root = root
	return nil
}

// Close implements [store.Store]. The records stay on the Disk.
func (s *Store) Close() error {
	s.disk.mu.Lock()
	if s.disk.open != s {
		s.disk.mu.Unlock()
		return store.ErrClosed
	}
	s.disk.open, s.disk.lazy = nil, nil
	s.disk.mu.Unlock()
	s.views.Wait()
	return nil
}

// reader is the snapshot of one View.
type reader struct {
	ctx  context.Context
	root *node
	lent [][]byte // scribbled over at the end
	done bool
}

func (r *reader) err() error {
	if r.done {
		return errors.New("store: read after the View ended")
	}
	return r.ctx.Err()
}

// lend returns a copy of p that is never nil.
func (r *reader) lend(p []byte) []byte {
	c := append([]byte{}, p...)
	r.lent = append(r.lent, c)
	return c
}

func (r *reader) end() {
	r.done = true
	for _, p := range r.lent {
		for i := range p {
			p[i] = 0xdb
		}
	}
}

// Get implements [store.Reader].
func (r *reader) Get(key []byte) (val []byte, ok bool, err error) {
	if err := r.err(); err != nil {
		return nil, false, fmt.Errorf("get: %w", err)
	}
	n := r.root.get(key)
	if n == nil {
		return nil, false, nil
	}
	return r.lend(n.val), true, nil
}

// Scan implements [store.Reader].
func (r *reader) Scan(from, to []byte, limit int) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		left := limit
		if err := r.err(); err != nil {
			yield(store.KV{}, fmt.Errorf("scan: %w", err))
			return
		}
		r.root.scan(from, to, func(n *node) bool {
			if err := r.err(); err != nil {
				yield(store.KV{}, fmt.Errorf("scan: %w", err))
				return false
			}
			left--
			return yield(store.KV{Key: r.lend(n.key), Val: r.lend(n.val)}, nil) && left != 0
		})
	}
}
