package testnet_test

import (
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/group"
)

// TestForgedReceiptsEndNothing: a PC of bob's, of a build of its own, says in
// their conversation that it has read what alice never wrote. Alice goes on and
// hears its words, and nothing is taken for delivered to bob's phone before that
// says so. (That a number was never sent is internal/room's to refuse; a receipt
// for another sender's messages is in TestAReceiptIsForItsSenderAlone.)
func TestForgedReceiptsEndNothing(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		me, chain := listedPC(t, bob)
		var last []byte
		alice.Switch.Tap(published(&last))
		m := alice.Says(bob, "did you get it?")
		alice.Syncs()
		time.Sleep(25 * time.Hour)
		alice.Syncs()
		k, err := group.ParseKeyPackage(last)
		if err != nil {
			t.Fatal(err)
		}
		phone, hers := bob.Me().Device, alice.Me().Device
		delivered := func() (to []told.DeviceOutcome) {
			t.Helper()
			got, err := alice.Message(t.Context(), m.ID)
			if err != nil {
				t.Fatal(err)
			}
			return slices.DeleteFunc(got.Devices, func(d told.DeviceOutcome) bool { return !d.Delivered })
		}
		envelopes := thief{me, chain}.begins(t, alice.Me().Account, k, "read by all",
			wire.Received{Device: hers[:], UpTo: 1 << 60}, wire.Received{Device: phone[:], UpTo: 1},
			wire.Received{Device: hers[:], UpTo: 1<<64 - 1}, wire.Received{Device: []byte("short"), UpTo: 1}, wire.Received{UpTo: 1})
		alice.Switch.Tap(pushes(func() [][]byte { return envelopes }))
		alice.Syncs()
		alice.Switch.Tap(nil)
		if got := heard(alice.Took()); !slices.Contains(got, "bob: read by all") {
			t.Fatalf("alice heard %q", got)
		}
		if d := delivered(); len(d) > 0 {
			t.Fatalf("taken for delivered: %+v", d)
		}
		bob.Syncs()
		bob.Says(alice, "yes")
		bob.Syncs()
		alice.Syncs()
		if d := delivered(); len(d) != 1 || d[0].Device != phone {
			t.Errorf("delivered, behind bob's own receipt: %+v", d)
		}
	})
}

// TestAReceiptIsForItsSenderAlone: what alice's phone wrote never comes to bob,
// because mallory, who runs the server, drops it and says that it is stored. Her
// tablet wrote as much, and bob confirms that, in words that go to both. He has
// confirmed nothing of the phone's by them.
func TestAReceiptIsForItsSenderAlone(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		phone, bob := n.Join("alice"), n.Join("bob")
		phone.Says(bob, "hello")
		phone.Syncs()
		bob.Syncs()
		tablet := phone.Adds("alice's tablet")
		tablet.Syncs()
		bob.Says(phone, "hello, both")
		for _, p := range []*testnet.Person{bob, phone, tablet, bob, phone} {
			p.Syncs()
		}
		says := func(text string) told.Message {
			t.Helper()
			m, err := tablet.Send(t.Context(), "bob", text, outbox.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return m
		}

		phone.Switch.Tap(swallows())
		lost := phone.Says(bob, "the barn is on fire") // its second
		phone.Syncs()
		phone.Switch.Tap(nil)
		says("I am up")
		last := says("what is going on?") // the tablet's second
		tablet.Syncs()
		bob.Syncs()
		bob.Says(phone, "nothing")
		for _, p := range []*testnet.Person{bob, tablet, phone} {
			p.Syncs()
		}
		delivered := func(p *testnet.Person, id ident.MessageID) bool {
			t.Helper()
			m, err := p.Message(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(m.Devices, func(d told.DeviceOutcome) bool { return d.Delivered && d.Account == bob.Me().Account })
		}
		if got := heard(phone.Took()); !slices.Contains(got, "bob: nothing") {
			t.Fatalf("the phone heard %q", got)
		}
		if !delivered(tablet, last.ID) {
			t.Error("bob's receipt does not reach the tablet")
		}
		if delivered(phone, lost.ID) {
			t.Error("what never came to bob is taken for delivered: his receipt for the tablet's messages was believed")
		}
	})
}

// TestWhatIsHushedIsNotTold: bob read while nobody was connected, and chose then that
// nobody learns of it: at once, or by reading on in silence, in whichever
// conversation. Alice learns that it came, and no more.
func TestWhatIsHushedIsNotTold(t *testing.T) {
	for what, hush := range map[string]func(t *testing.T, bob *testnet.Person) error{
		"at once": func(t *testing.T, bob *testnet.Person) error { return bob.Hush(t.Context()) },
		"by reading on": func(t *testing.T, bob *testnet.Person) error {
			_, err := bob.Client.Seen(t.Context(), "carol", 0, 1, false)
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			tell(t, quick.Suite, func(t *testing.T, n *testnet.Net) {
				alice, bob, carol := n.Join("alice"), n.Join("bob"), n.Join("carol")
				bob.Seen = true
				must(t, bob.Crash())
				m := alice.Says(bob, "did you see this?")
				carol.Says(bob, "and this?")
				for _, p := range []*testnet.Person{alice, carol, bob} {
					p.Syncs()
				}
				if _, err := bob.Client.Seen(t.Context(), "alice", 0, 1, true); err != nil {
					t.Fatal(err)
				}
				must(t, hush(t, bob))
				must(t, bob.Crash())
				bob.Says(alice, "hello") // what is owed rides with it
				turns(bob, alice)
				got, err := alice.Message(t.Context(), m.ID)
				if err != nil || len(got.Unseen) != 1 || len(got.Devices) != 1 || !got.Devices[0].Delivered {
					t.Errorf("alice learns %+v, %v", got, err)
				}
				if _, err := bob.Client.Seen(t.Context(), "alice", 0, 1, true); err != nil {
					t.Fatal(err)
				}
				bob.Says(alice, "yes, I did")
				turns(bob, alice)
				if got, err := alice.Message(t.Context(), m.ID); err != nil || len(got.Unseen) != 0 {
					t.Errorf("when he tells it again alice learns %+v, %v", got, err)
				}
			})
		})
	}
}

// swallows is a tap of a server that drops what is sent and says that it is
// stored.
func swallows() testnet.Tap {
	dropped := map[uint64]*wire.Sent{}
	return func(up bool, f *wire.Frame) []*wire.Frame {
		switch m := f.Body.(type) {
		case *wire.Request:
			if s, ok := m.Body.(*wire.Send); ok && !s.LiveOnly {
				forged := &wire.Sent{}
				for _, to := range s.Targets {
					forged.Outcomes = append(forged.Outcomes, wire.DeviceOutcome{Device: to.Device, Outcome: wire.OutcomeStored})
				}
				dropped[m.Id] = forged
				m.Body = &wire.ReadEpoch{Handle: make([]byte, 32)}
			}
		case *wire.Response:
			if s := dropped[m.Id]; s != nil {
				m.Body = s
			}
		}
		return []*wire.Frame{f}
	}
}
