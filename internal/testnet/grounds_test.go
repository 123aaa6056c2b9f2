package testnet_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// bobsDevices is how many devices of bob's a device knows.
func bobsDevices(t *testing.T, p *testnet.Person) told.Friend {
	t.Helper()
	list, err := p.Friends(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("%s has friends %+v, %v", p.Name, list, err)
	}
	return list[0]
}

// TestTheGroundsTravelWithTheRemoval: bob's PC is removed, and alice's phone takes
// its leaf out. The server withholds bob's device list from alice's PC, which
// learns it by the commit, and brings nobody back.
func TestTheGroundsTravelWithTheRemoval(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		herPC, hisPC := alice.Adds("alice's PC"), bob.Adds("bob's PC")
		for _, p := range []*testnet.Person{herPC, hisPC} {
			p.Syncs()
		}
		alice.Says(bob, "to all")
		alice.Syncs()
		for _, p := range []*testnet.Person{herPC, bob, hisPC} {
			p.Syncs()
		}
		if f := bobsDevices(t, herPC); f.Devices != 2 {
			t.Fatalf("alice's PC knows %+v", f)
		}
		account := bob.Me().Account
		herPC.Switch.Tap(answering(func(b wire.ResponseBody) wire.ResponseBody {
			if a, ok := b.(*wire.Account); ok && bytes.Equal(a.Account, account[:]) {
				a.Chain.Entries = a.Chain.Entries[:2]
			}
			return b
		}))
		if err := bob.RemoveDevice(t.Context(), hisPC.Me().Device); err != nil {
			t.Fatal(err)
		}
		if f := bobsDevices(t, herPC); f.Devices != 2 {
			t.Fatalf("alice's PC knows %+v before it was told", f)
		}
		alice.Says(bob, "to three")
		alice.Syncs()
		herPC.Syncs()
		if f := bobsDevices(t, herPC); f.Devices != 1 || f.Alarmed {
			t.Errorf("alice's PC knows %+v", f)
		}
		m := herPC.Says(bob, "to the others")
		herPC.Syncs()
		if m, _ := herPC.Message(t.Context(), m.ID); !told.Confirmed(m) || len(m.Devices) != 2 {
			t.Errorf("alice's PC's message has outcomes %+v", m.Devices)
		}
		bob.Syncs()
		hears(t, bob, "alice: to all", "alice: to three", "alice: to the others")
	})
}

// TestForksTravelWithTheRemoval: the server shows alice's phone two lists of bob's
// that contradict each other, and her PC the one that it likes. Once her phone has
// taken out whom one of them strikes, her PC has seen both and warns her.
func TestForksTravelWithTheRemoval(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, phone := n.Join("alice"), n.Join("bob")
		herPC, pc, tablet := alice.Adds("alice's PC"), phone.Adds("bob's PC"), phone.Adds("bob's tablet")
		for _, p := range []*testnet.Person{herPC, pc, tablet} {
			p.Syncs()
		}
		alice.Says(phone, "to all")
		alice.Syncs()
		herPC.Syncs()
		var kept []wire.SignedEntry
		pc.Switch.Tap(keeping(&kept))
		if err := pc.RemoveDevice(t.Context(), tablet.Me().Device); err == nil || len(kept) != 1 {
			t.Fatalf("%d steps were kept, %v", len(kept), err)
		}
		if err := phone.RemoveDevice(t.Context(), pc.Me().Device); err != nil {
			t.Fatal(err)
		}
		account := phone.Me().Account
		alice.Says(phone, "to the phone and the tablet")
		alice.Syncs()
		herPC.Syncs()
		if f := bobsDevices(t, herPC); f.Devices != 2 || f.Alarmed {
			t.Fatalf("alice's PC knows %+v", f)
		}
		herPC.Took()
		alice.Switch.Tap(answering(func(b wire.ResponseBody) wire.ResponseBody {
			if a, ok := b.(*wire.Account); ok && bytes.Equal(a.Account, account[:]) {
				a.Chain.Entries = append(slices.Clone(a.Chain.Entries[:3]), kept...)
			}
			return b
		}))
		alice.Says(phone, "to the phone alone")
		alice.Syncs()
		herPC.Syncs()
		if f := bobsDevices(t, herPC); f.Devices != 1 || !f.Alarmed {
			t.Errorf("alice's PC knows %+v", f)
		}
		if !slices.ContainsFunc(heard(herPC.Took()), func(s string) bool {
			return strings.HasPrefix(s, "key changed: two device lists of bob")
		}) {
			t.Error("alice is not warned at her PC")
		}
	})
}
