package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
)

func seeded(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // tests repeat
}

func crash(tb TB, e Engine, rnd *rand.Rand) {
	tb.Helper()
	if err := e.Crash(rnd); err != nil {
		tb.Fatalf("crash: %v", err)
	}
}

// testCrashSettled takes the power after each kind of answer that promises
// something about a lazy commit before it.
func testCrashSettled(t *testing.T, e Engine) {
	s := open(t, e)
	key, seen := []byte("alice"), []byte("seen")
	for i, promise := range []struct {
		want error
		f    func(*store.Batch)
	}{
		{nil, func(b *store.Batch) { b.Set(seen, nil) }},
		{nil, func(*store.Batch) {}},
		{nil, func(b *store.Batch) { b.Require(key, []byte("2")) }},
		{store.ErrConflict, func(b *store.Batch) { b.Require(key, nil); b.Lazy = true }},
		{store.ErrConflict, func(b *store.Batch) { b.Require(key, []byte("1")); b.Set(seen, nil) }},
	} {
		commit(t, s, nil, func(b *store.Batch) {
			b.Delete(seen)
			b.Set(key, []byte("1"))
		})
		commit(t, s, nil, func(b *store.Batch) {
			b.Set(key, []byte("2"))
			b.Lazy = true
		})
		commit(t, s, promise.want, promise.f)
		crash(t, e, seeded(uint64(i)))
		s = open(t, e)
		view(t, s, func(r store.Reader) {
			if got := get(t, r, "alice"); got != "2" {
				t.Errorf("promise %d: alice is %q after the crash, want 2", i, got)
			}
		})
	}
}

// testCrashLazyOrder takes the power from a row of lazy commits: what is left is
// a beginning of the row, and holds the last that was not lazy.
func testCrashLazyOrder(t *testing.T, e Engine) {
	for seed := range uint64(rounds(30, 8)) {
		rnd := seeded(seed)
		s := open(t, e)
		n, durable := 1+rnd.IntN(40), 0
		commit(t, s, nil, func(b *store.Batch) { b.DeleteRange([]byte("0"), []byte("z")) })
		for i := 1; i <= n; i++ {
			commit(t, s, nil, func(b *store.Batch) {
				b.Set(fmt.Appendf(nil, "a%03d", i), nil)
				b.Set(fmt.Appendf(nil, "b%03d", i), nil)
				if b.Lazy = rnd.IntN(8) > 0; !b.Lazy {
					durable = i
				}
			})
		}
		crash(t, e, rnd)
		view(t, open(t, e), func(r store.Reader) {
			a := strings.Join(scan(t, r, []byte("a"), []byte("b"), 0), "")
			z := strings.Join(scan(t, r, []byte("b"), []byte("c"), 0), "")
			want := ""
			left := len(a) / len("a001=")
			for i := 1; i <= left; i++ {
				want += fmt.Sprintf("a%03d=", i)
			}
			if left < durable || left > n || a != want || z != strings.ReplaceAll(a, "a", "b") {
				t.Errorf("seed %d: of %d commits, %d durable, the crash left %q and %q", seed, n, durable, a, z)
			}
		})
		crash(t, e, rnd) // nothing is undecided any more: the next round begins with an open
	}
}

// testCrashConcurrent lets many write, some lazily, and takes the power in the
// middle. Each writer counts itself up in two keys, and notes the counts of the
// others that it saw. Afterwards every count that was answered is there, both
// keys agree, and nobody is there who saw more of another than is left: no
// commit is durable before one it has seen.
func testCrashConcurrent(t *testing.T, e Engine, seed uint64) {
	t.Helper()
	const writers = 6
	rnd := seeded(seed)
	s := open(t, e)
	var (
		dead     atomic.Bool
		answered [writers]atomic.Int64 // counts that were promised before the crash
		progress atomic.Int64
		wg       sync.WaitGroup
	)
	key := func(kind string, w int) []byte { return fmt.Appendf(nil, "%s %d", kind, w) }
	for w := range writers {
		lazy := seeded(seed<<8 | uint64(w))
		wg.Go(func() {
			for n := int64(1); !dead.Load(); n++ {
				var saw []string
				var b store.Batch
				err := s.View(t.Context(), func(r store.Reader) error {
					for o := range writers {
						v, _, err := r.Get(key("count", o))
						if err != nil {
							return err
						}
						saw = append(saw, "0"+string(v))
					}
					return nil
				})
				if err == nil {
					b.Lazy = lazy.IntN(2) == 0
					b.Set(key("count", w), strconv.AppendInt(nil, n, 10))
					b.Set(key("saw", w), []byte(strings.Join(saw, " ")))
					b.Set(key("copy", w), strconv.AppendInt(nil, n, 10))
					err = s.Commit(t.Context(), &b)
				}
				if dead.Load() {
					return
				}
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				if !b.Lazy {
					answered[w].Store(n)
				}
				progress.Add(1)
			}
		})
	}
	for until := int64(rnd.IntN(200)); progress.Load() < until && !t.Failed(); {
		runtime.Gosched()
	}
	// Whoever is answered from here on does not count: answered is not touched
	// once dead is seen, and what was stored before dead was durable by then.
	dead.Store(true)
	crash(t, e, rnd)
	wg.Wait()

	s = open(t, e)
	view(t, s, func(r store.Reader) {
		number := func(text string) int64 {
			n, err := strconv.ParseInt(strings.ReplaceAll(text, "absent", "0"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		var left [writers]int64
		for w := range writers {
			count := get(t, r, string(key("count", w)))
			left[w] = number(count)
			if got := get(t, r, string(key("copy", w))); got != count {
				t.Errorf("seed %d: writer %d is at %s and %s", seed, w, count, got)
			}
			if want := answered[w].Load(); left[w] < want {
				t.Errorf("seed %d: writer %d was answered %d, the crash left %d", seed, w, want, left[w])
			}
		}
		for w := range writers {
			for o, text := range strings.Fields(strings.ReplaceAll(get(t, r, string(key("saw", w))), "absent", "")) {
				if saw := number(text); saw > left[o] {
					t.Errorf("seed %d: writer %d is there and saw %d of writer %d, who is at %d", seed, w, saw, o, left[o])
				}
			}
		}
	})
	if err := s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}
