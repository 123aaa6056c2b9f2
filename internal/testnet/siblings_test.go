package testnet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// has fails unless a device has a value in common with the others.
func has(t *testing.T, p *testnet.Person, name, want string) {
	t.Helper()
	if got, err := p.Shared(t.Context(), name); err != nil || string(got) != want {
		t.Errorf("%s has %s %q, %v; want %q", p.Name, name, got, err, want)
	}
}

// keeps has a device keep a value for all.
func keeps(t *testing.T, p *testnet.Person, name, value string) {
	t.Helper()
	must(t, p.Share(t.Context(), name, []byte(value)))
}

// called are the names of an account's devices as one of them knows them.
func called(t *testing.T, p *testnet.Person) map[ident.DeviceID]string {
	t.Helper()
	devices, err := p.Devices(t.Context())
	must(t, err)
	out := map[ident.DeviceID]string{}
	for _, d := range devices {
		out[d.ID] = d.Name
	}
	return out
}

// TestWhatIsTheAccountsIsOnAllItsDevices: what alice chose, compared and named on
// her phone before she had a PC and after, and what she half wrote, is on her PC,
// and the other way round; nothing of it shows as a conversation or an event.
func TestWhatIsTheAccountsIsOnAllItsDevices(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		phone, bob := n.Join("alice"), n.Join("bob")
		if _, err := phone.AddFriend(t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
		s, err := phone.Safety(t.Context(), "bob")
		must(t, err)
		must(t, phone.ConfirmSafety(t.Context(), "bob", s.Number))
		must(t, phone.AskFirst(t.Context(), true))
		keeps(t, phone, "draft bob", "see you")
		phone.Syncs()
		pc := phone.Adds("alice's PC")
		pc.Syncs()
		must(t, phone.NameDevice(t.Context(), pc.Me().Device, "the PC"))
		turns(phone, pc)
		has(t, pc, "draft bob", "see you")
		if _, ask, err := pc.Requests(t.Context()); err != nil || !ask {
			t.Errorf("strangers need not ask at the PC: %v", err)
		}
		if got := called(t, pc)[pc.Me().Device]; got != "the PC" {
			t.Errorf("the PC is called %q", got)
		}
		if f, err := pc.AddFriend(t.Context(), "bob"); err != nil || !f.Confirmed {
			t.Errorf("bob's number is not confirmed at the PC: %+v, %v", f, err)
		}
		keeps(t, pc, "draft bob", "see you at nine")
		must(t, pc.AskFirst(t.Context(), false))
		turns(pc, phone)
		has(t, phone, "draft bob", "see you at nine")
		if _, ask, err := phone.Requests(t.Context()); err != nil || ask {
			t.Errorf("strangers still ask at the phone: %v", err)
		}
		for _, p := range []*testnet.Person{phone, pc} {
			must(t, p.Crash())
			has(t, p, "draft bob", "see you at nine")
			if rooms, err := p.Rooms(t.Context()); err != nil || len(rooms) > 0 {
				t.Errorf("%s has the conversations %+v, %v", p.Name, rooms, err)
			}
			if got := p.Took(); len(got) > 0 {
				t.Errorf("%s was told %+v", p.Name, got)
			}
		}
		bob.Syncs()
		if got := bob.Took(); len(got) > 0 {
			t.Errorf("bob was told %+v", got)
		}
	})
}

// TestWhatWasReadOnOneIsReadOnAll, whether it is there already or comes later.
func TestWhatWasReadOnOneIsReadOnAll(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		phone, bob := n.Join("alice"), n.Join("bob")
		pc := phone.Adds("alice's PC")
		pc.Syncs()
		bob.Says(phone, "hello")
		turns(bob, phone)
		pc.Syncs()
		bob.Says(phone, "are you there?")
		turns(bob, phone)
		seen := func(p *testnet.Person) (out string) {
			list, err := p.History(t.Context(), "bob", time.Time{})
			must(t, err)
			for _, m := range list {
				out += fmt.Sprintf("%s: %v; ", m.Text, m.Seen)
			}
			return out
		}
		if got := seen(phone); got != "hello: false; are you there?: false; " {
			t.Errorf("nobody read, and the phone has %s", got)
		}
		_, err := phone.Client.Seen(t.Context(), "bob", 0, 2, true)
		must(t, err)
		turns(phone, pc)
		if got := seen(pc); got != "hello: true; are you there?: true; " {
			t.Errorf("she read on her phone, and the PC has %s", got)
		}
		bob.Says(phone, "and now?")
		turns(bob, pc)
		if got := seen(pc); got != "hello: true; are you there?: true; and now?: false; " {
			t.Errorf("the PC has %s", got)
		}
		must(t, pc.MarkRead(t.Context(), "bob"))
		turns(pc, phone)
		if got := seen(phone); got != "hello: true; are you there?: true; and now?: true; " {
			t.Errorf("she read on her PC, and the phone has %s", got)
		}
	})
}

// TestWhatWasReadElsewhereDisappears: a message that stays for an hour once it was
// read goes on both devices when alice has read it on one.
func TestWhatWasReadElsewhereDisappears(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		phone, bob := n.Join("alice"), n.Join("bob")
		pc := phone.Adds("alice's PC")
		pc.Syncs()
		bob.Says(phone, "hello")
		turns(bob, phone)
		must(t, bob.Disappear(t.Context(), "alice", time.Hour))
		m := bob.Says(phone, "the code is 1234")
		turns(bob, phone)
		pc.Syncs()
		must(t, phone.MarkRead(t.Context(), "bob"))
		turns(phone, pc)
		time.Sleep(2 * time.Hour)
		for _, p := range []*testnet.Person{phone, pc} {
			if got, err := p.Message(t.Context(), m.ID); err == nil && !got.Deleted {
				t.Errorf("%s still has %q", p.Name, got.Text)
			}
		}
	})
}

// TestAPCThatWasAwayForFiveDays has what the phone did meanwhile, and the phone
// what was done on the PC before it could tell.
func TestAPCThatWasAwayForFiveDays(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		phone := n.Join("alice")
		pc := phone.Adds("alice's PC")
		pc.Syncs()
		keeps(t, phone, "pinned bob", "1")
		turns(phone, pc)
		keeps(t, pc, "draft carol", "written in the train")
		for day := range 5 {
			keeps(t, phone, fmt.Sprint("day ", day), "done")
			keeps(t, phone, "today", fmt.Sprint(day))
			phone.Syncs()
			time.Sleep(24 * time.Hour)
		}
		for range 2 { // it asks, and is answered
			turns(pc, phone)
		}
		pc.Syncs()
		for _, p := range []*testnet.Person{phone, pc} {
			for day := range 5 {
				has(t, p, fmt.Sprint("day ", day), "done")
			}
			has(t, p, "today", "4")
			has(t, p, "pinned bob", "1")
			has(t, p, "draft carol", "written in the train")
		}
	})
}

// TestTwoDevicesChangeTheSame while neither is connected: both have what was
// changed later.
func TestTwoDevicesChangeTheSame(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		phone := n.Join("alice")
		pc := phone.Adds("alice's PC")
		turns(pc, phone)
		keeps(t, phone, "draft bob", "on the phone")
		keeps(t, phone, "pinned bob", "1")
		time.Sleep(time.Minute)
		keeps(t, pc, "draft bob", "on the PC")
		keeps(t, pc, "muted bob", "1")
		for range 2 {
			turns(phone, pc)
		}
		for _, p := range []*testnet.Person{phone, pc} {
			has(t, p, "draft bob", "on the PC")
			has(t, p, "pinned bob", "1")
			has(t, p, "muted bob", "1")
		}
	})
}

// TestARemovedDeviceLearnsNothingMore: the lost PC is no target of what the phone
// tells, and no member of the group in which the phone tells the tablet; what the
// PC alone had told the phone, the tablet learns of the phone.
func TestARemovedDeviceLearnsNothingMore(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		phone := n.Join("alice")
		pc, tablet := phone.Adds("alice's PC"), phone.Adds("alice's tablet")
		turns(pc, tablet)
		keeps(t, phone, "before", "1")
		phone.Syncs()
		turns(pc, tablet)
		has(t, pc, "before", "1")
		keeps(t, pc, "of the PC", "kept")
		turns(pc, phone)
		has(t, phone, "of the PC", "kept")
		tablet.Switch.Tap(spoils) // what the PC said does not reach it
		tablet.Syncs()
		tablet.Switch.Tap(nil)
		has(t, tablet, "of the PC", "")
		must(t, phone.RemoveDevice(t.Context(), pc.Me().Device))
		lost, targets := pc.Me().Device, 0
		phone.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Request); ok && up {
				if s, ok := r.Body.(*wire.Send); ok {
					for _, to := range s.Targets {
						if targets++; string(to.Device) == string(lost[:]) {
							t.Error("the removed PC is a target")
						}
					}
				}
			}
			return []*wire.Frame{f}
		})
		keeps(t, phone, "after", "1")
		turns(phone, tablet)
		if targets == 0 {
			t.Error("the phone told nobody")
		}
		has(t, tablet, "after", "1")
		has(t, tablet, "before", "1")
		has(t, tablet, "of the PC", "kept")
	})
}

// spoils is a tap of a server that gives out junk.
func spoils(up bool, f *wire.Frame) []*wire.Frame {
	if p, ok := f.Body.(*wire.Push); ok && !up {
		if d, ok := p.Body.(*wire.Deliver); ok {
			d.Envelope = make([]byte, len(d.Envelope))
		}
	}
	return []*wire.Frame{f}
}

// TestPhoneAndPCInTurn: alice writes with bob on phone and PC in turn, reads on
// one or the other, and leaves drafts; both have the same.
func TestPhoneAndPCInTurn(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		phone, bob := n.Join("alice"), n.Join("bob")
		pc := phone.Adds("alice's PC")
		pc.Syncs()
		for i := range 6 {
			here, there := phone, pc
			if i%2 == 1 {
				here, there = pc, phone
			}
			if _, err := here.Send(t.Context(), "bob", fmt.Sprint("question ", i), outbox.Options{}); err != nil {
				t.Fatal(err)
			}
			turns(here, bob)
			bob.Says(phone, fmt.Sprint("answer ", i))
			turns(bob, here)
			must(t, here.MarkRead(t.Context(), "bob"))
			keeps(t, here, "draft bob", fmt.Sprint("question ", i+1))
			turns(here, there)
			here.Syncs()
		}
		said := func(p *testnet.Person) (out string) {
			list, err := p.History(t.Context(), "bob", time.Time{})
			must(t, err)
			for _, m := range list {
				out += fmt.Sprintf("%s: %s, %v\n", m.FromName, m.Text, m.Seen)
			}
			return out
		}
		if a, b := said(phone), said(pc); a != b {
			t.Errorf("the phone has\n%sthe PC has\n%s", a, b)
		}
		has(t, phone, "draft bob", "question 6")
		has(t, pc, "draft bob", "question 6")
	})
}
