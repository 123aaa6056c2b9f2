package testnet_test

import (
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/testnet"
)

// TestANewDeviceBegins: alice and bob have written to each other when bob's PC
// comes, and writes to her before anybody added it to what they have. What they
// say next it shows at once, and nothing of what was before as missing.
func TestANewDeviceBegins(t *testing.T) {
	for range 3 { // which of two groups has the lower id is chance
		story(t, func(t *testing.T, n *testnet.Net) {
			alice, phone, pc := pcBegins(t, n)
			alice.Says(phone, "hello, both")
			alice.Syncs()
			pc.Syncs()
			hears(t, pc, "alice: hello, both")
			phone.Says(alice, "from the phone")
			phone.Syncs()
			pc.Syncs()
			hears(t, pc, "bob: from the phone")
		})
	}
}

// TestANewDeviceThatBeganMissesWhatIsLost: the same, but mallory, who runs the
// server, drops what alice says next. What she says after that tells the PC.
func TestANewDeviceThatBeganMissesWhatIsLost(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, phone, pc := pcBegins(t, n)
		alice.Switch.Tap(swallows())
		alice.Says(phone, "lost")
		alice.Syncs()
		alice.Switch.Tap(nil)
		alice.Says(phone, "hello, both")
		alice.Syncs()
		pc.Syncs()
		hears(t, pc)
		time.Sleep(2 * time.Minute)
		pc.Syncs()
		var missing []uint64
		for _, ev := range pc.Took() {
			if ev, ok := ev.(told.Expired); ok {
				missing = append(missing, ev.Count)
			}
		}
		if !slices.Equal(missing, []uint64{1}) {
			t.Errorf("the PC was told that %d are missing", missing)
		}
	})
}

// pcBegins has bob's new PC write to alice first.
func pcBegins(t *testing.T, n *testnet.Net) (alice, phone, pc *testnet.Person) {
	t.Helper()
	alice, phone = n.Join("alice"), n.Join("bob")
	for range 3 {
		alice.Says(phone, "before")
		turns(alice, phone)
		phone.Says(alice, "before")
		turns(phone, alice)
	}
	pc = phone.Adds("bob's PC")
	pc.Syncs()
	if _, err := pc.Send(t.Context(), "alice", "from the PC", outbox.Options{}); err != nil {
		t.Fatal(err)
	}
	turns(pc, alice)
	phone.Syncs()
	alice.Took()
	phone.Took()
	hears(t, pc)
	return alice, phone, pc
}
