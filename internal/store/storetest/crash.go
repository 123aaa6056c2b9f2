package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
)

func seeded(seed int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(seed), 0)) //nolint:gosec // tests repeat
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
		crash(t, e, seeded(i))
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
	for seed := range rounds(30, 8) {
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
			var want strings.Builder
			left := len(a) / len("a001=")
			for i := 1; i <= left; i++ {
				fmt.Fprintf(&want, "a%03d=", i)
			}
			if left < durable || left > n || a != want.String() || z != strings.ReplaceAll(a, "a", "b") {
				t.Errorf("seed %d: of %d commits, %d durable, the crash left %q and %q", seed, n, durable, a, z)
			}
		})
		crash(t, e, rnd) // nothing is undecided any more: the next round begins with an open
	}
}

const writers = 6

// crowd is many writers, each counting itself up until the power goes.
type crowd struct {
	dead     atomic.Bool
	left     atomic.Int64          // commits until the power goes
	enough   chan struct{}         // closed when none is left
	answered [writers]atomic.Int64 // counts that were promised before the crash
}

func crowdKey(kind string, w int) []byte { return fmt.Appendf(nil, "%s %d", kind, w) }

// write counts w up in two keys, half of the time lazily, and notes the counts
// of all that it saw before.
func (c *crowd) write(ctx context.Context, s store.Store, w int, rnd *rand.Rand) error {
	for n := int64(1); !c.dead.Load(); n++ {
		var saw []string
		err := s.View(ctx, func(r store.Reader) error {
			for o := range writers {
				v, _, err := r.Get(crowdKey("count", o))
				if err != nil {
					return err
				}
				saw = append(saw, "0"+string(v))
			}
			return nil
		})
		var b store.Batch
		if err == nil {
			b.Lazy = rnd.IntN(2) == 0
			b.Set(crowdKey("count", w), strconv.AppendInt(nil, n, 10))
			b.Set(crowdKey("saw", w), []byte(strings.Join(saw, " ")))
			b.Set(crowdKey("copy", w), strconv.AppendInt(nil, n, 10))
			err = s.Commit(ctx, &b)
		}
		if c.dead.Load() {
			return nil // what is answered from here on does not count
		}
		if err != nil {
			return fmt.Errorf("writer %d: %w", w, err)
		}
		if !b.Lazy {
			c.answered[w].Store(n)
		}
		if c.left.Add(-1) == 0 {
			close(c.enough)
		}
	}
	return nil
}

// testCrashConcurrent takes the power from a crowd. Afterwards every count that
// was answered is there, both keys of a writer agree, and nobody is there who
// saw more of another than is left: no commit is durable before one it has seen.
func testCrashConcurrent(t *testing.T, e Engine, seed int) {
	t.Helper()
	rnd := seeded(seed)
	s := open(t, e)
	c := crowd{enough: make(chan struct{})}
	c.left.Store(1 + rnd.Int64N(200))
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			if err := c.write(t.Context(), s, w, seeded(seed<<8|w)); err != nil {
				t.Errorf("seed %d: %v", seed, err)
				if c.left.Swap(-1) > 0 {
					close(c.enough) // do not wait for it
				}
			}
		})
	}
	<-c.enough
	c.dead.Store(true)
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
			count := get(t, r, string(crowdKey("count", w)))
			left[w] = number(count)
			if got := get(t, r, string(crowdKey("copy", w))); got != count {
				t.Errorf("seed %d: writer %d is at %s and %s", seed, w, count, got)
			}
			if want := c.answered[w].Load(); left[w] < want {
				t.Errorf("seed %d: writer %d was answered %d, the crash left %d", seed, w, want, left[w])
			}
		}
		for w := range writers {
			saw := get(t, r, string(crowdKey("saw", w)))
			for o, text := range strings.Fields(strings.ReplaceAll(saw, "absent", "")) {
				if n := number(text); n > left[o] {
					t.Errorf("seed %d: writer %d is there and saw %d of writer %d, who is at %d", seed, w, n, o, left[o])
				}
			}
		}
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
