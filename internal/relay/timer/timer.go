// Package timer calls many things at their time from one goroutine.
package timer

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
)

// Timed is what waits for a time. Due is called once, in the goroutine of
// [Timers.Run].
type Timed interface{ Due(now time.Time) }

// Timers are things that wait for their time. An entry can't be taken back:
// whoever is called looks whether there is still something to do. They are safe
// for concurrent use.
type Timers struct {
	mu   sync.Mutex
	heap timerHeap
	wake chan struct{} // of capacity 1: the first entry is a new one
}

// New returns timers that nobody has set.
func New() *Timers { return &Timers{wake: make(chan struct{}, 1)} }

type timer struct {
	at   time.Time
	what Timed
}

// Add has what called at a time.
func (t *Timers) Add(at time.Time, what Timed) {
	t.mu.Lock()
	heap.Push(&t.heap, timer{at, what})
	first := t.heap[0].what == what
	t.mu.Unlock()
	if first {
		t.poke()
	}
}

func (t *Timers) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Run calls what is due until ctx ends. It is called once.
func (t *Timers) Run(ctx context.Context, c clock.Clock) {
	for ctx.Err() == nil {
		stop := func() bool { return false }
		t.mu.Lock()
		if len(t.heap) > 0 {
			now := c.Now()
			if first := t.heap[0]; !first.at.After(now) {
				heap.Pop(&t.heap)
				t.mu.Unlock()
				first.what.Due(now)
				continue
			}
			stop = c.AfterFunc(t.heap[0].at.Sub(now), t.poke)
		}
		t.mu.Unlock()
		select {
		case <-t.wake:
		case <-ctx.Done():
		}
		stop()
	}
}

type timerHeap []timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)        { *h = append(*h, x.(timer)) } // by contract of container/heap
func (h *timerHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = timer{}
	*h = old[:len(old)-1]
	return last
}
