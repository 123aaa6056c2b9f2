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
