//go:build js && wasm

package idbstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall/js"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/storetest"
)

// engine is a database of its own.
type engine struct {
	name string
	open *Store
}

func (e *engine) Open(ctx context.Context) (store.Store, error) {
	s, err := Open(ctx, e.name)
	if err != nil {
		return nil, err
	}
	e.open = s
	return s, nil
}

// Crash drops the connection as a page that is closed does. The browser goes
// on, so nothing is undone: TestKill is about that.
func (e *engine) Crash(*rand.Rand) error {
	e.open.closed = true // js/wasm has one thread
	_, err := call("close", e.open.h)
	return err
}

func TestStore(t *testing.T) {
	n := 0
	storetest.Run(t, func(tb storetest.TB) storetest.Engine {
		n++
		e := &engine{name: fmt.Sprintf("test %d", n)}
		tb.Cleanup(func() { js.Global().Get("indexedDB").Call("deleteDatabase", e.name) })
		return e
	})
}

func TestOneOwner(t *testing.T) {
	s, err := Open(t.Context(), "owned")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), "owned"); err == nil || !strings.Contains(err.Error(), "another tab") {
		t.Errorf("a second owner: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBrowserCloses shows what is answered when the browser takes the database
// away, as it does when a person clears the site's data.
func TestBrowserCloses(t *testing.T) {
	s, err := Open(t.Context(), "taken")
	if err != nil {
		t.Fatal(err)
	}
	s.h.Get("db").Call("close")
	s.h.Get("db").Call("onclose")
	var b store.Batch
	b.Set([]byte("alice"), nil)
	for name, err := range map[string]error{
		"commit": s.Commit(t.Context(), &b),
		"view": s.View(t.Context(), func(r store.Reader) error {
			_, _, err := r.Get([]byte("alice"))
			return err
		}),
		"scan": s.View(t.Context(), func(r store.Reader) error {
			for _, err := range r.Scan(nil, nil, 0) {
				return err
			}
			return nil
		}),
	} {
		if !errors.Is(err, store.ErrFailed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func number(s store.Store, key string) (n int, err error) {
	err = s.View(context.Background(), func(r store.Reader) error {
		v, ok, err := r.Get([]byte(key))
		if ok && err == nil {
			n, err = strconv.Atoi(string(v))
		}
		return err
	})
	return n, err
}

// TestKill is run by the harness alone: it counts up until the browser is
// killed, every other time lazily, and says which counts are durable.
func TestKill(t *testing.T) {
	s, err := Open(t.Context(), "killed")
	if err != nil {
		t.Fatal(err)
	}
	a, err1 := number(s, "a")
	z, err2 := number(s, "z")
	fmt.Println("found", a, z)
	for n, err := a+1, errors.Join(err1, err2); ; n++ {
		if err != nil {
			t.Fatal(err)
		}
		b := store.Batch{Lazy: n%2 == 0}
		b.Set([]byte("a"), []byte(strconv.Itoa(n)))
		b.Set([]byte("z"), []byte(strconv.Itoa(n)))
		if err = s.Commit(t.Context(), &b); err == nil && !b.Lazy {
			fmt.Println("answered", n)
		}
	}
}

func BenchmarkStore(b *testing.B) {
	s, err := Open(b.Context(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for name, f := range map[string]func(*store.Batch){
		"strict":  func(*store.Batch) {},
		"lazy":    func(b *store.Batch) { b.Lazy = true },
		"guarded": func(b *store.Batch) { b.Require([]byte("bob"), nil) },
	} {
		b.Run("commit/"+name, func(b *testing.B) {
			for b.Loop() {
				var batch store.Batch
				f(&batch)
				batch.Set([]byte("alice"), make([]byte, 256))
				if err := s.Commit(b.Context(), &batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	var all store.Batch
	for i := range 1000 {
		all.Set(fmt.Appendf(nil, "record %03d", i), make([]byte, 256))
	}
	if err := s.Commit(b.Context(), &all); err != nil {
		b.Fatal(err)
	}
	view := func(b *testing.B, f func(r store.Reader) error) {
		b.Helper()
		if err := s.View(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("view of one", func(b *testing.B) {
		for b.Loop() {
			view(b, func(r store.Reader) error {
				_, _, err := r.Get([]byte("alice"))
				return err
			})
		}
	})
	b.Run("get", func(b *testing.B) {
		view(b, func(r store.Reader) error {
			for b.Loop() {
				if _, _, err := r.Get([]byte("alice")); err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("scan of 1000", func(b *testing.B) {
		for b.Loop() {
			view(b, func(r store.Reader) error {
				for _, err := range r.Scan([]byte("record"), nil, 0) {
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
}
