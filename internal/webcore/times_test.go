package webcore

import (
	"math"
	"testing"
	"time"
)

// TestAClaimedTimeCanBeShown: mallory's clock tells what no browser can show.
func TestAClaimedTimeCanBeShown(t *testing.T) {
	for claimed, shown := range map[int64]int64{
		1_789_000_000_000:     1_789_000_000_000,
		-1:                    0,
		math.MinInt64:         0,
		8_640_000_000_001_000: farthest,
		math.MaxInt64:         farthest,
	} {
		if got := millis(time.UnixMilli(claimed).UTC()); got != shown {
			t.Errorf("a message of %d is shown at %d, want %d", claimed, got, shown)
		}
	}
	if got := millis(time.Time{}); got != 0 {
		t.Errorf("no time is shown as %d", got)
	}
}
