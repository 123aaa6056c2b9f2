// Package gate counts who is inside, so that a server goes down when nobody is.
package gate

import "sync"

// Gate is open until it is shut; its zero value is ready. It is safe for
// concurrent use.
//
// A frame may wait for a disk that fails; who shuts the gate meanwhile waits with
// it, and simulated time goes on, which it would not behind a mutex.
type Gate struct {
	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

// Enter reports whether the gate is open; who came in calls Leave.
func (g *Gate) Enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.inside.Add(1)
	}
	return !g.closed
}

// Leave ends what Enter began.
func (g *Gate) Leave() { g.inside.Done() }

// Shut lets nobody in any more, and returns when nobody is inside.
func (g *Gate) Shut() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
}
