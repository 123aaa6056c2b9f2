package calm_test

import (
	"testing"

	"github.com/byre-messenger/byre/internal/relay/calm"
)

// TestARushIsFollowedByOneRest: memory is given back once behind each rush, and
// neither in it nor without one.
func TestARushIsFollowedByOneRest(t *testing.T) {
	var c calm.Watch
	for i, look := range []struct {
		opened uint64
		rests  bool
	}{
		{0, false},
		{50, false},    // a few
		{700, false},   // it begins
		{1_400, false}, // and goes on
		{1_450, true},  // and is over
		{1_450, false}, // once
		{1_520, false},
		{2_449, false}, // another has begun
		{2_450, true},
		{2_550, false},
	} {
		if got := c.Look(look.opened); got != look.rests {
			t.Errorf("look %d, at %d sessions: %t, want %t", i, look.opened, got, look.rests)
		}
	}
}
