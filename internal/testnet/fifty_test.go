package testnet_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/testnet"
)

// TestADeviceIsRemovedWhileFiftyConversationsAreBusy: alice's PC is taken off her
// account while fifty friends write to her and she to them, some connected, some
// in the midst of it, some away. What is written behind the removal goes to her
// phone, and to no mailbox of the PC's; who had not heard learns of it by the first
// answer (ADR 17) and seals to the phone alone from then on. Nothing is lost.
func TestADeviceIsRemovedWhileFiftyConversationsAreBusy(t *testing.T) {
	friends := 50
	if testing.Short() {
		friends = 12
		t.Log("12 conversations: without -short 50")
	}
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t, quick)
		defer n.Close()
		phone := n.Join("alice")
		pc := phone.Adds("alice's PC")
		pc.Syncs()
		all := make([]*testnet.Person, friends)
		for i := range all {
			all[i] = n.Join(fmt.Sprintf("friend-%d", i))
			all[i].Says(phone, "hello")
			all[i].Syncs()
		}
		turns(phone, pc)
		for i, f := range all {
			phone.Says(f, "hello to you")
			pc.Says(f, "from the PC")
			if i%3 == 0 {
				f.Connect() // and stays so
			}
		}
		phone.Connect()
		pc.Syncs()
		phone.Took()
		pc.Took()
		for i, f := range all {
			f.Says(phone, fmt.Sprint("before ", i))
		}

		// Some have sent when it happens, some are about to.
		for i, f := range all {
			if i == friends/2 {
				must(t, phone.RemoveDevice(t.Context(), pc.Me().Device))
			}
			if i%3 != 0 {
				f.Syncs()
			}
		}
		synctest.Wait()
		for _, when := range []string{"after", "later"} {
			wrote := make([]told.Message, friends)
			for i, f := range all {
				wrote[i] = f.Says(phone, fmt.Sprint(when, " ", i))
				if i%3 != 0 {
					f.Syncs()
				}
			}
			time.Sleep(10 * time.Second) // who is told that a mailbox is gone asks for the chain in a few
			synctest.Wait()
			for i, f := range all {
				m, err := f.Message(t.Context(), wrote[i].ID)
				must(t, err)
				for _, d := range m.Devices {
					switch {
					case d.Device == phone.Me().Device && (d.Outcome == told.Live || d.Outcome == told.Stored):
					case when == "after" && d.Outcome == told.Gone: // so it learns of the removal (ADR 17)
					default:
						t.Errorf("%d wrote %q behind the removal, and has the outcome %+v", i, when, d)
					}
				}
			}
		}
		heardOf := map[string]int{}
		for _, line := range heard(phone.Took()) {
			heardOf[line]++
		}
		for i := range all {
			for _, when := range []string{"before", "after", "later"} {
				if line := fmt.Sprintf("friend-%d: %s %d", i, when, i); heardOf[line] != 1 {
					t.Errorf("the phone read %q %d times", line, heardOf[line])
				}
			}
		}
		for _, line := range heard(pc.Took()) {
			t.Errorf("the PC read %q", line)
		}
		if err := pc.Sync(t.Context()); !errors.Is(err, why.ErrWiped) { // and so it reads nothing more
			t.Errorf("the removed PC syncs: %v", err)
		}
	})
}
