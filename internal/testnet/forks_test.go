package testnet_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// keeping is a tap that keeps what a device appends to its chain, and lets the
// server answer with the chain as it stands.
func keeping(into *[]wire.SignedEntry) testnet.Tap {
	return func(up bool, f *wire.Frame) []*wire.Frame {
		r, ok := f.Body.(*wire.Request)
		if !ok || !up {
			return []*wire.Frame{f}
		}
		a, ok := r.Body.(*wire.AppendChain)
		if !ok {
			return []*wire.Frame{f}
		}
		*into = append(*into, a.Entries...)
		return []*wire.Frame{{Body: &wire.Request{Id: r.Id, Body: &wire.ReadChain{Account: a.Account}}}}
	}
}

// The server keeps a step of a device that bob removes, and shows it to alice
// later: she is told, and writes only to whom both lists name.
func TestAForkedDeviceListAdmitsNobody(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, phone := n.Join("alice"), n.Join("bob")
		pc, tablet := phone.Adds("bob's PC"), phone.Adds("bob's tablet")
		pc.Syncs()
		tablet.Syncs()
		m := alice.Says(phone, "to all three")
		alice.Syncs()
		if m, _ := alice.Message(t.Context(), m.ID); len(m.Devices) != 3 {
			t.Fatalf("alice's message has outcomes %+v", m.Devices)
		}
		var kept []wire.SignedEntry
		pc.Switch.Tap(keeping(&kept))
		if err := pc.RemoveDevice(t.Context(), tablet.Me().Device); err == nil || len(kept) != 1 {
			t.Fatalf("%d steps were kept, %v", len(kept), err)
		}
		if err := phone.RemoveDevice(t.Context(), pc.Me().Device); err != nil {
			t.Fatal(err)
		}
		m = alice.Says(phone, "to the phone and the tablet")
		alice.Syncs()
		if m, _ := alice.Message(t.Context(), m.ID); len(m.Devices) != 2 {
			t.Fatalf("alice's message has outcomes %+v", m.Devices)
		}
		alice.Took()

		account := phone.Me().Account
		alice.Switch.Tap(answering(func(b wire.ResponseBody) wire.ResponseBody {
			if a, ok := b.(*wire.Account); ok && bytes.Equal(a.Account, account[:]) {
				a.Chain.Entries = append(slices.Clone(a.Chain.Entries[:3]), kept...)
			}
			return b
		}))
		m = alice.Says(phone, "to the phone alone")
		alice.Syncs()
		got := heard(alice.Took())
		if len(got) != 1 || !strings.HasPrefix(got[0], "key changed: two device lists of bob") {
			t.Errorf("alice was told %q", got)
		}
		// The honest chain does not bring the others back, and a restart neither.
		alice.Switch.Tap(nil)
		if err := alice.Crash(); err != nil {
			t.Fatal(err)
		}
		again := alice.Says(phone, "still to the phone alone")
		alice.Syncs()
		for _, id := range []told.Message{m, again} {
			if m, _ := alice.Message(t.Context(), id.ID); !told.Confirmed(m) || len(m.Devices) != 1 || m.Devices[0].Device != phone.Me().Device {
				t.Errorf("alice's message has outcomes %+v", m.Devices)
			}
		}
		if f, err := alice.Friends(t.Context()); err != nil || len(f) != 1 || !f[0].Alarmed || f[0].Devices != 1 {
			t.Errorf("friends %+v, %v", f, err)
		}
		if got := heard(alice.Took()); len(got) != 0 {
			t.Errorf("alice was told %q again", got)
		}
		// Bob's phone learns of it by the commit that took the tablet out.
		phone.Syncs()
		of := func(s string) bool { return strings.HasPrefix(s, "key changed: two device lists of your own account") }
		if got = heard(phone.Took()); !slices.ContainsFunc(got, of) {
			t.Errorf("bob was told %q", got)
		}
		if got = slices.DeleteFunc(got, of); !slices.Equal(got, []string{"alice: to all three", "alice: to the phone and the tablet", "alice: to the phone alone", "alice: still to the phone alone"}) {
			t.Errorf("bob heard %q", got)
		}
	})
}

// A step whose answer is lost is offered again as the same bytes: another one in
// its place would be a fork of the owner's own making.
func TestAStepIsOfferedAgainByteForByte(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		phone := n.Join("bob")
		pc, tablet := phone.Adds("bob's PC"), phone.Adds("bob's tablet")
		var kept []wire.SignedEntry
		phone.Switch.Tap(keeping(&kept))
		if err := phone.RemoveDevice(t.Context(), pc.Me().Device); err == nil {
			t.Fatal("the server took nothing, and bob was not told")
		}
		if err := phone.Crash(); err != nil {
			t.Fatal(err)
		}
		// Bob wants something else first: what he had signed goes before it.
		if err := phone.RemoveDevice(t.Context(), tablet.Me().Device); err == nil {
			t.Fatal("the server took nothing, and bob was not told")
		}
		phone.Switch.Tap(nil)
		if err := phone.RemoveDevice(t.Context(), tablet.Me().Device); err != nil {
			t.Fatal(err)
		}
		if len(kept) < 2 { // at the next connection too, before anything is asked for
			t.Errorf("%d steps were offered", len(kept))
		}
		for _, again := range kept {
			if !bytes.Equal(kept[0].Entry, again.Entry) || !bytes.Equal(kept[0].Signature, again.Signature) {
				t.Error("the steps that were offered are not the same")
			}
		}
		if d, err := phone.Devices(t.Context()); err != nil || len(d) != 1 || !d[0].This {
			t.Errorf("devices %+v, %v", d, err)
		}
	})
}

// A server that came back from an old copy would refuse a step whose parent it
// lacks, for good: at a connection the chain is read, and mended, before the step
// of earlier is offered, and it is offered once.
func TestAStepOfEarlierIsOfferedBehindTheChain(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		phone := n.Join("bob")
		pc := phone.Adds("bob's PC")
		var kept []wire.SignedEntry
		phone.Switch.Tap(keeping(&kept))
		if err := phone.RemoveDevice(t.Context(), pc.Me().Device); err == nil || len(kept) != 1 {
			t.Fatalf("%d steps were offered, %v", len(kept), err)
		}
		if err := phone.Crash(); err != nil {
			t.Fatal(err)
		}
		var asked []string
		phone.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Request); ok && up {
				switch body := r.Body.(type) {
				case *wire.ReadChain:
					asked = append(asked, "reads")
				case *wire.AppendChain:
					asked = append(asked, "offers")
					if len(body.Entries) != 1 || !bytes.Equal(body.Entries[0].Entry, kept[0].Entry) {
						t.Error("another step is offered")
					}
				}
			}
			return []*wire.Frame{f}
		})
		phone.Syncs()
		if !slices.Equal(asked, []string{"reads", "offers"}) {
			t.Errorf("bob's phone %q", asked)
		}
		if d, err := phone.Devices(t.Context()); err != nil || len(d) != 1 {
			t.Errorf("devices %+v, %v", d, err)
		}
	})
}

// The server came back with an old copy of a chain: whoever knows better hands
// in what it lacks.
func TestWhatTheServerForgotIsHandedIn(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		bob.Adds("bob's PC").Syncs()
		alice.Says(bob, "hello")
		alice.Syncs()
		account := bob.Me().Account
		handed := 0
		forgets := answering(func(b wire.ResponseBody) wire.ResponseBody {
			if a, ok := b.(*wire.Account); ok && bytes.Equal(a.Account, account[:]) {
				a.Chain.Entries = a.Chain.Entries[:1]
			}
			return b
		})
		alice.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Request); ok && up {
				if a, ok := r.Body.(*wire.AppendChain); ok && len(a.Entries) == 2 {
					handed++
				}
			}
			return forgets(up, f)
		})
		time.Sleep(2 * time.Hour)
		m := alice.Says(bob, "to both")
		alice.Syncs()
		if m, _ := alice.Message(t.Context(), m.ID); !told.Confirmed(m) || len(m.Devices) != 2 {
			t.Errorf("alice's message has outcomes %+v", m.Devices)
		}
		if handed == 0 {
			t.Error("nothing was handed in")
		}
	})
}
