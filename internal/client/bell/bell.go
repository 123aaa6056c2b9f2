// Package bell wakes those who wait for some state to change.
package bell

import "sync"

// Bell is one. Its zero value was never rung. It is safe for concurrent use.
type Bell struct {
	mu sync.Mutex
	ch chan struct{}
}

// Next returns a channel that is closed at the next ring. Whoever takes it
// before looking at the state misses no change.
func (b *Bell) Next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

// Ring wakes all who wait.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
