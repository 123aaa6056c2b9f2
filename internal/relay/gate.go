package relay

import "sync"

// gate counts the frames that are being handled, so that draining begins when
// none is. A frame may wait for a disk that fails; who shuts the gate meanwhile
// waits with it, and simulated time goes on, which it would not behind a mutex.
type gate struct {
	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

// enter reports whether the gate is open; who came in calls leave.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.inside.Add(1)
	}
	return !g.closed
}

func (g *gate) leave() { g.inside.Done() }

// shut lets nobody in any more, and returns when nobody is inside.
func (g *gate) shut() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
}
