package testnet_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// suites are what stories are told over.
var suites = []ciphersuite.ID{ciphersuite.Default, ciphersuite.X25519_AES128GCM_SHA256_Ed25519}

// story tells a story in a bubble with simulated time, over each suite.
func story(t *testing.T, fn func(t *testing.T, n *testnet.Net)) {
	t.Helper()
	for _, suite := range suites {
		if testing.Short() && suite == ciphersuite.Default {
			t.Logf("not over %v: without -short it is", suite)
			continue // the race detector's round has nothing to learn from it
		}
		t.Run(suite.String(), func(t *testing.T) { tell(t, suite, fn) })
	}
}

// tell tells a story over one suite.
func tell(t *testing.T, suite ciphersuite.ID, fn func(t *testing.T, n *testnet.Net)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t, testnet.Options{Suite: suite})
		defer n.Close()
		fn(t, n)
	})
}

// heard is the messages and what went wrong among events, as lines.
func heard(events []told.Event) []string {
	var out []string
	for _, ev := range events {
		switch ev := ev.(type) {
		case told.MessageRead:
			out = append(out, ev.Message.FromName+": "+ev.Message.Text)
		case told.Problem:
			out = append(out, "problem: "+ev.Text)
		case told.KeyChanged:
			out = append(out, "key changed: "+ev.Text)
		case told.Expired:
			if ev.Healed {
				out = append(out, "healed")
			} else {
				out = append(out, "expired")
			}
		case told.Delivered, told.DeviceChanged, told.Notice:
		}
	}
	return out
}

// hears fails unless exactly these lines came.
func hears(t *testing.T, p *testnet.Person, want ...string) {
	t.Helper()
	if got := heard(p.Took()); !slices.Equal(got, want) {
		t.Fatalf("%s heard\n  %s\nwant\n  %s", p.Name, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestAliceWritesWhileBobIsAway(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		m := alice.Says(bob, "안녕 🐄")
		alice.Syncs()
		m, err := alice.Message(t.Context(), m.ID)
		if err != nil || !told.Confirmed(m) || m.Devices[0].Outcome != told.Stored {
			t.Fatalf("after sending: %+v, %v", m, err)
		}
		time.Sleep(60 * time.Hour)
		bob.Syncs()
		got := bob.Took()
		if len(got) != 1 {
			t.Fatalf("bob heard %+v", got)
		}
		read := got[0].(told.MessageRead).Message
		if read.Text != "안녕 🐄" || read.FromName != "alice" || read.Path != told.Stored || read.Waited.Round(time.Hour) != 60*time.Hour {
			t.Errorf("bob read %+v", read)
		}
		if s := n.Status(); s.Waiting != 0 {
			t.Errorf("after bob read, the server still holds %+v", s)
		}
		bob.Syncs()
		hears(t, bob)
	})
}
