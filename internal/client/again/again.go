// Package again is the pauses between tries of what failed. It is pure: the time
// is given to it.
package again

import "time"

// Pauses grow from the first to the last.
const (
	first = 5 * time.Second
	last  = 10 * time.Minute
)

// Pause keeps what failed from being tried again at once. Its zero value is
// over.
type Pause struct {
	Until time.Time
	tries int
}

// Over reports whether the pause has ended.
func (p Pause) Over(now time.Time) bool { return !now.Before(p.Until) }

// Longer returns the next pause: each is three times the one before.
func (p Pause) Longer(now time.Time, atLeast time.Duration) Pause {
	d := first
	for range p.tries {
		d = min(3*d, last)
	}
	return Pause{now.Add(max(d, atLeast)), p.tries + 1}
}
