// Package clock is the only place where byre reads the time. Everything else
// takes a [Clock], so that tests can stand in any hour: [testing/synctest]
// simulates [System], and [Shifted] moves a running process or its wall clock.
package clock

import (
	"context"
	"sync/atomic"
	"time"
)

// Clock tells the time and waits. It is safe for concurrent use.
type Clock interface {
	// Now returns the present time, with a monotonic reading where there is one.
	Now() time.Time
	// Ran is how long it has been since some moment before the first call. Unlike
	// Now nobody can set it; it may stand still while the machine sleeps.
	Ran() time.Duration
	// Sleep waits for d or until ctx ends, and then returns ctx's error.
	Sleep(ctx context.Context, d time.Duration) error
	// AfterFunc calls f in its own goroutine after d. stop reports whether it
	// kept f from being called.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// System is the clock of the machine.
type System struct{}

// began is the moment since which [System] counts.
var began = System{}.Now()

// Now returns the time of the machine.
func (System) Now() time.Time { return time.Now() } //nolint:forbidigo // this package is where the time comes from

// Ran returns how long the process has run, by the machine's monotonic clock.
func (s System) Ran() time.Duration { return s.Now().Sub(began) }

// Sleep waits for d or until ctx ends.
func (System) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d) //nolint:forbidigo // this package is where the time comes from
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AfterFunc calls f in its own goroutine after d.
func (System) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop //nolint:forbidigo // this package is where the time comes from
}

// Shifted is another clock moved by an offset that may change while it runs: so
// much more time has gone by. Timers run at the pace of the clock below; only Now
// and Ran move. Apart from that its wall may be wrong.
type Shifted struct {
	Clock

	offset atomic.Int64 // nanoseconds
	wrong  atomic.Int64 // nanoseconds
}

// Shift returns c moved by d.
func Shift(c Clock, d time.Duration) *Shifted {
	s := &Shifted{Clock: c}
	s.Set(d)
	return s
}

// Set replaces the offset by d.
func (s *Shifted) Set(d time.Duration) { s.offset.Store(int64(d)) }

// Advance moves the clock by d more.
func (s *Shifted) Advance(d time.Duration) { s.offset.Add(int64(d)) }

// Leap sets the wall ahead by d, or back, of the time that has gone by; 0 sets it
// right.
func (s *Shifted) Leap(d time.Duration) { s.wrong.Store(int64(d)) }

// Now returns the time of the clock below plus the offset. A wall that is wrong
// has no monotonic reading: also what is compared to an earlier reading leaps.
func (s *Shifted) Now() time.Time {
	now := s.Clock.Now().Add(time.Duration(s.offset.Load()))
	if wrong := s.wrong.Load(); wrong != 0 {
		now = now.Round(0).Add(time.Duration(wrong))
	}
	return now
}

// Ran returns the running time of the clock below plus the offset.
func (s *Shifted) Ran() time.Duration { return s.Clock.Ran() + time.Duration(s.offset.Load()) }
