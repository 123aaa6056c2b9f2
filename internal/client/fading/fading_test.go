package fading_test

import (
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/fading"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestTimeIsWhatWentBy: bob reads a message that stays for an hour. His clock is
// set back, the device is off for a while, and the hour is an hour.
func TestTimeIsWhatWentBy(t *testing.T) {
	clock := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	bob := fading.Open(&wire.TimeRecord{}, clock)
	if _, _, ok := bob.Wait(); ok {
		t.Error("it waits for nothing")
	}
	spot := fading.Spot{Room: ident.RoomID{1}, At: 7}
	dying := &wire.DyingRecord{DiesAt: bob.Begin(spot, clock, time.Hour)}

	due := func(after time.Duration, atLeast time.Duration) bool {
		t.Helper()
		clock = clock.Add(after)
		list := bob.Due(clock, atLeast)
		if len(list) > 0 && !slices.Equal(list, []fading.Spot{spot}) {
			t.Fatalf("due is %v", list)
		}
		return len(list) > 0
	}
	if due(40*time.Minute, 0) {
		t.Error("due after 40 minutes")
	}
	kept := bob.Record()
	if due(-24*time.Hour, 0) {
		t.Error("due with the clock set back")
	}
	if wait, _, _ := bob.Wait(); wait != time.Minute {
		t.Errorf("it looks again after %v, want a minute at most", wait)
	}
	if due(19*time.Minute+59*time.Second, 0) {
		t.Error("due after 59 minutes and 59 seconds")
	}
	wait, then, ok := bob.Wait()
	if !ok || wait != time.Second {
		t.Errorf("it looks again after %v", wait)
	}
	if !due(0, then) { // a timer ran, though the clock stands
		t.Error("not due after an hour")
	}

	// A device that is off: what it kept last was of 40 minutes.
	clock = time.UnixMilli(kept.Wall)
	bob = fading.Open(kept, clock.Add(19*time.Minute))
	bob.Runs(spot, dying)
	if due(19*time.Minute, 0) {
		t.Error("due after 59 minutes with the device off")
	}
	if !due(time.Minute, 0) {
		t.Error("not due after an hour with the device off")
	}
	if !bob.Stop(spot) || bob.Stop(spot) {
		t.Error("it is forgotten once")
	}
	if due(time.Hour, 0) {
		t.Error("what is forgotten is due")
	}
}
