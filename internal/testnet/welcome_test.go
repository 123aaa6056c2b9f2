package testnet_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestAFirstWelcomeExpires: alice's first message finds bob away for four days,
// so that the Welcome expires with it. When he is back and writes, both hear
// each other.
func TestAFirstWelcomeExpires(t *testing.T) {
	for range 4 { // which of two groups has the lower id is chance
		story(t, func(t *testing.T, n *testnet.Net) {
			alice, bob := n.Join("alice"), n.Join("bob")
			bob.Syncs()
			alice.Says(bob, "too late")
			alice.Syncs()
			time.Sleep(96 * time.Hour)
			bob.Syncs()
			bob.Says(alice, "I am back")
			bob.Syncs()
			alice.Syncs()
			if got := heard(alice.Took()); !slices.Contains(got, "bob: I am back") {
				t.Errorf("alice heard %q", got)
			}
			comesThrough(t, alice, bob)
		})
	}
}

// TestAWelcomeExpiresUnseen: the same, and bob, who knows of nothing, only
// reads.
func TestAWelcomeExpiresUnseen(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		bob.Syncs()
		alice.Says(bob, "too late")
		alice.Syncs()
		time.Sleep(96 * time.Hour)
		bob.Syncs()
		comesThrough(t, alice, bob)
		// bob never wrote, so that alice begins anew when she can't know whether
		// he is there: what she says reaches him all the same, once.
		for range 3 {
			time.Sleep(50 * time.Hour)
			comesThrough(t, alice, bob)
		}
	})
}

// comesThrough fails unless bob reads what alice says now, each once. A hole
// before it may have to settle first.
func comesThrough(t *testing.T, alice, bob *testnet.Person) {
	t.Helper()
	read := 0
	for range 3 {
		alice.Says(bob, "welcome back")
		alice.Syncs()
		bob.Syncs()
		time.Sleep(time.Hour)
		bob.Syncs()
		for _, line := range heard(bob.Took()) {
			if line == "alice: welcome back" {
				read++
			}
		}
	}
	if read != 3 {
		t.Errorf("bob read %d of 3 messages", read)
	}
}

// The server appends alice's commit and can't say so: its disk answers no more.
// She learns from the log that she won, and no mailbox has her Welcome, so she
// sends it herself, whatever becomes of her before.
func TestTheWelcomeOfAnAppendThatNobodyAnsweredFor(t *testing.T) {
	for _, crash := range []storetest.Fault{0, storetest.CrashBefore, storetest.CrashAfter} {
		for k := range 6 {
			tell(t, suites[1], func(t *testing.T, n *testnet.Net) {
				alice, bob := n.Join("alice"), n.Join("bob")
				alice.Says(bob, "hello")
				lost := false
				alice.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
					if r, ok := f.Body.(*wire.Request); ok && up && !lost {
						if _, ok := r.Body.(*wire.AppendEpoch); ok {
							lost = true
							for i := range 4 { // all tries
								n.Store.Plan(i+1, storetest.FailAfter)
							}
							if crash != 0 {
								alice.Store.Plan(k+1, crash)
							}
						}
					}
					return []*wire.Frame{f}
				})
				for range 4 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					if err := alice.Sync(ctx); err != nil {
						if err := alice.Crash(); err != nil {
							t.Fatal(err)
						}
					}
					cancel()
					time.Sleep(time.Minute)
				}
				if !lost {
					t.Fatal("alice appended nothing")
				}
				bob.Syncs()
				hears(t, bob, "alice: hello")
			})
		}
	}
}
