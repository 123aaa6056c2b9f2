package account

import (
	"strings"
	"testing"
)

// TestANameIsComparedOnce: however it is written, and told once for each name.
func TestANameIsComparedOnce(t *testing.T) {
	_, chain := person(t)
	p := NewPin(chain)
	for _, same := range []string{"alice", "Alice", "ＡＬＩＣＥ", "", "!"} {
		if alarm := p.Called("alice", same); alarm != nil {
			t.Errorf("%q: %s", same, alarm.Text)
		}
	}
	for _, other := range []string{"mallory", "trudy"} {
		alarm := p.Called("alice", other)
		if alarm == nil || !strings.Contains(alarm.Text, other) || !strings.Contains(alarm.Text, "alice") {
			t.Errorf("%s: told %v", other, alarm)
		}
		if alarm := p.Called("alice", other); alarm != nil {
			t.Errorf("%s: told again", other)
		}
	}
}
