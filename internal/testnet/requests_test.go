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

// asking is who asks among events, by the names that they claim.
func asking(events []told.Event) (names []string) {
	for _, ev := range events {
		if r, ok := ev.(told.RequestCame); ok {
			names = append(names, r.Name)
		}
	}
	return names
}

// asksFirst has strangers ask before they may write to somebody.
func asksFirst(t *testing.T, p *testnet.Person) {
	t.Helper()
	if err := p.AskFirst(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	p.Syncs()
	p.Took()
}

// pending reports whether nothing is promised for a message.
func pending(t *testing.T, p *testnet.Person, m told.Message) bool {
	t.Helper()
	m, err := p.Message(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	return m.Queued && len(m.Devices) == 1 && m.Devices[0].Outcome == told.Pending && m.Problem != ""
}

// TestAStrangerAsks: alice wants to be asked. What bob, whom she does not know,
// writes waits, and he learns nothing; when she accepts, all of it comes, once
// and in order, and they talk as all others.
func TestAStrangerAsks(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		asksFirst(t, alice)
		var said []told.Message
		for _, text := range []string{"one", "two", "three", "four", "five"} {
			said = append(said, bob.Says(alice, text))
		}
		bob.Syncs()
		for _, m := range said[:3] {
			if !pending(t, bob, m) {
				got, _ := bob.Message(t.Context(), m.ID)
				t.Errorf("bob is told %+v", got)
			}
		}
		if got := heard(bob.Took()); len(got) == 0 || !strings.Contains(got[0], "asked first") {
			t.Errorf("bob was told %q", got)
		}
		alice.Syncs()
		events := alice.Took()
		if got := asking(events); !slices.Equal(got, []string{"bob"}) || len(heard(events)) > 0 {
			t.Fatalf("alice is asked by %q and hears %q", got, heard(events))
		}
		if err := alice.Crash(); err != nil { // the request is durable
			t.Fatal(err)
		}
		if list, ask, err := alice.Requests(t.Context()); err != nil || !ask || len(list) != 1 || list[0].Account != bob.Me().Account {
			t.Fatalf("requests %+v, %v, %v", list, ask, err)
		}
		if err := alice.Answer(t.Context(), "carol", true); err == nil {
			t.Error("alice accepted somebody who does not ask")
		}
		if err := alice.Answer(t.Context(), "BOB", true); err != nil {
			t.Fatal(err)
		}
		if err := alice.Crash(); err != nil {
			t.Fatal(err)
		}
		alice.Syncs() // bob is given her token
		time.Sleep(time.Hour)
		bob.Syncs()
		alice.Syncs()
		hears(t, alice, "bob: one", "bob: two", "bob: three", "bob: four", "bob: five")
		for _, m := range said {
			if got, err := bob.Message(t.Context(), m.ID); err != nil || !told.Confirmed(got) {
				t.Errorf("bob's message stands as %+v, %v", got, err)
			}
		}
		alice.Says(bob, "hello")
		alice.Syncs()
		bob.Syncs()
		m := bob.Says(alice, "six")
		bob.Syncs()
		if got, err := bob.Message(t.Context(), m.ID); err != nil || !told.Confirmed(got) {
			t.Errorf("bob's last message stands as %+v, %v", got, err)
		}
		alice.Syncs()
		hears(t, alice, "bob: six")
	})
}

// TestAStrangerSeesNobody: mallory is answered the same whether alice, who wants
// to be asked, is connected or not, and never by her.
func TestAStrangerSeesNobody(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, mallory := n.Join("alice"), n.Join("mallory")
		asksFirst(t, alice)
		var outcomes []wire.Outcome
		mallory.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Response); ok && !up {
				if s, ok := r.Body.(*wire.Sent); ok {
					for _, o := range s.Outcomes {
						outcomes = append(outcomes, o.Outcome)
					}
				}
			}
			return []*wire.Frame{f}
		})
		away := mallory.Says(alice, "are you there?")
		mallory.Syncs()
		alice.Connect()
		time.Sleep(time.Second)
		here := mallory.Says(alice, "and now?")
		mallory.Syncs()
		time.Sleep(time.Minute)
		mallory.Syncs()
		if !pending(t, mallory, away) || !pending(t, mallory, here) {
			t.Error("mallory is told more than that nothing is promised")
		}
		mallory.Switch.Between(func() {
			if len(outcomes) != 2 || slices.ContainsFunc(outcomes, func(o wire.Outcome) bool { return o != wire.OutcomeAccepted }) {
				t.Errorf("mallory was answered %v", outcomes)
			}
		})
		if got := heard(mallory.Took()); slices.ContainsFunc(got, func(s string) bool { return !strings.Contains(s, "asked first") }) {
			t.Errorf("mallory was told %q", got)
		}
		if got := asking(alice.Took()); !slices.Equal(got, []string{"mallory"}) {
			t.Errorf("alice is asked by %q", got)
		}
		if err := alice.Answer(t.Context(), "mallory", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		mallory.Syncs()
		if !pending(t, mallory, away) {
			t.Error("mallory learns that she was turned away")
		}
		if f, err := alice.Friends(t.Context()); err != nil || len(f) != 0 {
			t.Errorf("alice knows %+v, %v", f, err)
		}
		if err := alice.Disconnect(); err != nil {
			t.Error(err)
		}
	})
}

// TestFriendsNeedNotAsk: whom alice knows writes as before, and whom she writes
// to first may answer.
func TestFriendsNeedNotAsk(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob, carol := n.Join("alice"), n.Join("bob"), n.Join("carol")
		alice.Says(bob, "hello")
		alice.Syncs()
		bob.Syncs()
		asksFirst(t, alice)
		alice.Says(carol, "hello")
		alice.Syncs()
		carol.Syncs()
		for _, p := range []*testnet.Person{bob, carol} {
			m := p.Says(alice, "and to you")
			p.Syncs()
			if m, err := p.Message(t.Context(), m.ID); err != nil || !told.Confirmed(m) {
				t.Errorf("%s's message stands as %+v, %v", p.Name, m, err)
			}
		}
		alice.Syncs()
		hears(t, alice, "bob: and to you", "carol: and to you")
	})
}

// TestRequestsGoByThemselves: after three days a request is gone, and whoever
// asked asks again.
func TestRequestsGoByThemselves(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		asksFirst(t, alice)
		bob.Says(alice, "hello")
		bob.Syncs()
		alice.Syncs()
		if got := asking(alice.Took()); len(got) != 1 {
			t.Fatalf("alice is asked by %q", got)
		}
		time.Sleep(73 * time.Hour)
		if list, _, err := alice.Requests(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("after three days there are requests %+v, %v", list, err)
		}
		alice.Syncs()
		bob.Syncs()
		alice.Syncs()
		if got := asking(alice.Took()); len(got) != 1 {
			t.Fatalf("alice is asked again by %q", got)
		}
		if err := alice.Answer(t.Context(), "bob", true); err != nil {
			t.Fatal(err)
		}
		alice.Syncs()
		bob.Syncs()
		time.Sleep(time.Hour)
		bob.Syncs()
		alice.Syncs()
		if got := heard(alice.Took()); !slices.Equal(got, []string{"bob: hello"}) {
			t.Errorf("alice hears %q", got)
		}
	})
}
