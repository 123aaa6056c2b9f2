package testnet_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestASignInThatHidesAGap: bob wrote twice while alice was away for long, and it
// expired. Mallory, who runs the server, leaves the gap out of the answer to her
// sign-in. Where all was in one epoch alice can't know yet; where bob's keys were
// renewed she finds that she can't follow, and is sent again what she missed.
// Either way what she writes is read; otherwise bob's next word tells her how many
// are missing, and bob sees all the time that what he wrote was not delivered.
func TestASignInThatHidesAGap(t *testing.T) {
	for what, renewed := range map[string]bool{"in one epoch": false, "over epochs": true} {
		t.Run(what, func(t *testing.T) {
			story(t, func(t *testing.T, n *testnet.Net) { hiddenGap(t, n, renewed) })
		})
	}
}

func hiddenGap(t *testing.T, n *testnet.Net, renewed bool) {
	t.Helper()
	alice, bob := acquainted(t, n)
	var lost []told.Message
	for _, text := range []string{"one", "two"} {
		if renewed {
			time.Sleep(25 * time.Hour)
		}
		lost = append(lost, bob.Says(alice, text))
		bob.Syncs()
	}
	time.Sleep(73 * time.Hour)
	hidden := 0
	alice.Switch.Tap(answering(func(b wire.ResponseBody) wire.ResponseBody {
		if in, ok := b.(*wire.SignedIn); ok && in.Gap != nil {
			in.Gap, hidden = nil, hidden+1
		}
		return b
	}))
	alice.Syncs()
	if hidden == 0 {
		t.Fatal("the server has no gap to tell of: this story shows nothing")
	}
	first := heard(alice.Took())
	if ok := !renewed && len(first) == 0 || renewed && len(first) == 1 && strings.Contains(first[0], "away for too long"); !ok {
		t.Errorf("at her sign-in alice heard %q", first)
	}
	alice.Says(bob, "anything new?")
	meet(alice, bob)
	hears(t, bob, "alice: anything new?")
	for _, was := range lost {
		m, err := bob.Message(t.Context(), was.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !renewed && slices.ContainsFunc(m.Devices, func(d told.DeviceOutcome) bool { return d.Delivered }) {
			t.Errorf("bob sees %q as delivered", was.Text)
		}
	}
	bob.Says(alice, "three")
	meet(bob, alice)
	missing := uint64(0)
	var said []string
	for _, ev := range alice.Took() {
		switch ev := ev.(type) {
		case told.MessageRead:
			said = append(said, ev.Message.Text)
		case told.Expired:
			missing += ev.Count
			if ev.Account != bob.Me().Account {
				t.Errorf("whose are missing: %+v", ev)
			}
		case told.Problem:
			t.Errorf("alice was told %q", ev.Text)
		}
	}
	want, lacks := "three", uint64(2)
	if renewed {
		want, lacks = "one|two|three", 0
	}
	if strings.Join(said, "|") != want || missing != lacks {
		t.Errorf("alice read %q, and was told that %d are missing", said, missing)
	}
}
