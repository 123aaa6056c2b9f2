package testnet_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/testnet"
)

const day = 24 * time.Hour

// acquainted has alice and bob hear each other, so that both follow their group.
func acquainted(t *testing.T, n *testnet.Net) (alice, bob *testnet.Person) {
	t.Helper()
	alice, bob = n.Join("alice"), n.Join("bob")
	alice.Says(bob, "hello")
	alice.Syncs()
	bob.Syncs()
	bob.Says(alice, "hi")
	bob.Syncs()
	alice.Syncs()
	hears(t, alice, "bob: hi")
	hears(t, bob, "alice: hello")
	return alice, bob
}

// ledger is what alice was told of her messages while bob was away, and what
// became of them at bob's.
type ledger struct {
	stored  map[string]bool
	texts   map[string]ident.MessageID
	read    map[string]int
	missing uint64 // counted in the conversation
	expired uint64 // told by the server
	said    []string
}

// writes has alice write, and notes what she is told.
func (l *ledger) writes(t *testing.T, alice, bob *testnet.Person, text string) {
	t.Helper()
	m := alice.Says(bob, text)
	l.texts[text] = m.ID
	alice.Syncs()
	l.asks(t, alice)
}

// asks notes which messages the server answers for by now.
func (l *ledger) asks(t *testing.T, alice *testnet.Person) {
	t.Helper()
	for text, id := range l.texts {
		m, err := alice.Message(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if told.Confirmed(m) {
			l.stored[text] = true
		}
	}
}

// takes notes what bob is told.
func (l *ledger) takes(bob *testnet.Person) {
	for _, ev := range bob.Took() {
		switch ev := ev.(type) {
		case told.MessageRead:
			l.read[ev.Message.Text]++
		case told.Expired:
			switch {
			case ev.Healed:
				l.missing--
			case ev.Room == (ident.RoomID{}):
				l.expired += ev.Count
			default:
				l.missing += ev.Count
			}
		case told.Problem:
			l.said = append(l.said, ev.Text)
		}
	}
}

func newLedger() *ledger {
	return &ledger{stored: map[string]bool{}, texts: map[string]ident.MessageID{}, read: map[string]int{}}
}

// meet has both come until nothing more happens.
func meet(people ...*testnet.Person) {
	for range 4 {
		for _, p := range people {
			p.Syncs()
		}
		time.Sleep(2 * time.Minute)
	}
}

// TestAliceWritesToBobWhoIsAwayForLong: day by day for 40 days, and for 400.
// What alice was told to be stored is read or counted as missing, nothing else is
// missing, and what she could not send waits and is read.
func TestAliceWritesToBobWhoIsAwayForLong(t *testing.T) {
	for _, days := range []int{5, 40, 400} {
		t.Run(fmt.Sprint(days, " days"), func(t *testing.T) {
			if days > 40 && os.Getenv("BYRE_LONG") == "" {
				t.Skip("a simulated year takes two minutes: BYRE_LONG=1 runs it")
			}
			suite := suites[0]
			if days > 5 {
				suite = suites[1] // the faster one
			}
			tell(t, suite, func(t *testing.T, n *testnet.Net) {
				alice, bob := acquainted(t, n)
				l := newLedger()
				every := max(1, days/40)
				for d := 0; d < days; d += every {
					time.Sleep(time.Duration(every)*day + time.Hour)
					l.writes(t, alice, bob, fmt.Sprint("day ", d))
				}
				waits := len(l.texts) - len(l.stored)
				if days > 40 && waits == 0 {
					t.Error("everything was stored for somebody who was away for 400 days")
				}
				if told := heard(alice.Took()); waits > 0 && !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "waits until bob connects") }) {
					t.Errorf("alice was told %q", told)
				}
				bob.Syncs()
				if l.takes(bob); days == 5 && (len(l.read) != 3 || l.missing != 2 || l.expired == 0) {
					t.Errorf("as soon as bob is back he is told %+v", l)
				}
				meet(alice, bob)
				alice.Says(bob, "there you are")
				meet(alice, bob)
				l.takes(bob)
				l.asks(t, alice)
				for text := range l.texts {
					if l.read[text] > 1 || l.read[text] == 0 && !l.stored[text] {
						t.Errorf("%q was read %d times", text, l.read[text])
					}
				}
				if got := uint64(len(l.texts)+1-len(l.read)) - l.missing; got != 0 || l.read["there you are"] != 1 {
					t.Errorf("bob read %d of %d messages, %d are counted as missing", len(l.read), len(l.texts)+1, l.missing)
				}
				if young := len(l.read); days < 40 && young < 3 {
					t.Errorf("bob read %d messages: those of the last days are there", young)
				}
				if left, err := alice.Outbox(t.Context()); err != nil || len(left) > 0 {
					t.Errorf("alice still waits for %+v, %v", left, err)
				}
				bob.Says(alice, "here I am")
				meet(bob, alice)
				if got := heard(alice.Took()); !slices.Contains(got, "bob: here I am") {
					t.Errorf("alice heard %q", got)
				}
			})
		})
	}
}

// TestHowLongAnEpochIsBelieved: alice and bob know each other's last epoch, then
// bob is away. An hour before he is back she writes: he reads it, or it waits at
// her and she is told so. Once she was there every day, once she was away too.
func TestHowLongAnEpochIsBelieved(t *testing.T) {
	t.Parallel()
	for _, away := range []time.Duration{19 * day, 23*day + 12*time.Hour, 27*day - time.Hour, 27 * day, 30 * day, 31 * day} {
		for _, alone := range []bool{false, true} {
			if alone && away != 27*day {
				continue
			}
			t.Run(fmt.Sprint(away, " alone ", alone), func(t *testing.T) {
				t.Parallel()
				tell(t, suites[1], func(t *testing.T, n *testnet.Net) {
					alice, bob := acquainted(t, n)
					began := time.Now()
					for alone && time.Since(began)+day < away-time.Hour {
						time.Sleep(day)
						alice.Syncs()
					}
					time.Sleep(away - time.Hour - time.Since(began))
					l := newLedger()
					l.writes(t, alice, bob, "before you are back")
					time.Sleep(time.Hour)
					waits := len(l.stored) == 0
					if want := away > 30*day; waits != want {
						t.Errorf("alice's message waits: %v", waits)
					}
					bob.Syncs()
					l.takes(bob)
					if !waits && l.read["before you are back"] != 1 {
						t.Errorf("it was stored, and bob was told %+v", l)
					}
					if over := slices.ContainsFunc(l.said, func(s string) bool { return strings.Contains(s, "away for too long") }); over != (away >= 27*day) {
						t.Errorf("the epoch is over: %v; bob was told %q", over, l.said)
					}
					meet(alice, bob)
					l.takes(bob)
					if l.read["before you are back"] != 1 || l.missing+l.expired != 0 {
						t.Errorf("bob was told %+v", l)
					}
					bob.Says(alice, "I am back")
					meet(bob, alice)
					if got := heard(alice.Took()); !slices.Contains(got, "bob: I am back") {
						t.Errorf("alice heard %q", got)
					}
				})
			})
		}
	}
}
