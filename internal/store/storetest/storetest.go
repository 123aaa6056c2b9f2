// Package storetest holds every engine of package store to its contract: one
// suite for all, with the power taken away at random moments ([Run]), and a
// store that fails on purpose for the tests of those who use one ([Faulty]).
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
)

// Engine is a kind of store under test, with a disk of its own. At most one
// store is open on it at a time.
type Engine interface {
	// Open opens what stands on the disk.
	Open(ctx context.Context) (store.Store, error)
	// Crash takes the power from the disk at once, calls under way or not, and
	// leaves what a crash may leave; of what is undecided, rnd decides. The
	// store that was open ends; what it answers later counts for nothing.
	Crash(rnd *rand.Rand) error
}

// TB is what an engine may use of a test, be it Go's or rapid's.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(f func())
	Context() context.Context
}

// Run holds the engines that fresh makes, each on an empty disk, to the
// contract. With -short it takes fewer rounds.
func Run(t *testing.T, fresh func(TB) Engine) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Engine)
	}{
		{"writes", testWrites},
		{"ranges", testRanges},
		{"scan", testScan},
		{"limits", testLimits},
		{"aliasing", testAliasing},
		{"snapshot", testSnapshot},
		{"errors", testErrors},
		{"cancel", testCancel},
		{"close", testClose},
		{"reopen", testReopen},
		{"guards", testGuards},
		{"update", testUpdate},
		{"contention", testContention},
		{"one winner", testOneWinner},
		{"skew", testSkew},
		{"atomic", testAtomic},
		{"linearizable", testLinearizable},
		{"crash/settled", testCrashSettled},
		{"crash/lazy order", testCrashLazyOrder},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, fresh(t)) })
	}
	t.Run("crash/concurrent", func(t *testing.T) {
		for seed := range rounds(20, 4) {
			testCrashConcurrent(t, fresh(t), seed)
		}
	})
	t.Run("model", func(t *testing.T) { testModel(t, fresh) })
}

func rounds(long, short int) int {
	if testing.Short() {
		return short
	}
	return long
}

// open opens e and closes it at the end of the test, if nobody did before.
func open(tb TB, e Engine) store.Store {
	tb.Helper()
	s, err := e.Open(tb.Context())
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			tb.Fatalf("close: %v", err)
		}
	})
	return s
}

// batch returns a batch that f filled.
func batch(f func(b *store.Batch)) *store.Batch {
	var b store.Batch
	f(&b)
	return &b
}

// commit commits what f says and fails the test unless the error is want.
func commit(tb TB, s store.Store, want error, f func(b *store.Batch)) {
	tb.Helper()
	if err := s.Commit(tb.Context(), batch(f)); !errors.Is(err, want) {
		tb.Fatalf("commit: %v, want %v", err, want)
	}
}

// set sets keys and values in turn.
func set(tb TB, s store.Store, kvs ...string) {
	tb.Helper()
	commit(tb, s, nil, func(b *store.Batch) {
		for i := 0; i < len(kvs); i += 2 {
			b.Set([]byte(kvs[i]), []byte(kvs[i+1]))
		}
	})
}

// get returns the value of key, and "absent" if there is none.
func get(tb TB, r store.Reader, key string) string {
	tb.Helper()
	v, ok, err := r.Get([]byte(key))
	switch {
	case err != nil:
		tb.Fatalf("get %q: %v", key, err)
	case ok != (v != nil):
		tb.Fatalf("get %q: ok is %v, value %v", key, ok, v)
	case !ok:
		return "absent"
	}
	return string(v)
}

// scan returns the records of a range as "key=value".
func scan(tb TB, r store.Reader, from, to []byte, limit int) []string {
	tb.Helper()
	out := []string{}
	for kv, err := range r.Scan(from, to, limit) {
		if err != nil {
			tb.Fatalf("scan: %v", err)
		}
		out = append(out, fmt.Sprintf("%s=%s", kv.Key, kv.Val))
	}
	return out
}

// view calls f with a snapshot.
func view(tb TB, s store.Store, f func(r store.Reader)) {
	tb.Helper()
	err := s.View(tb.Context(), func(r store.Reader) error { f(r); return nil })
	if err != nil {
		tb.Fatalf("view: %v", err)
	}
}

// expect fails the test unless the whole store is want.
func expect(tb TB, s store.Store, want ...string) {
	tb.Helper()
	view(tb, s, func(r store.Reader) {
		if got := scan(tb, r, nil, nil, 0); fmt.Sprint(got) != fmt.Sprint(want) {
			tb.Fatalf("the store holds %q, want %q", got, want)
		}
	})
}
