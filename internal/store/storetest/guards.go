package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
)

func testGuards(t *testing.T, e Engine) {
	s := open(t, e)
	set(t, s, "alice", "1", "empty", "")
	for _, c := range []struct {
		name, key string
		val       []byte
		want      error
	}{
		{"same", "alice", []byte("1"), nil},
		{"other", "alice", []byte("2"), store.ErrConflict},
		{"longer", "alice", []byte("11"), store.ErrConflict},
		{"present, not empty", "alice", []byte{}, store.ErrConflict},
		{"present, not absent", "alice", nil, store.ErrConflict},
		{"absent", "bob", nil, nil},
		{"absent, not empty", "bob", []byte{}, store.ErrConflict},
		{"absent, not 1", "bob", []byte("1"), store.ErrConflict},
		{"empty", "empty", []byte{}, nil},
		{"empty, not absent", "empty", nil, store.ErrConflict},
		{"empty, not 1", "empty", []byte("1"), store.ErrConflict},
	} {
		t.Run(c.name, func(t *testing.T) {
			guard := func(b *store.Batch) {
				b.Require([]byte("empty"), []byte{})
				b.Require([]byte(c.key), c.val)
			}
			commit(t, s, c.want, guard) // a batch of guards alone
			commit(t, s, c.want, func(b *store.Batch) {
				b.Set([]byte("seen"), nil)
				b.Set([]byte(c.key), []byte("changed")) // guards look at what was before
				guard(b)
			})
			if c.want != nil {
				expect(t, s, "alice=1", "empty=")
			}
			commit(t, s, nil, func(b *store.Batch) {
				b.Delete([]byte("seen"))
				b.Delete([]byte("bob"))
				b.Set([]byte("alice"), []byte("1"))
				b.Set([]byte("empty"), nil)
			})
		})
	}
	commit(t, s, store.ErrConflict, func(b *store.Batch) { // can't be both
		b.Require([]byte("alice"), []byte("1"))
		b.Require([]byte("alice"), nil)
		b.Set([]byte("seen"), nil)
	})
	expect(t, s, "alice=1", "empty=")
}

// intruder lets somebody else in just before each commit.
type intruder struct {
	store.Store

	before func()
}

func (i *intruder) Commit(ctx context.Context, b *store.Batch) error {
	i.before()
	return i.Store.Commit(ctx, b)
}

func testUpdate(t *testing.T, e Engine) {
	s := open(t, e)
	set(t, s, "alice", "1")
	tries := 0
	mallory := &intruder{Store: s, before: func() {
		switch tries {
		case 1: // changes what was there
			set(t, s, "alice", "2")
		case 2: // makes what was not
			set(t, s, "bob", "3")
		case 3: // takes what was there
			commit(t, s, nil, func(b *store.Batch) { b.Delete([]byte("alice")) })
		default: // comes near
			set(t, s, "other", "4")
		}
	}}
	err := store.Update(t.Context(), mallory, func(r store.Reader, b *store.Batch) error {
		tries++
		b.Set([]byte("carol"), []byte(get(t, r, "alice")+" "+get(t, r, "bob")))
		b.Set(fmt.Appendf(nil, "try %d", tries), nil)
		return nil
	})
	if err != nil || tries != 4 {
		t.Errorf("%d tries, %v; want 4", tries, err)
	}
	expect(t, s, "bob=3", "carol=absent 3", "other=4", "try 4=")

	// It ends with its context, however often it is in conflict.
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	mallory.before = func() {
		if n++; n == 5 {
			cancel()
		}
		set(t, s, "bob", strconv.Itoa(n))
	}
	err = store.Update(ctx, mallory, func(r store.Reader, b *store.Batch) error {
		b.Set([]byte("bob"), []byte(get(t, r, "bob")))
		return nil
	})
	if !errors.Is(err, context.Canceled) || n != 5 {
		t.Errorf("%d commits, %v; want it cancelled at the 5th", n, err)
	}
}

// together runs n goroutines of f and fails the test with their errors.
func together(tb TB, n int, f func(i int) error) {
	tb.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		tb.Fatalf("%v", err)
	}
}

// testContention counts up one key from many goroutines: no count is lost.
func testContention(t *testing.T, e Engine) {
	s := open(t, e)
	workers, each := 16, rounds(25, 10)
	together(t, workers, func(int) error {
		for range each {
			err := store.Update(t.Context(), s, func(r store.Reader, b *store.Batch) error {
				v, _, err := r.Get([]byte("count"))
				n, _ := strconv.Atoi(string(v))
				b.Set([]byte("count"), strconv.AppendInt(nil, int64(n+1), 10))
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	expect(t, s, fmt.Sprintf("count=%d", workers*each))
}

// testOneWinner lets many want the same names at once: each goes to one of
// them, and the others are told so.
func testOneWinner(t *testing.T, e Engine) {
	s := open(t, e)
	names := rounds(30, 10)
	won := make([]atomic.Int32, names)
	together(t, 8, func(who int) error {
		for n := range names {
			err := s.Commit(t.Context(), batch(func(b *store.Batch) {
				key := fmt.Appendf(nil, "name %02d", n)
				b.Require(key, nil)
				b.Set(key, strconv.AppendInt(nil, int64(who), 10))
				b.Set(fmt.Appendf(nil, "owner %d %02d", who, n), nil)
			}))
			switch {
			case err == nil:
				won[n].Add(1)
			case !errors.Is(err, store.ErrConflict):
				return err
			}
		}
		return nil
	})
	view(t, s, func(r store.Reader) {
		for n := range names {
			owner := get(t, r, fmt.Sprintf("name %02d", n))
			if won[n].Load() != 1 || get(t, r, fmt.Sprintf("owner %s %02d", owner, n)) != "" {
				t.Errorf("name %d went to %d owners, at last %s", n, won[n].Load(), owner)
			}
		}
		if got := len(scan(t, r, []byte("owner"), nil, 0)); got != names {
			t.Errorf("%d owners of %d names", got, names)
		}
	})
}

// testAtomic moves coins between purses while others count them: the sum stays,
// in every snapshot.
func testAtomic(t *testing.T, e Engine) {
	s := open(t, e)
	const purses, coins = 5, 100
	purse := func(i int) []byte { return fmt.Appendf(nil, "purse %d", i%purses) }
	commit(t, s, nil, func(b *store.Batch) {
		for i := range purses {
			b.Set(purse(i), []byte(strconv.Itoa(coins)))
		}
	})
	number := func(r store.Reader, key []byte) (int, error) {
		v, _, err := r.Get(key)
		n, _ := strconv.Atoi(string(v))
		return n, err
	}
	count := func(r store.Reader) error {
		sum := 0
		for kv, err := range r.Scan([]byte("purse"), nil, 0) {
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(kv.Val))
			if err != nil {
				return err
			}
			sum += n
		}
		if sum != purses*coins {
			return fmt.Errorf("a snapshot holds %d coins, want %d", sum, purses*coins)
		}
		return nil
	}
	together(t, 8, func(who int) error {
		for i := range rounds(20, 8) {
			if err := s.View(t.Context(), count); err != nil {
				return err
			}
			err := store.Update(t.Context(), s, func(r store.Reader, b *store.Batch) error {
				from, to := purse(who+i), purse(who*i+who+i+1)
				a, err1 := number(r, from)
				z, err2 := number(r, to)
				if string(from) != string(to) {
					b.Set(from, []byte(strconv.Itoa(a-1)))
					b.Set(to, []byte(strconv.Itoa(z+1)))
				}
				return errors.Join(err1, err2)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := s.View(t.Context(), count); err != nil {
		t.Error(err)
	}
}

// testSkew lets two write what the other requires to be absent: in every round
// at most one of them may.
func testSkew(t *testing.T, e Engine) {
	s := open(t, e)
	n := rounds(500, 200)
	won := [2][]bool{make([]bool, n), make([]bool, n)}
	ready := [2]chan bool{make(chan bool, n), make(chan bool, n)}
	together(t, 2, func(who int) error {
		defer close(ready[who]) // never let the other wait for one who gave up
		for i := range n {
			ready[who] <- true
			<-ready[1-who] // begin the round together
			err := s.Commit(t.Context(), batch(func(b *store.Batch) {
				b.Lazy = true
				b.Require(fmt.Appendf(nil, "%d %d", 1-who, i), nil)
				for n := range 50 { // takes an engine's time after it compared the first
					b.Require(fmt.Appendf(nil, "nobody %d %d", who, n), nil)
				}
				b.Set(fmt.Appendf(nil, "%d %d", who, i), nil)
			}))
			won[who][i] = err == nil
			if err != nil && !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
		return nil
	})
	both := 0
	for i := range n {
		if won[0][i] && won[1][i] {
			both++
		}
	}
	if both > 0 {
		t.Errorf("in %d of %d rounds both wrote what the other required to be absent", both, n)
	}
}
