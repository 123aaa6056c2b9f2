package alarm

import (
	"strings"
	"testing"
	"time"
)

// TestMalloryCannotShout: a thousand bad envelopes are a few sentences, which
// tell how many they stand for.
func TestMalloryCannotShout(t *testing.T) {
	var r Rate
	now := time.UnixMilli(1_800_000_000_000)
	told := 0
	for range 1000 {
		if _, ok := r.May(now, "x"); ok {
			told++
		}
	}
	if told != most {
		t.Errorf("%d of 1,000 were told at once", told)
	}
	text, ok := r.May(now.Add(pause), "somebody forged a message")
	if !ok || !strings.HasPrefix(text, "somebody forged a message (before it, 984 more") {
		t.Errorf("ten minutes later: %q, %v", text, ok)
	}
	if text, ok := r.May(now.Add(2*pause), "y"); !ok || text != "y" {
		t.Errorf("then %q, %v", text, ok)
	}
}
