package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
)

func testWrites(t *testing.T, e Engine) {
	s := open(t, e)
	expect(t, s)
	view(t, s, func(r store.Reader) {
		if got := get(t, r, "alice"); got != "absent" {
			t.Errorf("an empty store has alice at %q", got)
		}
	})
	set(t, s, "bob", "1", "alice", "", "carol", "3")
	expect(t, s, "alice=", "bob=1", "carol=3")
	view(t, s, func(r store.Reader) {
		for key, want := range map[string]string{"alice": "", "bob": "1", "carol": "3", "car": "absent", "carol\x00": "absent"} {
			if got := get(t, r, key); got != want {
				t.Errorf("%q is %q, want %q", key, got, want)
			}
		}
	})
	// Of two writes to one key the later counts.
	commit(t, s, nil, func(b *store.Batch) {
		b.Set([]byte("alice"), []byte("x"))
		b.Delete([]byte("alice"))
		b.Delete([]byte("bob"))
		b.Set([]byte("bob"), []byte("2"))
		b.Delete([]byte("nobody"))
	})
	expect(t, s, "bob=2", "carol=3")
	// A batch without writes is fine, and so is one that was reset.
	commit(t, s, nil, func(*store.Batch) {})
	commit(t, s, nil, func(b *store.Batch) {
		b.Set([]byte("mallory"), nil)
		b.Reset()
		b.Set([]byte("bob"), nil)
	})
	expect(t, s, "bob=", "carol=3")
	// Bytes of every value survive, and order is by bytes.
	var want []string
	commit(t, s, nil, func(b *store.Batch) {
		b.DeleteRange([]byte{0}, bytes.Repeat([]byte{0xff}, 9))
		for i := range 256 {
			key := []byte{byte(255 - i)}
			b.Set(key, bytes.Repeat(key, i))
			want = append(want, fmt.Sprintf("%s=%s", key, bytes.Repeat(key, i)))
		}
	})
	slices.Reverse(want)
	expect(t, s, want...)
}

func testRanges(t *testing.T, e Engine) {
	s := open(t, e)
	set(t, s, "a", "1", "b", "2", "b\x00", "3", "c", "4", "d", "5")
	commit(t, s, nil, func(b *store.Batch) { b.DeleteRange([]byte("b"), []byte("c")) })
	expect(t, s, "a=1", "c=4", "d=5")
	commit(t, s, nil, func(b *store.Batch) {
		b.DeleteRange([]byte("d"), []byte("a")) // empty
		b.DeleteRange([]byte("a"), []byte("a")) // empty
		b.DeleteRange([]byte("x"), []byte("z")) // nothing there
	})
	expect(t, s, "a=1", "c=4", "d=5")
	commit(t, s, nil, func(b *store.Batch) {
		b.Set([]byte("c1"), []byte("gone"))
		b.DeleteRange([]byte("c"), store.PrefixEnd([]byte("d")))
		b.Set([]byte("d"), []byte("6"))
	})
	expect(t, s, "a=1", "d=6")
	if store.PrefixEnd([]byte{0xff, 0xff}) != nil || string(store.PrefixEnd([]byte("a\xff"))) != "b" {
		t.Error("the end of a prefix is wrong")
	}
}

func testScan(t *testing.T, e Engine) {
	s := open(t, e)
	const n = 1000
	commit(t, s, nil, func(b *store.Batch) {
		for i := range n {
			b.Set(fmt.Appendf(nil, "k%03d", i), fmt.Appendf(nil, "%d", i))
		}
	})
	recs := func(from, to int) []string {
		out := []string{}
		for i := from; i < to; i++ {
			out = append(out, fmt.Sprintf("k%03d=%d", i, i))
		}
		return out
	}
	for _, c := range []struct {
		from, to string
		limit    int
		want     []string
	}{
		{"", "", 0, recs(0, n)},
		{"", "", -1, recs(0, n)},
		{"", "", 1, recs(0, 1)},
		{"", "", n + 1, recs(0, n)},
		{"k100", "k200", 0, recs(100, 200)},
		{"k100", "k200", 7, recs(100, 107)},
		{"k100\x00", "k103\x00", 0, recs(101, 104)},
		{"k990", "", 300, recs(990, n)},
		{"", "k003", 0, recs(0, 3)},
		{"k5", "k5", 0, recs(0, 0)},
		{"k7", "k5", 0, recs(0, 0)},
		{"l", "", 0, recs(0, 0)},
		{"", "k", 0, recs(0, 0)},
	} {
		bound := func(s string) []byte {
			if s == "" {
				return nil
			}
			return []byte(s)
		}
		view(t, s, func(r store.Reader) {
			if got := scan(t, r, bound(c.from), bound(c.to), c.limit); !slices.Equal(got, c.want) {
				t.Errorf("scan %q to %q, limit %d: %d records %.5q, want %d", c.from, c.to, c.limit, len(got), got, len(c.want))
			}
		})
	}
	// Scans and Gets may be interleaved, left early and begun again, and what
	// they gave stays true until the View ends.
	view(t, s, func(r store.Reader) {
		outer := r.Scan([]byte("k2"), nil, 0)
		for range 2 {
			var kept []store.KV
			for kv, err := range outer {
				if err != nil {
					t.Fatal(err)
				}
				kept = append(kept, kv)
				if got := scan(t, r, []byte("k001"), nil, 1); got[0] != "k001=1" {
					t.Fatalf("the inner scan gave %q", got)
				}
				if len(kept) == 300 {
					break
				}
			}
			for i, kv := range kept {
				if string(kv.Key) != fmt.Sprintf("k%03d", 200+i) || get(t, r, string(kv.Key)) != string(kv.Val) {
					t.Fatalf("record %d became %q=%q", i, kv.Key, kv.Val)
				}
			}
		}
	})
}

func testLimits(t *testing.T, e Engine) {
	s := open(t, e)
	longest := strings.Repeat("k", store.MaxKey)
	for name, f := range map[string]func(*store.Batch){
		"empty key":     func(b *store.Batch) { b.Set(nil, []byte("x")) },
		"long key":      func(b *store.Batch) { b.Set([]byte(longest+"k"), nil) },
		"long guard":    func(b *store.Batch) { b.Require([]byte(longest+"k"), nil) },
		"long delete":   func(b *store.Batch) { b.Delete([]byte(longest + "k")) },
		"endless range": func(b *store.Batch) { b.DeleteRange([]byte("a"), nil) },
		"long value":    func(b *store.Batch) { b.Set([]byte("x"), make([]byte, store.MaxValue+1)) },
		"large batch": func(b *store.Batch) {
			for i := range store.MaxBatch/store.MaxValue + 1 {
				b.Set([]byte{byte(i)}, make([]byte, store.MaxValue))
			}
		},
		"range over guard": func(b *store.Batch) {
			b.Require([]byte("b"), nil)
			b.DeleteRange([]byte("a"), []byte("c"))
		},
	} {
		b := batch(func(b *store.Batch) { b.Set([]byte("alice"), nil) })
		f(b)
		if err := s.Commit(t.Context(), b); err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	expect(t, s)
	large := bytes.Repeat([]byte("large"), store.MaxValue/5)
	commit(t, s, nil, func(b *store.Batch) {
		b.Set([]byte(longest), large)
		b.Require([]byte("b"), nil)
		b.DeleteRange([]byte("a"), []byte("b"))
	})
	view(t, s, func(r store.Reader) {
		if got := get(t, r, longest); got != string(large) {
			t.Errorf("the largest record came back with %d bytes", len(got))
		}
	})
	commit(t, s, nil, func(b *store.Batch) {
		b.Require([]byte(longest), large)
		b.Delete([]byte(longest))
	})
	expect(t, s)
}

func testAliasing(t *testing.T, e Engine) {
	s := open(t, e)
	key, val := []byte("alice"), []byte("one")
	b := batch(func(b *store.Batch) {
		b.Require(key, nil)
		b.Set(key, val)
	})
	copy(key, "malle")
	copy(val, "bad")
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	expect(t, s, "alice=one")
	b.Reset() // reuses b's memory
	b.Set([]byte("bobby"), []byte("two"))
	expect(t, s, "alice=one")
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatalf("the same batch again: %v", err)
	}
	expect(t, s, "alice=one", "bobby=two")
	// What Update requires are copies as well: the slices end with the View.
	err := store.Update(t.Context(), s, func(r store.Reader, b *store.Batch) error {
		v, _, err := r.Get([]byte("alice"))
		b.Set([]byte("carol"), v)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, s, "alice=one", "bobby=two", "carol=one")
}

func testSnapshot(t *testing.T, e Engine) {
	s := open(t, e)
	set(t, s, "alice", "old", "bob", "old")
	done := make(chan error, 1)
	view(t, s, func(r store.Reader) {
		if got := get(t, r, "alice"); got != "old" {
			t.Errorf("alice is %q", got)
		}
		go func() {
			done <- s.Commit(t.Context(), batch(func(b *store.Batch) {
				b.Set([]byte("alice"), []byte("new"))
				b.Delete([]byte("bob"))
				b.Set([]byte("carol"), []byte("new"))
			}))
		}()
		// An engine may hold the commit back, or let it through unseen.
		for range 100 {
			runtime.Gosched()
			if got := scan(t, r, nil, nil, 0); fmt.Sprint(got) != "[alice=old bob=old]" {
				t.Fatalf("the snapshot changed to %q", got)
			}
			if get(t, r, "alice") != "old" || get(t, r, "carol") != "absent" {
				t.Fatal("the snapshot changed")
			}
		}
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	expect(t, s, "alice=new", "carol=new")
}

func testErrors(t *testing.T, e Engine) {
	s := open(t, e)
	mine := errors.New("mine")
	if err := s.View(t.Context(), func(store.Reader) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("view: %v", err)
	}
	err := store.Update(t.Context(), s, func(_ store.Reader, b *store.Batch) error {
		b.Set([]byte("alice"), nil)
		return mine
	})
	if !errors.Is(err, mine) {
		t.Errorf("update: %v", err)
	}
	expect(t, s)
}

func testCancel(t *testing.T, e Engine) {
	s := open(t, e)
	set(t, s, "alice", "1", "bob", "1")
	ctx, cancel := context.WithCancel(t.Context())
	err := s.View(ctx, func(r store.Reader) error {
		for _, err := range r.Scan(nil, nil, 0) {
			if err != nil {
				return err
			}
			cancel()
		}
		return errors.New("the scan went on without a context")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a scan that was cancelled: %v", err)
	}
	err = s.View(ctx, func(store.Reader) error { t.Error("fn was called"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("view: %v", err)
	}
	b := batch(func(b *store.Batch) { b.Set([]byte("carol"), nil) })
	if err := s.Commit(ctx, b); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	expect(t, s, "alice=1", "bob=1")
}

func testClose(t *testing.T, e Engine) {
	s := open(t, e)
	closing, closed := make(chan struct{}), make(chan error, 1)
	set(t, s, "alice", "1")
	view(t, s, func(r store.Reader) {
		go func() { close(closing); closed <- s.Close() }()
		<-closing
		for range 10 {
			runtime.Gosched()
			if got := get(t, r, "alice"); got != "1" {
				t.Errorf("alice is %q under a View that Close waits for", got)
			}
		}
	})
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"view":   s.View(t.Context(), func(store.Reader) error { t.Error("fn was called"); return nil }),
		"commit": s.Commit(t.Context(), batch(func(b *store.Batch) { b.Set([]byte("bob"), nil) })),
		"guard":  s.Commit(t.Context(), batch(func(b *store.Batch) { b.Require([]byte("bob"), nil) })),
		"close":  s.Close(),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	expect(t, open(t, e), "alice=1")
}

func testReopen(t *testing.T, e Engine) {
	var want []string
	for i := range 4 {
		s := open(t, e)
		expect(t, s, want...)
		commit(t, s, nil, func(b *store.Batch) {
			b.Lazy = i%2 == 0 // Close makes it durable
			b.Set(fmt.Appendf(nil, "k%d", i), nil)
		})
		want = append(want, fmt.Sprintf("k%d=", i))
		if other, err := e.Open(t.Context()); err == nil {
			_ = other.Close()
			t.Fatal("opened a second time while it was open")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, open(t, e), want...)
}
