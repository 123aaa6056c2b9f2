package relay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/wire"
)

// barn is a place, as it follows from some code.
var barn = bytes.Repeat([]byte("canary of a barn"), 2)

// said is what stands in a slot of a place.
func said(slot int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("canary in slot %d", slot)), 200)[:2048]
}

// writes posts to the barn.
func writes(slot int, message []byte) *wire.PostLink {
	return &wire.PostLink{Place: barn, Slot: uint32(slot), Message: message}
}

// arrived removes what came to a device from the barn, by slot.
func (d *device) arrived(t *testing.T) (slots []uint32) {
	t.Helper()
	for _, f := range d.link.take(func(f *wire.Frame) bool { return pushed[*wire.LinkArrived](f) != nil }) {
		m := pushed[*wire.LinkArrived](f)
		if !bytes.Equal(m.Place, barn) || !bytes.Equal(m.Message, said(int(m.Slot))) {
			t.Errorf("%s: in slot %d other bytes arrive", d.name, m.Slot)
		}
		slots = append(slots, m.Slot)
	}
	return slots
}

// wantArrived fails the test unless exactly these slots came.
func (d *device) wantArrived(t *testing.T, slots ...uint32) {
	t.Helper()
	if got := d.arrived(t); !slices.Equal(got, slots) {
		t.Fatalf("%s: slots %v arrive, want %v", d.name, got, slots)
	}
}

// meets has an unknown device come to the barn.
func (w *world) meets(name string) *device {
	w.t.Helper()
	d := w.newDevice(name)
	if hello := d.dial(); hello.Features&2 == 0 {
		w.t.Fatal("Hello does not tell of places")
	}
	d.want(&wire.MeetLink{Place: barn}, &wire.Done{})
	return d
}

// TestTwoDevicesMeet: alice's phone, signed in, and her new phone, which is not,
// exchange six messages, with a restart of the relay in between, and mallory
// there too. Nothing of it is written anywhere, ever.
func TestTwoDevicesMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, 1, noBug)
		alice := s.sender()
		status := func() string {
			b, err := json.Marshal(s.relay.Status())
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		before, wasStatus := s.store.Commits(), status()
		alice.want(&wire.OpenLink{Place: barn}, &wire.Done{})
		fresh := s.meets("new phone")
		fresh.want(writes(1, said(1)), &wire.Done{})
		alice.wantArrived(t, 1)
		alice.want(writes(2, said(2)), &wire.Done{})
		fresh.wantArrived(t, 2)
		fresh.want(writes(3, said(3)), &wire.Done{})
		alice.wantArrived(t, 3)
		mallory := s.meets("mallory")
		mallory.wantArrived(t, 2)
		fresh.hangUp()
		mallory.hangUp()
		if n := s.store.Commits() - before; n != 0 {
			t.Errorf("%d commits", n)
		}
		if now := status(); now != wasStatus {
			t.Errorf("the status was %s, is %s", wasStatus, now)
		}

		s.halt()
		s.restart()
		fresh.dial()
		fresh.refused(&wire.MeetLink{Place: barn}, wire.FailureLinkUnknown)
		alice.signIn()
		alice.refused(writes(2, said(2)), wire.FailureLinkUnknown)
		before = s.store.Commits()
		alice.want(&wire.OpenLink{Place: barn}, &wire.Done{})
		alice.want(writes(2, said(2)), &wire.Done{})
		fresh.want(&wire.MeetLink{Place: barn}, &wire.Done{})
		fresh.wantArrived(t, 2)
		for _, slot := range []int{1, 3, 4} {
			fresh.want(writes(slot, said(slot)), &wire.Done{})
		}
		alice.wantArrived(t, 1, 3, 4)
		mallory = s.meets("mallory")
		mallory.refused(writes(1, bytes.Repeat([]byte("canary mallory"), 147)[:2048]), wire.FailureLinkTaken)
		if n := told[*wire.LinkTaken](alice); n != 1 {
			t.Errorf("alice is told %d times", n)
		}
		if told[*wire.LinkTaken](fresh) != 0 {
			t.Error("the new phone is told of mallory")
		}
		alice.want(writes(5, said(5)), &wire.Done{})
		fresh.wantArrived(t, 5)
		fresh.want(writes(6, said(6)), &wire.Done{})
		alice.wantArrived(t, 6)
		// The phone's line goes, and it comes back.
		n := s.store.Commits() - before
		alice.signIn()
		before = s.store.Commits() - n
		alice.want(&wire.OpenLink{Place: barn}, &wire.Done{})
		alice.wantArrived(t, 1, 3, 4, 6)
		if told[*wire.LinkTaken](alice) != 1 {
			t.Error("alice is not told again")
		}
		alice.want(&wire.CloseLink{Place: barn}, &wire.Done{})
		if told[*wire.LinkClosed](fresh) != 1 || told[*wire.LinkClosed](mallory) != 1 {
			t.Error("they are not told that it is closed")
		}
		if n := s.store.Commits() - before; n != 0 {
			t.Errorf("%d commits", n)
		}

		time.Sleep(time.Hour)
		account := alice.chain.ID()
		items, ok := alice.ask(&wire.ReadHeld{}).(*wire.Held)
		if !ok || strings.Contains(fmt.Sprintf("%x", (&wire.Frame{Body: &wire.Response{Body: items}}).Append(nil)), fmt.Sprintf("%x", barn)) {
			t.Error("what is held tells the place")
		}
		s.markers = append(s.markers, "canary of a barn", "canary in slot", "canary mallory", string(account[:]))
		for _, wrong := range s.forensics(t) {
			t.Error(wrong)
		}
		s.stop()
	})
}

// TestAPlaceIsForTheRightSide: what may not come before a sign-in or behind it,
// and what has a wrong length.
func TestAPlaceIsForTheRightSide(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice := w.online("alice")
		fresh := w.newDevice("new phone")
		fresh.dial()
		fresh.refused(&wire.OpenLink{Place: barn}, wire.FailureNotSignedIn)
		fresh.refused(&wire.CloseLink{Place: barn}, wire.FailureNotSignedIn)
		fresh.refused(writes(1, said(1)), wire.FailureLinkUnknown)
		alice.refused(&wire.OpenLink{Place: barn[1:]}, wire.FailureMalformed)
		alice.want(&wire.OpenLink{Place: barn}, &wire.Done{})
		alice.refused(&wire.MeetLink{Place: barn}, wire.FailureMalformed)
		fresh.want(&wire.MeetLink{Place: barn}, &wire.Done{})
		fresh.refused(writes(1, said(1)[:2047]), wire.FailureMalformed)
		fresh.refused(writes(1, append(said(1), 0)), wire.FailureMalformed)
		fresh.refused(writes(2, said(2)), wire.FailureMalformed)
		alice.refused(writes(1, said(1)), wire.FailureMalformed)
		alice.wantArrived(t)
		fresh.wantArrived(t)
		// Bob can do nothing there, and it looks as if it were not.
		bob := w.online("bob")
		elsewhere := bytes.Repeat([]byte{7}, 32)
		for _, ask := range []func(place []byte) wire.RequestBody{
			func(p []byte) wire.RequestBody { return &wire.PostLink{Place: p, Slot: 2, Message: said(2)} },
			func(p []byte) wire.RequestBody { return &wire.CloseLink{Place: p} },
		} {
			if there, not := bob.ask(ask(barn)), bob.ask(ask(elsewhere)); !reflect.DeepEqual(there, not) {
				t.Errorf("%T tells bob what is there: %v, else %v", ask(barn), there, not)
			}
		}
		fresh.want(writes(1, said(1)), &wire.Done{})
		alice.wantArrived(t, 1)
	})
}

// TestAStrangerFloodsPlaces: guessing is limited, and costs nobody else.
func TestAStrangerFloodsPlaces(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, mallory := w.online("alice"), w.newDevice("mallory")
		alice.want(&wire.OpenLink{Place: barn}, &wire.Done{})
		mallory.dial()
		guess := bytes.Clone(barn)
		for i := range 40 { // of 200 things, at five each
			guess[0] = byte(i)
			mallory.refused(&wire.MeetLink{Place: guess}, wire.FailureLinkUnknown)
		}
		got, ok := mallory.ask(&wire.MeetLink{Place: guess}).(*wire.Failure)
		if !ok || got.Code != wire.FailureLimited || got.RetryAfterMs != 500 {
			t.Fatalf("answered %s, %+v", show(got), got)
		}
		mallory.refused(&wire.MeetLink{Place: barn}, wire.FailureLimited)
		fresh := w.meets("new phone")
		fresh.want(writes(1, said(1)), &wire.Done{})
		alice.wantArrived(t, 1)
		time.Sleep(31 * time.Second)
		if got := mallory.link.reason(); got != relay.NotSignedIn {
			t.Errorf("mallory's connection was ended for %v", got)
		}
		for range 15 {
			fresh.want(writes(1, said(1)), &wire.Done{})
		}
		fresh.refused(writes(1, said(1)), wire.FailureLimited)
	})
}

// TestWhoHasMetMayStay for six minutes without a sign-in, and no longer; whoever
// signs in has left.
func TestWhoHasMetMayStay(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice := w.online("alice")
		alice.want(&wire.OpenLink{Place: barn}, &wire.Done{})
		fresh, laptop := w.meets("new phone"), alice.link2("laptop")
		in := laptop.dial()
		laptop.want(&wire.MeetLink{Place: barn}, &wire.Done{})
		time.Sleep(5 * time.Minute)
		if fresh.link.reason() != 0 || laptop.link.reason() != 0 {
			t.Fatal("closed too early")
		}
		alice.want(writes(2, said(2)), &wire.Done{})
		fresh.wantArrived(t, 2)
		laptop.wantArrived(t, 2)
		if _, ok := laptop.ask(laptop.signInRequest(in)).(*wire.SignedIn); !ok {
			t.Fatal("who has met a place can't sign in")
		}
		alice.want(writes(5, said(5)), &wire.Done{})
		fresh.wantArrived(t, 5)
		laptop.wantArrived(t)
		laptop.refused(writes(1, said(1)), wire.FailureMalformed) // it is no stranger any more
		time.Sleep(61 * time.Second)
		if got := fresh.link.reason(); got != relay.NotSignedIn {
			t.Errorf("closed for %v", got)
		}
		if laptop.link.reason() != 0 {
			t.Error("who has signed in is closed")
		}
	})
}

// TestAPlaceRunsOutByRunningTime: six minutes of it, whatever the clock says.
func TestAPlaceRunsOutByRunningTime(t *testing.T) {
	for name, leap := range map[string]time.Duration{"right": 0, "ahead": 48 * time.Hour, "back": -48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			c := clock.Shift(clock.System{}, 0)
			storyWith(t, func(cfg *relay.Config) { cfg.Clock = c }, func(t *testing.T, w *world) {
				alice := w.online("alice")
				alice.want(&wire.OpenLink{Place: barn}, &wire.Done{})
				time.Sleep(time.Minute)
				c.Leap(leap)
				time.Sleep(4*time.Minute + 50*time.Second)
				fresh := w.meets("new phone")
				fresh.want(writes(1, said(1)), &wire.Done{})
				alice.wantArrived(t, 1)
				time.Sleep(16 * time.Second)
				if told[*wire.LinkClosed](fresh) != 1 {
					t.Error("the new phone is not told that nobody waits any more")
				}
				fresh.refused(&wire.MeetLink{Place: barn}, wire.FailureLinkUnknown)
				alice.refused(writes(2, said(2)), wire.FailureLinkUnknown)
			})
		})
	}
}
