package trust

import (
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func TestAnEpochIsBelievedInFor27Days(t *testing.T) {
	for _, x := range []struct {
		away time.Duration
		over bool
	}{{0, false}, {27*day - time.Hour, false}, {27*day - time.Millisecond, false}, {27 * day, true}, {30 * day, true}, {400 * day, true}} {
		if Over(noon, noon.Add(x.away)) != x.over {
			t.Errorf("after %v over is %v", x.away, !x.over)
		}
	}
	if Due(noon, noon.Add(day-1)) || !Due(noon, noon.Add(day)) {
		t.Error("a log is not read once a day")
	}
}

func TestWhoMayBeUnableToFollow(t *testing.T) {
	bob, pc := ident.DeviceID{1}, ident.DeviceID{2}
	others := []ident.DeviceID{bob, pc}
	for _, x := range []struct {
		name string
		m    Members
		deaf time.Duration // from noon on
	}{
		{"both were added at noon", Members{}.Begins(ident.DeviceID{}, noon, others), Follow},
		{"bob made the commit, his PC said nothing", Members{}.Begins(bob, noon, others), Follow},
		{"bob alone, who made the commit", Members{}.Begins(bob, noon, others[:1]), Silent},
		{"bob answered", Members{}.Begins(ident.DeviceID{}, noon.Add(-time.Hour), others[:1]).Hears(bob, noon, true), Silent},
		{"bob answered, and missed the next", Members{}.Begins(bob, noon.Add(-20*day), others[:1]).Begins(ident.DeviceID{}, noon, others[:1]), Follow},
		{"bob followed long ago, and missed the next just now", Members{}.Begins(bob, noon.Add(-22*day), others[:1]).Begins(ident.DeviceID{}, noon, others[:1]), Silent - 22*day},
		{"bob missed two", Members{}.Begins(ident.DeviceID{}, noon, others[:1]).Begins(ident.DeviceID{}, noon.Add(time.Hour), others[:1]), Follow},
		{"what came late from an epoch before shows nothing", Members{}.Begins(ident.DeviceID{}, noon, others[:1]).Hears(bob, noon.Add(time.Hour), false), Follow},
		{"the PC is gone", Members{}.Begins(ident.DeviceID{}, noon.Add(-day), others).Begins(bob, noon, others[:1]), Silent},
		{"a stranger is heard", Members{}.Begins(ident.DeviceID{}, noon, others).Hears(ident.DeviceID{9}, noon, true), Follow},
	} {
		if x.m.Deaf(noon.Add(x.deaf - time.Millisecond)) {
			t.Errorf("%s: too early", x.name)
		}
		if !x.m.Deaf(noon.Add(x.deaf)) {
			t.Errorf("%s: too late", x.name)
		}
	}
	if (Members{}).Deaf(noon.Add(400 * day)) {
		t.Error("nobody is deaf in an empty group")
	}
}

// The bounds hold together: whoever is believed to be there can read the last
// message that is sent to it, at the last moment at which it waits.
func TestTheBoundsFit(t *testing.T) {
	if Silent+Retention+Daily >= Epoch || Follow >= 47*time.Hour || Left < Epoch+Retention {
		t.Error(Silent, Follow, Left)
	}
}
