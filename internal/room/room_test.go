package room

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

var (
	alice = ident.DeviceID{1}
	bob   = ident.DeviceID{2}
	noon  = time.UnixMilli(1_800_000_000_000)
)

// diary writes effects down.
type diary struct{ lines []string }

func (d *diary) add(format string, args ...any) error {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
	return nil
}
func (d *diary) Assign(e Assign) error { return d.add("assign %d", e.Seq) }
func (d *diary) Hold(e Hold) error     { return d.add("hold %d", e.Seq) }
func (d *diary) Double(e Double) error { return d.add("double %d", e.Seq) }
func (d *diary) Lose(e Lose) error     { return d.add("lose %d-%d", e.Span.From, e.Span.To) }
func (d *diary) Read(e Read) error {
	if e.Seen {
		return d.add("seen %d-%d", e.Span.From, e.Span.To)
	}
	return d.add("read %d-%d", e.Span.From, e.Span.To)
}

func (d *diary) Show(e Show) error {
	if e.Healed {
		return d.add("heal %d", e.Seq)
	}
	return d.add("show %d", e.Seq)
}

// tell applies events and compares the effects.
func tell(t *testing.T, r Room, events []Event, want ...string) Room {
	t.Helper()
	var d diary
	for _, ev := range events {
		next, effects, err := r.Apply(ev)
		if err != nil {
			t.Fatalf("%T: %v", ev, err)
		}
		for _, e := range effects {
			if err := e.Run(&d); err != nil {
				t.Fatal(err)
			}
		}
		r = next
	}
	if !slices.Equal(d.lines, want) {
		t.Fatalf("effects %q, want %q", d.lines, want)
	}
	return r
}

func from(d ident.DeviceID, seqs ...uint64) []Event {
	var out []Event
	for _, s := range seqs {
		out = append(out, Arrive{d, s, noon})
	}
	return out
}

func TestMessagesAreShownInOrder(t *testing.T) {
	r := tell(t, Room{}, from(alice, 1, 3, 4, 3, 2, 1), "show 1", "hold 3", "hold 4", "double 3", "show 2", "show 3", "show 4", "double 1")
	tell(t, r, from(bob, 1), "show 1") // each sender has an order of its own
}

func TestAHoleIsGivenUpAfterAMinuteAndHealed(t *testing.T) {
	r := tell(t, Room{}, from(alice, 1, 4, 6), "show 1", "hold 4", "hold 6")
	if at, ok := r.Due(); !ok || !at.Equal(noon.Add(Patience)) {
		t.Fatalf("due %v, %v", at, ok)
	}
	r = tell(t, r, []Event{GiveUp{Now: noon.Add(Patience - 1)}})
	r = tell(t, r, []Event{GiveUp{Now: noon.Add(Patience)}}, "lose 2-3", "show 4")
	r = tell(t, r, []Event{GiveUp{Now: noon.Add(2 * Patience)}}, "lose 5-5", "show 6")
	if _, ok := r.Due(); ok {
		t.Error("a hole is still due")
	}
	tell(t, r, from(alice, 3, 3, 2, 5, 7), "heal 3", "double 3", "heal 2", "heal 5", "show 7")
}

func TestAGapToldByTheRelayEndsTheWait(t *testing.T) {
	r := tell(t, Room{}, from(alice, 4, 6), "hold 4", "hold 6")
	tell(t, r, []Event{GiveUp{Now: noon, All: true}}, "lose 1-3", "show 4", "lose 5-5", "show 6")
}

func TestTooManyEarlyOnesEndTheWait(t *testing.T) {
	r := Room{}
	for n := uint64(2); n < 2+MaxEarly; n++ {
		r = tell(t, r, from(alice, n), fmt.Sprintf("hold %d", n))
	}
	last := uint64(2 + MaxEarly)
	want := []string{fmt.Sprintf("hold %d", last), "lose 1-1"}
	for n := uint64(2); n <= last; n++ {
		want = append(want, fmt.Sprintf("show %d", n))
	}
	tell(t, r, from(alice, last), want...)
}

func TestALeapBlindsNobody(t *testing.T) {
	tell(t, Room{}, from(alice, 1, 1<<40, 2), "show 1", fmt.Sprintf("show %d", uint64(1)<<40), "show 2")
}

func TestALateJoinerCountsFromWhereItCame(t *testing.T) {
	r := tell(t, Room{}, []Event{Meet{alice, 56}, Arrive{alice, 57, noon}, Meet{alice, 99}, Arrive{alice, 58, noon}}, "show 57", "show 58")
	if got := r.Owed(); !slices.Equal(got, []Receipt{{Device: alice, UpTo: 58}}) {
		t.Errorf("owed %v", got)
	}
}

func TestReceipts(t *testing.T) {
	r := tell(t, Room{}, []Event{Write{}, Write{}, Write{}}, "assign 1", "assign 2", "assign 3")
	r = tell(t, r, []Event{Confirm{bob, 2, 0}, Confirm{bob, 1, 0}, Confirm{bob, 3, 0}}, "read 1-2", "read 3-3")
	if _, _, err := r.Apply(Confirm{bob, 4, 0}); !errors.Is(err, ErrUnsent) {
		t.Errorf("a receipt for the future: %v", err)
	}
	if r.ReadBy(bob) != 3 || r.ReadBy(alice) != 0 {
		t.Errorf("read by bob %d, by alice %d", r.ReadBy(bob), r.ReadBy(alice))
	}
	r = tell(t, r, from(bob, 1, 2), "show 1", "show 2")
	r = tell(t, r, []Event{Told{bob, 1, 0}})
	if got := r.Owed(); !slices.Equal(got, []Receipt{{Device: bob, UpTo: 2}}) {
		t.Errorf("owed %v", got)
	}
	r = tell(t, r, []Event{Told{bob, 9, 0}})
	if got := r.Owed(); len(got) != 0 {
		t.Errorf("owed %v", got)
	}
}

// TestSeen: bob's owner is shown what came later than it came; alice, who wrote
// it, learns both, each once, and nothing of what was not sent.
func TestSeen(t *testing.T) {
	r := tell(t, Room{}, from(alice, 1, 2, 3), "show 1", "show 2", "show 3")
	r = tell(t, r, []Event{Told{alice, 3, 0}})
	if got := r.Owed(); len(got) != 0 {
		t.Errorf("owed %v", got)
	}
	r = tell(t, r, []Event{Look{alice, 2}, Look{alice, 1}, Look{bob, 7}})
	if got := r.Owed(); !slices.Equal(got, []Receipt{{alice, 3, 2}}) {
		t.Errorf("owed %v", got)
	}
	if again, err := FromRecord(r.Record()); err != nil || !slices.Equal(again.Owed(), r.Owed()) {
		t.Errorf("after a restart %v is owed, %v", again.Owed(), err)
	}
	r = tell(t, r, []Event{Look{alice, 9}, Told{alice, 3, 9}}) // not more than came
	if got := r.Owed(); len(got) != 0 {
		t.Errorf("owed %v", got)
	}

	r = tell(t, Room{}, []Event{Write{}, Write{}, Write{}}, "assign 1", "assign 2", "assign 3")
	r = tell(t, r, []Event{Confirm{bob, 3, 2}, Confirm{bob, 1, 1}, Confirm{bob, 0, 3}}, "read 1-3", "seen 1-2", "seen 3-3")
	if _, _, err := r.Apply(Confirm{bob, 3, 4}); !errors.Is(err, ErrUnsent) {
		t.Errorf("the future was seen: %v", err)
	}
	if r.SeenBy(bob) != 3 || r.SeenBy(alice) != 0 {
		t.Errorf("seen by bob up to %d, by alice %d", r.SeenBy(bob), r.SeenBy(alice))
	}
	rec := r.Record()
	if again, err := FromRecord(rec); err != nil || again.SeenBy(bob) != 3 {
		t.Errorf("after a restart: %d, %v", again.SeenBy(bob), err)
	}
}

// TestNobodyLearnsWhatWasHushed: what alice does not know yet of what she was shown to
// have been read is forgotten, that it came is not; what is shown later is told.
func TestNobodyLearnsWhatWasHushed(t *testing.T) {
	r := tell(t, Room{}, from(alice, 1, 2, 3), "show 1", "show 2", "show 3")
	r = tell(t, r, []Event{Look{alice, 1}, Told{alice, 1, 1}, Look{alice, 3}})
	if !r.Unsaid() {
		t.Error("it is told")
	}
	r = tell(t, r, []Event{Hush{}})
	if got := r.Owed(); !slices.Equal(got, []Receipt{{alice, 3, 1}}) || r.Unsaid() {
		t.Errorf("owed %v", got)
	}
	if again, err := FromRecord(r.Record()); err != nil || again.Unsaid() {
		t.Errorf("after a restart: %v", err)
	}
	r = tell(t, r, []Event{Told{alice, 3, 3}}) // it was on its way
	if r = tell(t, r, []Event{Look{alice, 2}}); !r.Unsaid() {
		t.Error("what is shown later is not told")
	}
}

// Whatever the network does, each message is shown once, in order but for those
// that were given up, and a restart at any point changes nothing.
func TestAnyNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 40).Draw(t, "messages")
		r, now := Room{}, noon
		shown := map[uint64]int{}
		var lost, healed uint64
		last := uint64(0)
		apply := func(ev Event) {
			before := string(r.Record().Append(nil))
			next, effects, err := r.Apply(ev)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(r.Record().Append(nil)); got != before {
				t.Fatal("Apply changed its receiver")
			}
			for _, e := range effects {
				switch e := e.(type) {
				case Show:
					shown[e.Seq]++
					if e.Healed {
						healed++
					} else if e.Seq <= last {
						t.Fatalf("%d was shown after %d", e.Seq, last)
					} else {
						last = e.Seq
					}
				case Lose:
					lost += e.Span.Count()
				}
			}
			r = next
			var rec wire.SequenceRecord
			if err := rec.Parse(r.Record().Append(nil)); err != nil {
				t.Fatal(err)
			}
			if r, err = FromRecord(&rec); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(0, 120).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
			if rapid.IntRange(0, 4).Draw(t, "give up") == 0 {
				apply(GiveUp{Now: now, All: rapid.Bool().Draw(t, "all")})
			} else {
				apply(Arrive{alice, rapid.Uint64Range(1, n).Draw(t, "seq"), now})
			}
		}
		for seq := uint64(1); seq <= n; seq++ {
			apply(Arrive{alice, seq, now})
		}
		for seq := uint64(1); seq <= n; seq++ {
			if shown[seq] != 1 {
				t.Fatalf("%d was shown %d times", seq, shown[seq])
			}
		}
		if lost != healed {
			t.Fatalf("%d given up, %d healed", lost, healed)
		}
	})
}
