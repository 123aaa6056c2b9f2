package clock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
)

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.System{}
		start := c.Now()
		if err := c.Sleep(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := c.Now().Sub(start); got != time.Hour {
			t.Errorf("slept %v, want 1h", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sleep = %v, want the context's error", err)
		}
	})
}

// TestAWallThatLeaps: a wall that somebody sets moves neither the time that has
// gone by nor timers, and comes back.
func TestAWallThatLeaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.Shift(clock.System{}, time.Hour)
		wall, ran := c.Now(), c.Ran()
		c.Leap(720 * time.Hour)
		time.Sleep(time.Minute)
		if got := c.Now().Sub(wall); got != 720*time.Hour+time.Minute {
			t.Errorf("the wall leapt by %v", got)
		}
		if got := c.Ran() - ran; got != time.Minute {
			t.Errorf("%v went by, want a minute", got)
		}
		c.Leap(0)
		c.Advance(time.Hour)
		if now, gone := c.Now().Sub(wall), c.Ran()-ran; now != time.Hour+time.Minute || gone != now {
			t.Errorf("right again: %v on the wall, %v gone by", now, gone)
		}
	})
}

func TestShiftedMovesOnlyNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := clock.System{}
		c := clock.Shift(base, 60*time.Hour)
		c.Advance(time.Hour)
		if got := c.Now().Sub(base.Now()); got != 61*time.Hour {
			t.Errorf("shifted by %v, want 61h", got)
		}
		fired := false
		c.AfterFunc(time.Second, func() { fired = true })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !fired {
			t.Error("a timer waited for the shifted hours")
		}
	})
}
