// Package calm tells when a rush of connections is over, so that the memory it
// took can go back to the system. It is pure.
package calm

// A rush is rushSessions new sessions since memory was given back; it is over
// when fewer than calmSessions come between two looks.
const (
	rushSessions = 1_000
	calmSessions = 100
)

// Watch finds the moment to give back what a rush of sign-ins left: each handshake
// leaves several times the memory that its session then needs, and the runtime
// keeps that while nothing is allocated. It is a value; whoever runs the relay
// looks from time to time.
type Watch struct{ seen, given uint64 }

// Look reports whether a rush is over, given how many sessions there ever were.
func (c *Watch) Look(opened uint64) bool {
	quiet := opened-c.seen < calmSessions
	c.seen = opened
	if !quiet || opened-c.given < rushSessions {
		return false
	}
	c.given = opened
	return true
}
