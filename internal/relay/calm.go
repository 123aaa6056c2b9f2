package relay

import "runtime/debug"

// A rush is rushSessions new sessions since memory was given back; it is over
// when fewer than calmSessions come between two looks.
const (
	rushSessions = 1_000
	calmSessions = 100
)

// calm gives back to the system what a rush of sign-ins left: each handshake
// leaves several times the memory that its session then needs, and the runtime
// keeps that while nothing is allocated. It is a value; whoever runs the relay
// looks from time to time.
type calm struct{ seen, given uint64 }

// look reports whether a rush is over, given how many sessions there ever were.
func (c *calm) look(opened uint64) bool {
	quiet := opened-c.seen < calmSessions
	c.seen = opened
	if !quiet || opened-c.given < rushSessions {
		return false
	}
	c.given = opened
	return true
}

// giveBack looks, and gives memory back once a rush is over: some hundredths of
// a second of processor time for ten thousand sessions.
func (r *Relay) giveBack() {
	if r.calm.look(r.counters.opened.Load()) {
		debug.FreeOSMemory()
	}
}
