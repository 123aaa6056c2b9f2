package relay_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/wire"
)

const day = 24 * time.Hour

// onClock is a story whose relay reads a clock that the test moves.
func onClock(t *testing.T, fn func(t *testing.T, w *world, c *clock.Shifted)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := clock.Shift(clock.System{}, 0)
		w := newWorld(t, func(cfg *relay.Config) { cfg.Clock = c })
		fn(t, w, c)
		w.stop()
	})
}

// away lets bob go away with two envelopes waiting for him, epoch 1 with an
// entry, and epoch 2 over: its entry came 73 hours before.
func (w *world) away(t *testing.T) (alice, bob *device) {
	t.Helper()
	alice, bob = w.online("alice"), w.person("bob")
	bob.signIn()
	bob.hangUp()
	if _, ok := alice.ask(appends(2, 0, "long ago")).(*wire.EpochAppended); !ok {
		t.Fatal("not appended")
	}
	time.Sleep(73 * time.Hour)
	alice.want(readEpoch(2), &wire.EpochLog{Over: true})
	if _, ok := alice.ask(appends(1, 0, "a commit")).(*wire.EpochAppended); !ok {
		t.Fatal("not appended")
	}
	alice.sends(message("one", bob), wire.OutcomeStored)
	alice.sends(message("two", bob), wire.OutcomeStored)
	return alice, bob
}

// allThere fails unless everything of away is as it was.
func (w *world) allThere(t *testing.T, alice, bob *device) {
	t.Helper()
	if alice.session == nil {
		alice.signIn()
	}
	alice.want(readEpoch(1), &wire.EpochLog{Entries: [][]byte{envelope("a commit")}})
	alice.want(readEpoch(2), &wire.EpochLog{Over: true})
	if in := bob.signIn(); in.Waiting != 2 || in.Gap != nil {
		t.Errorf("bob has %d waiting, and the gap %+v", in.Waiting, in.Gap)
	}
	var words []string
	for _, d := range bob.deliveries() {
		words = append(words, text(d.Envelope))
	}
	if !slices.Equal(words, []string{"one", "two"}) {
		t.Errorf("bob reads %q", words)
	}
	bob.hangUp()
}

// TestALeapDestroysNothing: the clock of a relay leaps while it runs, for so short
// that nobody noticed or until it is killed and started again, and comes back. All
// that waits is there, a used epoch is still over, and an open one open.
func TestALeapDestroysNothing(t *testing.T) {
	restart := func(w *world) { w.crash() }
	for name, leap := range map[string]time.Duration{
		"a month ahead": 30 * day, "eight days ahead": 8 * day, "half a century ahead": 50 * 365 * day, "a month back": -30 * day,
	} {
		for when, during := range map[string]func(w *world){"it runs": func(*world) {}, "it is killed": restart, "it is killed twice": func(w *world) { w.crash(); time.Sleep(time.Hour); w.crash() }} {
			t.Run(name+", and "+when, func(t *testing.T) {
				onClock(t, func(t *testing.T, w *world, c *clock.Shifted) {
					alice, bob := w.away(t)
					c.Leap(leap)
					time.Sleep(2 * time.Minute)
					during(w)
					time.Sleep(2 * time.Hour)
					w.allThere(t, alice, bob)
					c.Leap(0)
					time.Sleep(2 * time.Minute)
					w.allThere(t, alice, bob)
					w.crash()
					w.allThere(t, alice, bob)
					if leap > 0 && !strings.Contains(w.log.String(), "leapt") {
						t.Error("the operator is not told that the clock leapt")
					}
				})
			})
		}
	}
}

// TestTrueTimeDestroys: what waited for 72 hours is dropped, and its receiver told,
// also where the wall leapt at the beginning and stays wrong, where the machine was
// off for days, and where it slept.
func TestTrueTimeDestroys(t *testing.T) {
	for name, pass := range map[string]func(w *world, c *clock.Shifted){
		"it runs":               func(*world, *clock.Shifted) { time.Sleep(3 * day) },
		"a month ahead":         func(_ *world, c *clock.Shifted) { c.Leap(30 * day); time.Sleep(3 * day) },
		"a month back":          func(_ *world, c *clock.Shifted) { c.Leap(-30 * day); time.Sleep(3 * day) },
		"off for three days":    func(w *world, _ *clock.Shifted) { w.halt(); time.Sleep(3 * day); w.start() },
		"off for six days":      func(w *world, _ *clock.Shifted) { w.halt(); time.Sleep(6 * day); w.start() },
		"asleep for three days": func(_ *world, c *clock.Shifted) { c.Leap(3 * day); time.Sleep(10 * time.Second) },
		"off for a month, which is confirmed": func(w *world, _ *clock.Shifted) {
			w.halt()
			time.Sleep(30 * day)
			w.confirmed = true
			w.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			onClock(t, func(t *testing.T, w *world, c *clock.Shifted) {
				alice, bob := w.away(t)
				pass(w, c)
				if alice.session == nil {
					alice.signIn()
				}
				alice.want(readEpoch(1), &wire.EpochLog{Over: true})
				if in := bob.signIn(); in.Waiting != 0 || in.Gap == nil || in.Gap.Count != 2 {
					t.Errorf("bob has %d waiting, and the gap %+v", in.Waiting, in.Gap)
				}
			})
		})
	}
}

// TestAUsedEpochIsOverFor30Days, by the same time: a leap does not end that, and
// it does end, a day later for each start with a clock that leapt.
func TestAUsedEpochIsOverFor30Days(t *testing.T) {
	onClock(t, func(t *testing.T, w *world, c *clock.Shifted) {
		alice, _ := w.away(t)
		c.Leap(60 * day)
		time.Sleep(13 * day)
		w.crash()
		c.Leap(0)
		time.Sleep(13 * day)
		alice.signIn()
		alice.want(readEpoch(2), &wire.EpochLog{Over: true})
		time.Sleep(3 * day)
		alice.want(readEpoch(2), &wire.EpochLog{})
	})
}
