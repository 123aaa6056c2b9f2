package testnet_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestADeviceThatIsUnlistedSendsNothing: the server kept a step by which bob's PC
// removed his tablet, and shows it to the tablet itself. It sends nothing from
// then on, no receipt either, and says why (ADR 10).
func TestADeviceThatIsUnlistedSendsNothing(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, phone := n.Join("alice"), n.Join("bob")
		pc, tablet := phone.Adds("bob's PC"), phone.Adds("bob's tablet")
		pc.Syncs()
		tablet.Syncs()
		alice.Says(phone, "to all three")
		alice.Syncs()
		tablet.Syncs()
		hears(t, tablet, "alice: to all three")
		var kept []wire.SignedEntry
		pc.Switch.Tap(keeping(&kept))
		if err := pc.RemoveDevice(t.Context(), tablet.Me().Device); err == nil || len(kept) != 1 {
			t.Fatalf("%d steps were kept, %v", len(kept), err)
		}
		if err := phone.RemoveDevice(t.Context(), pc.Me().Device); err != nil {
			t.Fatal(err)
		}
		account := phone.Me().Account
		sent := 0
		tablet.Switch.Tap(both(
			onAsk(func(_ uint64, b wire.RequestBody) {
				if _, ok := b.(*wire.Send); ok {
					sent++
				}
			}),
			answering(func(b wire.ResponseBody) wire.ResponseBody {
				if a, ok := b.(*wire.Account); ok && bytes.Equal(a.Account, account[:]) {
					a.Chain.Entries = append(slices.Clone(a.Chain.Entries[:3]), kept...)
				}
				return b
			})))
		tablet.Syncs() // it may owe a receipt, and learns of the list
		tablet.Switch.Between(func() { sent = 0 })
		m := tablet.Says(alice, "am I still bob?")
		for range 2 {
			tablet.Syncs()
			if m, err := tablet.Message(t.Context(), m.ID); err != nil || !m.Queued || !strings.Contains(m.Problem, "it sends nothing") {
				t.Errorf("%+v, %v", m, err)
			}
			alice.Says(phone, "are you there?")
			alice.Syncs()
			if err := tablet.Crash(); err != nil {
				t.Fatal(err)
			}
		}
		if err := tablet.Close(); err != nil {
			t.Fatal(err)
		}
		if sent != 0 {
			t.Errorf("a device that its account does not list sent %d times", sent)
		}
		if err := tablet.Open(); err != nil {
			t.Fatal(err)
		}
		told := heard(tablet.Took())
		if !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "it sends nothing") }) {
			t.Errorf("the tablet's owner was told %q", told)
		}
	})
}
