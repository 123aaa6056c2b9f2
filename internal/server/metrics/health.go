package metrics

import "sync"

// Phase is where the server is in its life.
type Phase uint8

// The phases, in the order in which they come; the last may follow any.
const (
	Starting Phase = iota // nobody can connect yet
	Serving
	Draining // it stops, and takes nobody new
	Broken   // the store can't write: it ends
)

// Health is what the probes ask. Its zero value is starting. It is safe for
// concurrent use.
type Health struct {
	mu    sync.Mutex
	phase Phase
	full  func() bool
}

// Set moves on. A server that is broken stays so.
func (h *Health) Set(p Phase) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phase = max(h.phase, p)
}

// Watch has readiness ask whether the disk is full.
func (h *Health) Watch(full func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.full = full
}

// Alive returns why the process should be started anew, "" if it should not. A
// server that starts or stops is alive.
func (h *Health) Alive() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase == Broken {
		return "the store can't write any more"
	}
	return ""
}

// Ready returns why nobody should be sent here, "" if they should.
func (h *Health) Ready() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.phase {
	case Starting:
		return "starting"
	case Draining:
		return "stopping"
	case Broken:
		return "the store can't write any more"
	case Serving:
	}
	if h.full != nil && h.full() {
		return "the disk is full: what waits is still handed out, and nothing new is stored"
	}
	return ""
}
