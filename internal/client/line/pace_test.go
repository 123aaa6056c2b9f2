package line

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

type busy time.Duration

func (b busy) Error() string             { return "busy" }
func (b busy) RetryAfter() time.Duration { return time.Duration(b) }

// TestPausesGrowToAMinuteAndHonourTheServer: whoever can't connect comes again
// with pauses that grow, differ, and never pass a minute, unless the server asks
// for more; and no server silences a device for longer than ten minutes.
func TestPausesGrowToAMinuteAndHonourTheServer(t *testing.T) {
	var p Pace
	down := errors.New("down")
	seen := map[time.Duration]bool{}
	for i := range 40 {
		base := min(time.Second<<min(i, 10), time.Minute)
		got := p.Next(0, down)
		if got < base/2 || got > base {
			t.Errorf("pause %d is %v, want %v to %v", i, got, base/2, base)
		}
		seen[got] = true
	}
	if len(seen) < 20 {
		t.Errorf("only %d different pauses: everybody comes at once", len(seen))
	}
	if got := p.Next(2*time.Minute, down); got > time.Second {
		t.Errorf("after a connection that lasted: %v", got)
	}
	for asked, want := range map[time.Duration]time.Duration{
		90 * time.Second: 90 * time.Second, 24 * time.Hour: 10 * time.Minute, 1 << 62: 10 * time.Minute, -1: 0,
	} {
		for _, why := range []error{
			fmt.Errorf("the connection ended: %w", busy(asked)),
			fmt.Errorf("sign in: %w", &RefusedError{RetryAfter: asked}),
		} {
			var fresh Pace
			if got := fresh.Next(0, why); got < want || got > want+want/4+time.Second {
				t.Errorf("asked for %v by %T: %v", asked, errors.Unwrap(why), got)
			}
		}
	}
}
