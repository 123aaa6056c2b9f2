// Package rush makes accounts dearer while many are made.
package rush

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

// Bits is how much dearer accounts get when many are made: one bit more, and so
// twice the work, for each doubling above from an hour.
const (
	Bits = 4
	from = 256
)

// Count is what a relay keeps of how fast accounts are made. Who makes them it
// does not know. Its zero value is quiet; it is safe for concurrent use.
type Count struct {
	mu    sync.Mutex
	count float64   // accounts made, halved each hour
	at    time.Time // when count was right
}

// Made counts one more account.
func (c *Count) Made(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fade(now)
	c.count++
}

// Bits tells how many bits of work an account costs more than at quiet times.
func (c *Count) Bits(now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fade(now)
	return min(bits.Len(uint(c.count/from)), Bits)
}

func (c *Count) fade(now time.Time) {
	if d := now.Sub(c.at); d > 0 {
		c.count *= math.Exp2(-d.Hours())
		c.at = now
	}
}
