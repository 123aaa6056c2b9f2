package seal

import "time"

// The hours of keys.
const (
	// MinRetention and MaxRetention bound how long anything opens after the
	// opening of its segment (R2). The ceiling is here and nowhere configured.
	MinRetention = 48 * time.Hour
	MaxRetention = 72 * time.Hour
	// SegmentTime is how long a segment takes records, if a checkpoint can be
	// made when it is over; SegmentLimit is when it takes no more, come what
	// may.
	SegmentTime  = time.Hour
	SegmentLimit = 2 * time.Hour
	// MaxJump is how far the clock may be ahead of what was last seen before
	// somebody has to confirm it.
	MaxJump = 7 * 24 * time.Hour
	// MarkTime is how often a mark has to become durable, so that a clock that
	// is behind at a start hides no more than that of the time before it.
	MarkTime = time.Minute
	// Ahead is how long before its time a segment dies: whoever looks each few
	// seconds finds it dead by the bound, and not behind it.
	Ahead = 10 * time.Second
	// asleep is how much more than running time the clock must show for the
	// rest to count as sleep.
	asleep = time.Minute
)

// Mark is a point in the time by which segments die. Elapsed only grows: it is
// the time that the process saw go by, and, for the time between two processes
// and for a machine that slept, what the clock said.
type Mark struct {
	Elapsed time.Duration // since the first start, right to the millisecond
	Wall    time.Time     // what the clock said then
}

// Verdict is what [Mark.Resume] finds.
type Verdict uint8

// The verdicts.
const (
	Going   Verdict = iota // the clock goes on from where it was
	Behind                 // the clock is behind what was seen: MarkTime is counted
	Confirm                // the clock is more than MaxJump ahead: nothing is decided
)

// Later returns the mark after a running time, when the clock says wall. A clock
// that was set back changes nothing, nor one that leapt by more than [MaxJump]
// ([Mark.Leapt]); one that is ahead by less counts, since a machine that slept ran
// no time.
func (m Mark) Later(ran time.Duration, wall time.Time) Mark {
	wall = wall.Round(0)
	ran = max(ran, 0)
	if ahead := wall.Sub(m.Wall); ahead > ran+asleep && !m.Leapt(ran, wall) {
		ran = ahead
	}
	return Mark{m.Elapsed + ran, wall}
}

// Leapt reports whether the clock, if it says wall after a running time, is ahead
// by so much that it is not believed.
func (m Mark) Leapt(ran time.Duration, wall time.Time) bool {
	return wall.Sub(m.Wall) > max(ran+asleep, MaxJump)
}

// Resume returns the mark of a process that starts when the clock says wall; m
// is the last one that is durable, the zero Mark if there is none. At Confirm
// the mark is m, and nothing may be destroyed by it; with confirmed the jump is
// believed.
func (m Mark) Resume(wall time.Time, confirmed bool) (Mark, Verdict) {
	wall = wall.Round(0)
	if m.Wall.IsZero() {
		return Mark{0, wall}, Going
	}
	switch gone := wall.Sub(m.Wall); {
	case gone < 0:
		return Mark{m.Elapsed + MarkTime, wall}, Behind
	case gone > MaxJump && !confirmed:
		return m, Confirm
	default:
		return Mark{m.Elapsed + gone, wall}, Going
	}
}
