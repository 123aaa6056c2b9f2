package testnet_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestWhatWaitedInVainIsSentAgain: alice changes her keys, and writes twice within
// a day. Bob comes back when the change has gone from the server and the second
// message has not: it waited for him and can't be opened. He begins anew, and both
// messages come to him without alice's doing, after a crash of hers too, and once.
func TestWhatWaitedInVainIsSentAgain(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := acquainted(t, n)
		time.Sleep(25 * time.Hour)
		one := alice.Says(bob, "one")
		alice.Syncs()
		time.Sleep(23 * time.Hour)
		two := alice.Says(bob, "two")
		alice.Syncs()
		for _, m := range []told.Message{one, two} {
			if m, err := alice.Message(t.Context(), m.ID); err != nil || !told.Confirmed(m) {
				t.Fatalf("%+v, %v", m, err)
			}
		}
		time.Sleep(50 * time.Hour)
		bob.Syncs()
		bob.Took()
		alice.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Request); ok && up {
				if _, ok := r.Body.(*wire.Send); ok {
					return nil
				}
			}
			return []*wire.Frame{f}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_ = alice.Sync(ctx)
		cancel()
		if err := alice.Crash(); err != nil {
			t.Fatal(err)
		}
		for _, m := range []told.Message{one, two} {
			if m, err := alice.Message(t.Context(), m.ID); err != nil || !m.Queued {
				t.Errorf("what bob can't read is said to be %+v, %v", m, err)
			}
		}
		alice.Switch.Tap(nil)
		meet(alice, bob)
		got := slices.DeleteFunc(heard(bob.Took()), func(s string) bool { return s == "healed" })
		if !slices.Equal(got, []string{"alice: one", "alice: two"}) {
			t.Errorf("bob heard %q", got)
		}
		for _, m := range []told.Message{one, two} {
			if m, err := alice.Message(t.Context(), m.ID); err != nil || m.Queued {
				t.Errorf("and then %+v, %v", m, err)
			}
		}
		bob.Says(alice, "both are here")
		meet(bob, alice)
		if got := heard(alice.Took()); !slices.Contains(got, "bob: both are here") {
			t.Errorf("alice heard %q", got)
		}
	})
}
