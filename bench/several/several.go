// Package several does the same thing many times at once, until one fails.
package several

import (
	"sync"
	"sync/atomic"
)

// Failures keeps the first error of many goroutines. Make it by NewFailures; it
// is safe for concurrent use.
type Failures struct{ ch chan error }

// NewFailures returns one without an error.
func NewFailures() Failures { return Failures{make(chan error, 1)} }

// Add takes an error, or nil.
func (f Failures) Add(err error) {
	if err == nil {
		return
	}
	select {
	case f.ch <- err:
	default:
	}
}

// Err is the first error, or nil while there is none.
func (f Failures) Err() error {
	select {
	case err := <-f.ch:
		f.ch <- err
		return err
	default:
		return nil
	}
}

// Do calls fn for 0 to n-1, at most so many at the same time, until one fails,
// and returns its error.
func Do(n, atOnce int, fn func(i int) error) error {
	failed := NewFailures()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, atOnce) {
		wg.Go(func() {
			for failed.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				failed.Add(fn(i))
			}
		})
	}
	wg.Wait()
	return failed.Err()
}
