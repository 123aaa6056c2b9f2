// Package loop runs what changes a device one step after the other: one
// goroutine owns all state, and steps that wait together are applied together.
// It knows nothing of what they do.
package loop

import (
	"cmp"
	"context"
	"sync"

	"github.com/byre-messenger/byre/internal/client/why"
)

// maxBatch is how many steps are applied together.
const maxBatch = 64

// Step is something to do in the loop.
type Step[T any] struct {
	Do    func(T) error
	Quiet bool // nobody waits for what it changes

	done chan<- error // nil: nobody waits
}

// Loop takes steps from any goroutine, and hands them to the one that runs it.
type Loop[T any] struct {
	steps   chan Step[T]
	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
	failure error // why it stopped; read after stopped
}

// New is a loop that does not run yet.
func New[T any]() *Loop[T] {
	return &Loop[T]{steps: make(chan Step[T], maxBatch), quit: make(chan struct{}), stopped: make(chan struct{})}
}

// Stopped is closed when the loop runs no more.
func (l *Loop[T]) Stopped() <-chan struct{} { return l.stopped }

// StoppedBy is why it runs no more.
func (l *Loop[T]) StoppedBy() error { return cmp.Or(l.failure, why.ErrClosed) }

// Do hands a step over and returns when it was applied, with its error, or with
// the one that stopped the loop. Whoever waits no longer does not take it back.
func (l *Loop[T]) Do(ctx context.Context, s Step[T]) error {
	done := make(chan error, 1)
	s.done = done
	select {
	case l.steps <- s:
	case <-l.stopped:
		return l.StoppedBy()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-l.stopped:
		if len(done) > 0 { // the step's own answer came before the end
			return <-done
		}
		return l.StoppedBy()
	}
}

// Post has fn run some time later, unless the loop ends before.
func (l *Loop[T]) Post(fn func(T) error) {
	select {
	case l.steps <- Step[T]{Do: fn}:
	case <-l.stopped:
	}
}

// Run applies steps until the loop is closed, or until apply fails: then what
// they did is not known, and none follows. results are the steps' own errors, for
// apply to fill in. rings is called behind a failure, and behind what others may
// wait for; last at the end of a loop that was closed.
func (l *Loop[T]) Run(apply func(batch []Step[T], results []error) error, rings func(), last func() error) {
	defer close(l.stopped)
	for {
		batch := l.next()
		if batch == nil {
			l.failure = last()
			return
		}
		results := make([]error, len(batch))
		err := apply(batch, results)
		ring := err != nil
		for i, s := range batch {
			ring = ring || !s.Quiet
			if s.done != nil {
				s.done <- cmp.Or(results[i], err)
			}
		}
		if ring {
			rings()
		}
		if err != nil {
			l.failure = err
			return
		}
	}
}

// next waits for steps; nil: there are no more.
func (l *Loop[T]) next() (batch []Step[T]) {
	select {
	case s := <-l.steps:
		batch = append(batch, s)
	case <-l.quit:
		return nil
	}
	for len(batch) < maxBatch {
		select {
		case s := <-l.steps:
			batch = append(batch, s)
		default:
			return batch
		}
	}
	return batch
}

// Close has the loop end behind the steps that are being applied; End waits for
// that, and returns the error that stopped it, if one did.
func (l *Loop[T]) Close() { l.once.Do(func() { close(l.quit) }) }

// End is behind [Loop.Close].
func (l *Loop[T]) End() error {
	<-l.stopped
	return l.failure
}
