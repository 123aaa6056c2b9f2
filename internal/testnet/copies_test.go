package testnet_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/testnet"
)

// stays fails unless a home is told to be an old copy, and then reads and sends
// nothing, while all it holds can still be read.
func stays(t *testing.T, p *testnet.Person, holds int) {
	t.Helper()
	if err := p.Sync(t.Context()); !errors.Is(err, why.ErrOldCopy) {
		t.Fatalf("an old copy signs in: %v", err)
	}
	if _, err := p.Send(t.Context(), "bob", "from the old copy", outbox.Options{}); !errors.Is(err, why.ErrOldCopy) {
		t.Errorf("an old copy takes a message: %v", err)
	}
	got := heard(p.Took())
	if len(got) == 0 || !strings.Contains(got[len(got)-1], "older copy of a device that went on elsewhere") || !strings.Contains(got[len(got)-1], "register this device anew") {
		t.Errorf("the owner of the old copy is told %q", got)
	}
	if h, err := p.History(t.Context(), "bob", time.Time{}); err != nil || len(h) != holds {
		t.Errorf("the old copy holds %d messages, %v; want %d", len(h), err, holds)
	}
	if err := p.Run(t.Context()); !errors.Is(err, why.ErrOldCopy) {
		t.Errorf("an old copy stays connected: %v", err)
	}
	if got := heard(p.Took()); len(got) != 0 {
		t.Errorf("it is told again: %q", got)
	}
}

// TestBothCopiesOfAHome: a home is copied, and both copies are used, the copy
// first or the other one. Whichever goes on, the other one is told and sends
// nothing, not even what it had in its outbox; bob reads each message once.
func TestBothCopiesOfAHome(t *testing.T) {
	for _, copyFirst := range []bool{true, false} {
		story(t, func(t *testing.T, n *testnet.Net) {
			alice, bob := n.Join("alice"), n.Join("bob")
			alice.Says(bob, "before")
			alice.Syncs()
			bob.Syncs()
			bob.Says(alice, "hello")
			bob.Syncs()
			alice.Syncs()
			copied, err := alice.Copy()
			if err != nil {
				t.Fatal(err)
			}
			clone := n.Newcomer("alice")
			if err := clone.Restore(copied); err != nil {
				t.Fatal(err)
			}
			alice.Took()
			clone.Took()
			goes, stops := alice, clone
			if copyFirst {
				goes, stops = clone, alice
			}
			stops.Says(bob, "written on the one that is told")
			for _, text := range []string{"one", "two"} {
				goes.Says(bob, text)
				goes.Syncs()
			}
			if err := stops.Crash(); err != nil {
				t.Fatal(err)
			}
			stays(t, stops, 3) // with the message that was never sent
			if left, err := stops.Outbox(t.Context()); err != nil || len(left) != 1 {
				t.Errorf("its outbox holds %+v, %v", left, err)
			}
			goes.Says(bob, "three")
			goes.Syncs()
			bob.Syncs()
			hears(t, bob, "alice: before", "alice: one", "alice: two", "alice: three")
			bob.Says(alice, "who is that?")
			bob.Syncs()
			goes.Syncs()
			hears(t, goes, "bob: who is that?")
		})
	}
}
