package testnet_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/testnet"
)

// TestSendingAgainIsNoSecondMessage: a browser's tab that did not hear what
// became of its call makes it again, before and after the message went, and
// after a crash.
func TestSendingAgainIsNoSecondMessage(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		for _, text := range []string{"to a name", "to a person"} {
			o := outbox.Options{ID: ident.NewMessageID()}
			again := func() {
				t.Helper()
				m, err := alice.Send(t.Context(), "bob", text, o)
				if err != nil || m.ID != o.ID || m.Text != text {
					t.Fatalf("%+v, %v", m, err)
				}
			}
			again()
			again()
			if err := alice.Crash(); err != nil {
				t.Fatal(err)
			}
			again()
			alice.Syncs()
			again()
			alice.Syncs()
		}
		bob.Connect()
		synctest.Wait()
		if got := heard(bob.Took()); !slices.Equal(got, []string{"alice: to a name", "alice: to a person"}) {
			t.Errorf("bob heard %q", got)
		}
	})
}

func TestAConversationIsReadInPages(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		for i := range 5 {
			alice.Says(bob, fmt.Sprint(i))
		}
		alice.Syncs()
		list, total, err := alice.Page(t.Context(), "bob", 2, 2)
		if err != nil || total != 5 || len(list) != 2 || list[0].Text != "2" || list[0].Position != 2 || list[1].Position != 3 {
			t.Errorf("%+v of %d, %v", list, total, err)
		}
		m, err := alice.Message(t.Context(), list[1].ID)
		if err != nil || m.Position != 3 {
			t.Errorf("by its id: %+v, %v", m, err)
		}
		list, _, err = alice.Page(t.Context(), "bob", 5, 2)
		if err != nil || len(list) != 0 {
			t.Errorf("after the last: %+v, %v", list, err)
		}
	})
}
