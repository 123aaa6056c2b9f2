// Package fading is the time that messages have left which disappear once they
// were read. Time is what this device saw go by: a clock that is set back takes
// nothing of it away. It is a value: the caller reads the clock and keeps what
// is durable.
package fading

import (
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/wire"
)

// Spot is where a message stands.
type Spot struct {
	Room ident.RoomID
	At   uint64
}

// Times are the messages whose time runs. It is not safe for concurrent use.
type Times struct {
	mark seal.Mark
	due  map[Spot]time.Duration // when each disappears, by mark
}

// Open returns the times of a device that starts at a time of the clock; rec is
// what it kept, empty if nothing. A device may have been off for long, so any
// difference of the clock counts.
func Open(rec *wire.TimeRecord, now time.Time) Times {
	t := Times{due: map[Spot]time.Duration{}}
	if rec.Wall != 0 {
		t.mark = seal.Mark{Elapsed: ms(rec.Elapsed), Wall: time.UnixMilli(rec.Wall)}
	}
	t.mark, _ = t.mark.Resume(now, true)
	return t
}

// Record is what has to be durable of how far time has run.
func (t *Times) Record() *wire.TimeRecord {
	return &wire.TimeRecord{Elapsed: uint64(t.mark.Elapsed.Milliseconds()), Wall: t.mark.Wall.UnixMilli()} //nolint:gosec // not negative
}

// Runs takes up a message whose time ran before, as its record has it.
func (t *Times) Runs(s Spot, rec *wire.DyingRecord) { t.due[s] = ms(rec.DiesAt) }

// Begin lets the time of a message begin now, and returns what its record says
// of when it ends.
func (t *Times) Begin(s Spot, now time.Time, stays time.Duration) (diesAt uint64) {
	t.due[s] = t.run(now) + stays
	return uint64(t.due[s].Milliseconds()) //nolint:gosec // not negative
}

// Stop forgets a message, and reports whether its time was running.
func (t *Times) Stop(s Spot) bool {
	_, ok := t.due[s]
	delete(t.due, s)
	return ok
}

// Wait is how long until the next message is due, and a minute at most, since
// how far time has run has to be kept; no if none is waited for. Then is what
// will have run by then, whatever the clock says.
func (t *Times) Wait() (wait, then time.Duration, ok bool) {
	wait = seal.MarkTime
	for _, at := range t.due {
		wait = min(wait, at-t.mark.Elapsed)
	}
	wait = max(wait, 0)
	return wait, t.mark.Elapsed + wait, len(t.due) > 0
}

// Due lets time run up to now, but to atLeast in any case, and returns what is
// due by then, in no order.
func (t *Times) Due(now time.Time, atLeast time.Duration) (due []Spot) {
	t.mark.Elapsed = max(t.run(now), atLeast)
	for s, at := range t.due {
		if at <= t.mark.Elapsed {
			due = append(due, s)
		}
	}
	return due
}

// run lets time run up to now.
func (t *Times) run(now time.Time) time.Duration {
	if gone := now.Sub(t.mark.Wall); gone > 0 {
		t.mark.Elapsed += gone.Truncate(time.Millisecond)
		t.mark.Wall = t.mark.Wall.Add(gone.Truncate(time.Millisecond))
	} else if gone < 0 {
		t.mark.Wall = now
	}
	return t.mark.Elapsed
}

func ms(n uint64) time.Duration { return time.Duration(min(n, 1<<50)) * time.Millisecond }
