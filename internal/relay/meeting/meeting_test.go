package meeting_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/relay/meeting"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestSixMessages: alice's phone and her new phone, which nobody knows, say all
// that there is to say.
func TestSixMessages(t *testing.T) {
	h := newHall(t)
	phone, fresh := h.phone(), h.stranger()
	phone.want(open("barn"), "done")
	fresh.want(meet("barn"), "done")
	for slot := 1; slot <= 6; slot++ {
		from, to := fresh, phone
		if slot == 2 || slot == 5 {
			from, to = phone, fresh
		}
		said := fmt.Sprint("message ", slot)
		from.want(post("barn", slot, said), "done")
		from.wantTold()
		to.wantTold(fmt.Sprintf("barn %d %s", slot, said))
	}
	phone.want(shut("barn"), "done")
	fresh.wantTold("barn closed")
	phone.wantTold()
	fresh.want(meet("barn"), "link unknown")
	phone.want(shut("barn"), "done") // again
}

// TestLinesThatBreak: whoever comes back is told again what the other side wrote,
// and writes the same again.
func TestLinesThatBreak(t *testing.T) {
	h := newHall(t)
	phone, fresh := h.phone(), h.stranger()
	phone.want(open("barn"), "done")
	fresh.want(meet("barn"), "done")
	phone.ends()
	fresh.want(post("barn", 1, "hello"), "done")

	phone = h.phone()
	phone.want(open("barn"), "done")
	phone.wantTold("barn 1 hello")
	fresh.ends()
	phone.want(post("barn", 2, "offer"), "done")

	fresh = h.stranger()
	fresh.want(meet("barn"), "done")
	fresh.wantTold("barn 2 offer")
	fresh.want(post("barn", 1, "hello"), "done") // it stands there already
	fresh.want(post("barn", 3, "open"), "done")
	phone.wantTold("barn 3 open")

	// The old line of the phone goes when the new one is there already.
	again := h.phone()
	again.want(open("barn"), "done")
	again.wantTold("barn 1 hello", "barn 3 open")
	phone.ends()
	fresh.want(post("barn", 4, "consent"), "done")
	again.wantTold("barn 4 consent")
	fresh.want(meet("barn"), "done") // on the same line
	fresh.wantTold("barn 2 offer")
}

// TestASecondJoiner: mallory has the code too. Slots are written once; alice's
// phone is told, also if it was away, and her new phone is not.
func TestASecondJoiner(t *testing.T) {
	h := newHall(t)
	phone, fresh, mallory := h.phone(), h.stranger(), h.stranger()
	phone.want(open("barn"), "done")
	fresh.want(meet("barn"), "done")
	mallory.want(meet("barn"), "done")
	fresh.want(post("barn", 1, "hello"), "done")
	phone.wantTold("barn 1 hello")
	phone.ends()
	mallory.want(post("barn", 1, "hello from mallory"), "link taken")
	mallory.want(post("barn", 1, "hello"), "done") // nothing new
	fresh.wantTold()
	mallory.wantTold()
	for range 2 {
		phone = h.phone()
		phone.want(open("barn"), "done")
		phone.wantTold("barn 1 hello", "barn taken")
	}
	for range 3 { // it is told once, however often she tries
		mallory.want(post("barn", 1, "hello from mallory"), "link taken")
	}
	phone.wantTold()
	// The same the other way round: hers is first.
	phone.want(open("shed"), "done")
	fresh.wantTold("barn closed")
	mallory.wantTold("barn closed")
	mallory.want(meet("shed"), "done")
	fresh.want(meet("shed"), "done")
	mallory.want(post("shed", 1, "hello from mallory"), "done")
	fresh.want(post("shed", 1, "hello"), "link taken")
	phone.wantTold("shed 1 hello from mallory", "shed taken")
}

// TestASecondOpener: mallory has the code and an account. She can't stand in the
// phone's stead, and it is told.
func TestASecondOpener(t *testing.T) {
	h := newHall(t)
	phone, mallory, fresh := h.phone(), h.connects("mallory", "m"), h.stranger()
	phone.want(open("barn"), "done")
	fresh.want(meet("barn"), "done")
	mallory.want(open("barn"), "link taken")
	phone.wantTold("barn taken")
	mallory.want(post("barn", 2, "offer from mallory"), "link unknown")
	mallory.want(shut("barn"), "done")
	fresh.wantTold()
	// Nor can another device of alice's.
	h.connects("alice", "tablet").want(open("barn"), "link taken")
	phone.want(post("barn", 2, "offer"), "done")
	fresh.wantTold("barn 2 offer")
}

// TestNobodyIsToldWhoOpened: for whoever did not open it, a place that never was,
// one that was closed, one that ran out and one of somebody else look alike.
func TestNobodyIsToldWhoOpened(t *testing.T) {
	h := newHall(t)
	early := h.connects("alice", "tablet")
	early.want(open("ran out"), "done")
	h.ran += meeting.Lifetime
	phone := h.phone()
	phone.want(open("closed"), "done")
	phone.want(shut("closed"), "done")
	phone.want(open("another's"), "done")
	bob, mallory := h.connects("bob", "phone"), h.stranger()
	mallory.want(meet("another's"), "done") // she has met one, but none of these
	for _, ask := range []struct {
		by    *line
		what  func(place string) wire.RequestBody
		names []string
	}{
		{mallory, func(p string) wire.RequestBody { return meet(p) }, []string{"never was", "closed", "ran out"}},
		{mallory, func(p string) wire.RequestBody { return post(p, 1, "hello") }, []string{"never was", "closed", "ran out"}},
		{bob, func(p string) wire.RequestBody { return post(p, 2, "offer") }, []string{"never was", "closed", "ran out", "another's"}},
		{bob, func(p string) wire.RequestBody { return shut(p) }, []string{"never was", "closed", "ran out", "another's"}},
	} {
		first := ask.by.ask(ask.what(ask.names[0]))
		for _, name := range ask.names {
			if got := ask.by.ask(ask.what(name)); !reflect.DeepEqual(got, first) {
				t.Errorf("%T at a place that %q is answered %v, else %v", ask.what(name), name, got, first)
			}
		}
	}
	if f, ok := mallory.ask(meet("never was")).(*wire.Failure); !ok || f.RetryAfterMs != 0 || f.Code != wire.FailureLinkUnknown {
		t.Errorf("answered %v", f)
	}
	phone.wantTold()
	mallory.want(post("another's", 1, "hello"), "done") // it is still there
}

// TestWhoMayWriteWhat: slots 2 and 5 are of the device that opened the place, the
// others of who met it.
func TestWhoMayWriteWhat(t *testing.T) {
	h := newHall(t)
	phone, fresh := h.phone(), h.stranger()
	phone.want(open("barn"), "done")
	fresh.want(post("barn", 1, "too early"), "link unknown")
	fresh.want(meet("barn"), "done")
	for slot := range 9 {
		mine, theirs := "malformed", "malformed"
		switch slot {
		case 2, 5:
			mine = "done"
		case 1, 3, 4, 6:
			theirs = "done"
		}
		phone.want(post("barn", slot, "x"), mine)
		fresh.want(post("barn", slot, "x"), theirs)
	}
	phone.hears()
	phone.want(post("barn", 2, "y"), "link taken") // its own slot: nobody else is there
	phone.wantTold()
	phone.want(meet("barn"), "malformed")
	fresh.want(open("barn"), "link unknown") // the relay does not let it through
	fresh.want(shut("barn"), "done")
	fresh.want(meet("barn"), "done")
	phone.want(&wire.ReadHeld{}, "nothing")
}

// TestSizesAreExact: a place has 32 bytes, a message 2,048.
func TestSizesAreExact(t *testing.T) {
	h := newHall(t)
	phone, fresh := h.phone(), h.stranger()
	phone.want(open("barn"), "done")
	fresh.want(meet("barn"), "done")
	for _, n := range []int{0, 1, 31, 33, 64} {
		p := make([]byte, n)
		phone.want(&wire.OpenLink{Place: p}, "malformed")
		fresh.want(&wire.MeetLink{Place: p}, "malformed")
		phone.want(&wire.CloseLink{Place: p}, "malformed")
		fresh.want(&wire.PostLink{Place: p, Slot: 1, Message: words("x")}, "malformed")
	}
	for _, n := range []int{0, 1, 2047, 2049, 4096} {
		fresh.want(&wire.PostLink{Place: place("barn"), Slot: 1, Message: make([]byte, n)}, "malformed")
		phone.want(&wire.PostLink{Place: place("barn"), Slot: 2, Message: make([]byte, n)}, "malformed")
	}
	fresh.want(&wire.PostLink{Place: place("barn"), Slot: 1<<32 - 1, Message: words("x")}, "malformed")
	phone.wantTold()
	fresh.wantTold()
}

// TestAPlaceRunsOut six minutes after it was first opened, however often its
// device comes back.
func TestAPlaceRunsOut(t *testing.T) {
	h := newHall(t)
	phone, fresh := h.phone(), h.stranger()
	phone.want(open("barn"), "done")
	fresh.want(meet("barn"), "done")
	for range 5 {
		h.ran += time.Minute
		phone.want(open("barn"), "done")
	}
	h.ran += time.Minute - 1
	h.places.Tick(h.ran)
	fresh.wantTold()
	late := h.stranger()
	late.want(meet("barn"), "done")
	h.ran++
	h.stranger().want(meet("barn"), "link unknown")
	fresh.wantTold("barn closed")
	late.wantTold("barn closed")
	phone.want(post("barn", 2, "offer"), "link unknown")
	fresh.want(post("barn", 1, "hello"), "link unknown")
	// By time alone, too.
	phone.want(open("shed"), "done")
	fresh.want(meet("shed"), "done")
	h.ran += meeting.Lifetime
	h.places.Tick(h.ran)
	fresh.wantTold("shed closed")
	// And it is a new one then.
	phone.want(open("shed"), "done")
	phone.wantTold()
}

// TestNothingStays: what is over is no longer in memory.
func TestNothingStays(t *testing.T) {
	h := newHall(t)
	phone, fresh, mallory := h.phone(), h.stranger(), h.stranger()
	held := func(places, lines int) {
		t.Helper()
		if p, l := h.places.Held(); p != places || l != lines {
			t.Errorf("there are %d places and %d lines, want %d and %d", p, l, places, lines)
		}
	}
	for range 30 { // who asks for what is not there leaves nothing
		mallory.says(meet("guess"))
		mallory.says(post("guess", 1, "x"))
		h.connects("bob", "phone").says(shut("guess"))
		h.connects("bob", "phone").says(post("guess", 2, "x"))
	}
	held(0, 0)
	if h.places.Met(mallory) {
		t.Error("she has met somebody")
	}
	phone.want(open("barn"), "done")
	fresh.want(meet("barn"), "done")
	if !h.places.Met(fresh) || h.places.Met(phone) {
		t.Error("who has met a place is told wrongly")
	}
	held(1, 2)
	phone.ends()
	held(1, 1)
	phone = h.phone()
	phone.want(open("barn"), "done")
	phone = h.phone()
	phone.want(open("barn"), "done") // without the other's end
	held(1, 2)
	fresh.ends()
	fresh.ends()
	held(1, 1)
	phone.want(shut("barn"), "done")
	held(0, 0)
	// A frame that is handled while its connection ends leaves nothing either.
	phone.ends()
	phone.want(open("barn"), "nothing")
	held(0, 0)
	phone = h.phone()
	phone.want(open("barn"), "done")
	fresh.want(meet("barn"), "nothing")
	held(1, 1)
	h.ran += meeting.Lifetime
	h.places.Tick(h.ran)
	held(0, 0)
}
