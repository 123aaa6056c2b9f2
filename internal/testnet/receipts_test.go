package testnet_test

import (
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/group"
)

// TestForgedReceiptsEndNothing: a PC of bob's, of a build of its own, says in
// their conversation that it has read what alice never wrote. Alice goes on and
// hears its words, and nothing is taken for delivered to bob's phone before that
// says so. (That a number was never sent is internal/room's to refuse. A receipt
// for another sender's messages is in no story yet: the PC is no target here.)
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
		delivered := func() (to []client.DeviceOutcome) {
			t.Helper()
			got, err := alice.Message(t.Context(), m.ID)
			if err != nil {
				t.Fatal(err)
			}
			return slices.DeleteFunc(got.Devices, func(d client.DeviceOutcome) bool { return !d.Delivered })
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
