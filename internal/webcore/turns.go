package webcore

import (
	"context"
	"sync"
)

// atOnce is how many of one name may do something at a time.
const atOnce = 8

// turns lets a few of each name in at a time, and the others in the order in
// which they came. The zero value is ready. It is safe for concurrent use.
type turns struct {
	mu    sync.Mutex
	rooms map[string]chan struct{}
}

// enter waits for a turn; leave ends it.
func (t *turns) enter(ctx context.Context, name string) (leave func(), err error) {
	t.mu.Lock()
	if t.rooms == nil {
		t.rooms = map[string]chan struct{}{}
	}
	in, ok := t.rooms[name]
	if !ok {
		in = make(chan struct{}, atOnce)
		t.rooms[name] = in
	}
	t.mu.Unlock()
	select {
	case in <- struct{}{}:
		return func() { <-in }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
