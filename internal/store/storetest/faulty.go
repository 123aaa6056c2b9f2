package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/byre-messenger/byre/internal/store"
)

// ErrInjected is the error of faults, an unknown outcome to the caller.
var ErrInjected = errors.New("storetest: injected fault")

// Fault is what befalls a commit.
type Fault uint8

// The faults.
const (
	FailBefore  Fault = iota + 1 // it has no effect, and an error is returned
	FailAfter                    // it has its effect, and an error is returned
	CrashBefore                  // as FailBefore, and then the power goes
	CrashAfter                   // as FailAfter, and then the power goes
)

// Faulty is a store on which a chosen commit fails, for tests of what its user
// makes of an unknown outcome. After a crash every call fails until the test
// opens the disk anew. It is safe for concurrent use.
type Faulty struct {
	inner store.Store
	power func()

	mu    sync.Mutex
	n     int // commits that began
	plan  map[int]Fault
	views int // views that began
	blind int // the view that fails, 0: none
	crash bool
}

var _ store.Store = (*Faulty)(nil)

// NewFaulty returns s with faults. At a crash power is called, once: it takes
// the power from the disk below, as memstore's Disk.Crash does, and with it the
// lazy commits that are not durable. nil undoes nothing. Commits under way then
// fail as well, wherever they stand.
func NewFaulty(s store.Store, power func()) *Faulty {
	return &Faulty{inner: s, power: power, plan: map[int]Fault{}}
}

// Plan lets fault befall the n-th commit from now; 1 is the next. It counts
// every call of Commit, those in conflict as well.
func (f *Faulty) Plan(n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan[f.n+n] = fault
}

// PlanView lets the n-th View from now fail before it reads; 1 is the next.
func (f *Faulty) PlanView(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blind = f.views + n
}

// Views returns how many views began so far.
func (f *Faulty) Views() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.views
}

// Commits returns how many commits began so far, for tests that let each of
// them fail in turn.
func (f *Faulty) Commits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// View implements [store.Store].
func (f *Faulty) View(ctx context.Context, fn func(store.Reader) error) error {
	f.mu.Lock()
	f.views++
	dead := f.crash || f.views == f.blind
	f.mu.Unlock()
	if dead {
		return fmt.Errorf("view: %w", ErrInjected)
	}
	return f.inner.View(ctx, fn)
}

// Commit implements [store.Store].
func (f *Faulty) Commit(ctx context.Context, b *store.Batch) error {
	f.mu.Lock()
	f.n++
	fault := f.plan[f.n]
	dead := f.crash
	f.mu.Unlock()
	if dead {
		return fmt.Errorf("commit: %w", ErrInjected)
	}
	var err error
	if fault != FailBefore && fault != CrashBefore {
		err = f.inner.Commit(ctx, b)
	}
	if fault == CrashBefore || fault == CrashAfter {
		f.die()
	}
	if fault != 0 {
		return fmt.Errorf("commit: %w", ErrInjected)
	}
	if f.crashed() { // the power went before this one was answered
		return fmt.Errorf("commit: %w", ErrInjected)
	}
	return err
}

// Close implements [store.Store].
func (f *Faulty) Close() error {
	if f.crashed() {
		return fmt.Errorf("close: %w", ErrInjected)
	}
	return f.inner.Close()
}

// Crashed reports whether a fault took the power.
func (f *Faulty) Crashed() bool { return f.crashed() }

// Clear forgets the faults that are planned and did not come yet.
func (f *Faulty) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.plan)
	f.blind = 0
}

func (f *Faulty) crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crash
}

func (f *Faulty) die() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.crash && f.power != nil {
		f.power()
	}
	f.crash = true
}
