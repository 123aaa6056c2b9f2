package testnet_test

import (
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/testnet"
)

func TestBobHasAPhoneAndAPC(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, phone := n.Join("alice"), n.Join("bob")
		alice.Says(phone, "to the phone alone")
		alice.Syncs()
		phone.Syncs()
		hears(t, phone, "alice: to the phone alone")

		pc := phone.Adds("bob's PC")
		pc.Syncs() // publishes its key packages
		m := alice.Says(phone, "to both")
		alice.Syncs()
		if m, _ := alice.Message(t.Context(), m.ID); !told.Confirmed(m) || len(m.Devices) != 2 {
			t.Fatalf("alice's message has outcomes %+v", m.Devices)
		}
		phone.Syncs()
		pc.Syncs()
		hears(t, phone, "alice: to both")
		hears(t, pc, "alice: to both") // and no word of a gap: what was before is not missing

		if _, err := pc.Send(t.Context(), "alice", "from the PC", outbox.Options{}); err != nil {
			t.Fatal(err)
		}
		pc.Syncs()
		alice.Syncs()
		phone.Syncs()
		hears(t, alice, "bob: from the PC")
		hears(t, phone, "bob: from the PC")

		if err := phone.RemoveDevice(t.Context(), pc.Me().Device); err != nil {
			t.Fatal(err)
		}
		m = alice.Says(phone, "the PC was stolen")
		alice.Syncs()
		if m, _ := alice.Message(t.Context(), m.ID); !told.Confirmed(m) || len(m.Devices) != 1 {
			t.Errorf("after the removal alice's message has outcomes %+v", m.Devices)
		}
		phone.Syncs()
		hears(t, phone, "alice: the PC was stolen")
		if err := pc.Sync(t.Context()); !errors.Is(err, why.ErrDeviceRemoved) {
			t.Errorf("the removed PC syncs: %v", err)
		}
		if err := alice.RemoveDevice(t.Context(), pc.Me().Device); !errors.Is(err, account.ErrNoDevice) {
			t.Errorf("alice removes bob's device: %v", err)
		}
	})
}
