//go:build js && wasm

package idbstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall/js"

	"github.com/byre-messenger/byre/internal/store"
)

// Kinds of record in a batch on its way to JavaScript; the first three are
// store.OpKind.
const (
	opRequire byte = 4
	opAbsent  byte = 5
)

// Store is an engine on one IndexedDB database, of which it is the only owner.
//
// Being the only one, it needs no transaction over a View: it holds commits
// back while a View runs. Commits happen one after the other, and IndexedDB
// keeps their order: none is durable before one it has seen.
type Store struct {
	h js.Value // the handle that idb.js knows

	mu     sync.RWMutex // read-locked by Views, locked by commits
	closed bool
	dirty  bool // a lazy commit may not be durable
}

var _ store.Store = (*Store)(nil)

var (
	// ErrBusy says that another tab or worker owns the database.
	ErrBusy = errors.New("byre is open in another tab: use that one, or close it first")
	// ErrFull says that the browser gives the site no more room. The batch was
	// not written.
	ErrFull = errors.New("this browser has no more room for byre, so nothing new is kept: free some space on this machine; what was kept before is there")
)

// Open opens the database called name and makes it if there is none. It fails
// if another tab or worker has it open.
func Open(ctx context.Context, name string) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	if js.Global().Get("byreIDB").IsUndefined() {
		return nil, errors.New("the page did not load idb.js")
	}
	h, err := call("open", name)
	if err != nil && err.Error() == "busy" {
		return nil, ErrBusy
	}
	if err != nil {
		return nil, fmt.Errorf("can't open the store of this browser: %w", err)
	}
	return &Store{h: h}, nil
}

// call calls a function of idb.js and waits for its callback.
func call(name string, args ...any) (result js.Value, err error) {
	done := make(chan struct{})
	cb := js.FuncOf(func(_ js.Value, out []js.Value) any {
		if !out[0].IsNull() {
			err = errors.New(out[0].String())
		}
		result = out[1]
		close(done)
		return nil
	})
	defer cb.Release()
	js.Global().Get("byreIDB").Call(name, append(args, cb)...)
	<-done
	return result, err
}

// failure returns err as what the store answers.
func (s *Store) failure(err error) error {
	if strings.HasPrefix(err.Error(), "QuotaExceededError") {
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	if s.h.Get("dead").Bool() {
		return fmt.Errorf("%w: the browser closed the database: %w", store.ErrFailed, err)
	}
	return err
}

// bytesToJS returns a copy of p, or null for nil.
func bytesToJS(p []byte) js.Value {
	if p == nil {
		return js.Null()
	}
	a := js.Global().Get("Uint8Array").New(len(p))
	js.CopyBytesToJS(a, p)
	return a
}

func bytesToGo(v js.Value) []byte {
	p := make([]byte, v.Get("length").Int())
	js.CopyBytesToGo(p, v)
	return p
}

// Commit implements [store.Store].
func (s *Store) Commit(ctx context.Context, b *store.Batch) error {
	if err := b.Check(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	_, err := call("commit", s.h, bytesToJS(encode(b)), b.Lazy)
	switch {
	case err != nil && err.Error() == "conflict":
		if err := s.settle(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		return store.ErrConflict
	case err != nil:
		return fmt.Errorf("commit: %w", s.failure(err))
	case b.Lazy:
		s.dirty = true
	case len(b.Ops()) == 0:
		if err := s.settle(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	default:
		s.dirty = false
	}
	return nil
}

// settle makes lazy commits durable. The caller holds mu.
func (s *Store) settle() error {
	if !s.dirty {
		return nil
	}
	if _, err := call("settle", s.h); err != nil {
		return s.failure(err)
	}
	s.dirty = false
	return nil
}

// encode returns b as idb.js parses it.
func encode(b *store.Batch) []byte {
	buf := make([]byte, 0, b.Size()+9*(len(b.Ops())+len(b.Guards())))
	put := func(kind byte, key, val []byte) {
		buf = append(buf, kind)
		buf = binary.LittleEndian.AppendUint32(buf, uint32(len(key))) //nolint:gosec // at most store.MaxKey
		buf = binary.LittleEndian.AppendUint32(buf, uint32(len(val))) //nolint:gosec // at most store.MaxValue
		buf = append(append(buf, key...), val...)
	}
	for _, g := range b.Guards() {
		if g.Val == nil {
			put(opAbsent, g.Key, nil)
		} else {
			put(opRequire, g.Key, g.Val)
		}
	}
	for _, op := range b.Ops() {
		put(byte(op.Kind), op.Key, op.Val)
	}
	return buf
}

// View implements [store.Store]. Commits wait until fn returns.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	r := &reader{ctx: ctx, s: s, h: js.ValueOf(map[string]any{"h": s.h})}
	defer func() { r.done = true }()
	return fn(r)
}

// Close implements [store.Store].
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.closed = true
	err := s.settle()
	_, err2 := call("close", s.h)
	return errors.Join(err, err2)
}
