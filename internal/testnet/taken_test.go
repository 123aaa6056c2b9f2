package testnet_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/group"
)

// publishes is a tap that sees the key packages that a device publishes, and has it
// publish some at each sign-in.
func publishes(lastResort, oneTime *[]byte) testnet.Tap {
	return both(published(lastResort), func(up bool, f *wire.Frame) []*wire.Frame {
		switch b := f.Body.(type) {
		case *wire.Request:
			if p, ok := b.Body.(*wire.PublishKeyPackages); ok && up && len(p.OneTime) > 0 {
				p.Replace, *oneTime = true, p.OneTime[0]
			}
		case *wire.Response:
			if in, ok := b.Body.(*wire.SignedIn); ok && !up {
				in.OneTimeKeyPackages = 0
			}
		}
		return []*wire.Frame{f}
	})
}

func parsed(t *testing.T, public []byte) *group.KeyPackage {
	t.Helper()
	k, err := group.ParseKeyPackage(public)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestAPlaceThatAliceDidNotAskFor: bob's PC puts a leaf in the place of alice's that
// it made of a key package which she had published, newer than her leaf; or of one
// that she knows no more, because he spent it in a group beside. Nobody takes that
// for valid, so nothing changes, and nobody says that she was robbed.
func TestAPlaceThatAliceDidNotAskFor(t *testing.T) {
	for _, what := range []string{"published", "spent beside"} {
		t.Run(what, func(t *testing.T) {
			linkStory(t, func(t *testing.T, n *testnet.Net) {
				alice, bob := n.Join("alice"), n.Join("bob")
				me, chain := listedPC(t, bob)
				if _, err := alice.AddFriend(t.Context(), "bob"); err != nil {
					t.Fatal(err)
				}
				var last, once []byte
				var older *group.KeyPackage
				alice.Switch.Tap(publishes(&last, &once))
				for range 2 {
					if len(last) > 0 {
						older = parsed(t, last)
					}
					time.Sleep(25 * time.Hour)
					alice.Syncs()
				}
				newer, comes, want := parsed(t, last), [][]byte(nil), []string{"bob: before"}
				if what == "spent beside" {
					newer, want = parsed(t, once), append(want, "bob: beside")
					comes = thief{me, chain}.begins(t, alice.Me().Account, newer, "beside")
				}
				pc := takeOut(t, me, chain, alice.Me().Account, older, newer)
				var entry []byte
				syncs := func(envelopes ...[]byte) {
					t.Helper()
					alice.Switch.Tap(both(shows(pc.handle, &entry), pushes(func() [][]byte { return envelopes })))
					alice.Syncs()
				}
				syncs(append(comes, pc.first...)...)
				got := heard(alice.Took())
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Fatalf("alice heard %q", got)
				}
				entry = pc.replacement
				syncs(append(pc.unasked, pc.replacement, pc.goesOn)...)
				hears(t, alice, "bob: nothing changed")
			})
		})
	}
}

// TestAPlaceThatWasAskedForLongAgo: bob's PC asked to come back, and nobody answered.
// A device of alice's, of a build of its own, has kept the request for a week, and
// puts the PC by it where it has an older place. The PC, which has no key for that
// any more, knows that it made it: it tells what happened, and not that bob was
// robbed.
func TestAPlaceThatWasAskedForLongAgo(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, phone, pc := household(t, n)
		me, chain := listedPC(t, alice)
		var last []byte
		pc.Switch.Tap(published(&last))
		time.Sleep(25 * time.Hour)
		pc.Syncs()
		drawer(alice, phone)
		box := stealsKeys(t, alice).me.Box
		var asked []byte
		pc.Switch.Tap(onAsk(func(_ uint64, b wire.RequestBody) {
			s, ok := b.(*wire.Send)
			if !ok {
				return
			}
			var sealed wire.Box
			if plain, err := box.Open(s.Envelope); err == nil && sealed.Parse(plain) == nil {
				if r, ok := sealed.Body.(*wire.RejoinBox); ok {
					asked = slices.Clone(r.KeyPackage)
				}
			}
		}))
		older := parsed(t, last)
		pc.Syncs()
		if asked == nil {
			t.Fatal("the PC does not ask: this story shows nothing")
		}
		rogue := takeOut(t, me, chain, pc.Me().Account, older, parsed(t, asked))
		var entry []byte
		syncs := func(envelopes ...[]byte) {
			t.Helper()
			pc.Switch.Tap(both(shows(rogue.handle, &entry), pushes(func() [][]byte { return envelopes })))
			pc.Syncs()
		}
		pc.Took()
		syncs(rogue.first...)
		if got := said(pc); !slices.Equal(got, []string{"alice: before"}) {
			t.Fatalf("the PC heard %q", got)
		}
		time.Sleep(8 * 24 * time.Hour)
		syncs()
		pc.Took()
		if err := pc.Crash(); err != nil {
			t.Fatal(err)
		}
		entry = rogue.replacement
		syncs(append(rogue.unasked, rogue.replacement)...)
		got := heard(pc.Took())
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "had asked for long ago") }) || slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "key changed") }) {
			t.Errorf("the PC's owner was told %q", got)
		}
	})
}

// TestTakenOutBesideSheComesBack: a device of bob's, of a build of its own, takes
// alice into a group beside and out of it. When she was away for too long to follow
// the one with his phone, she begins anew all the same.
func TestTakenOutBesideSheComesBack(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := acquainted(t, n)
		me, chain := listedPC(t, bob)
		var last []byte
		alice.Switch.Tap(published(&last))
		time.Sleep(25 * time.Hour)
		alice.Syncs()
		pc := takeOut(t, me, chain, alice.Me().Account, parsed(t, last))
		var entry []byte
		syncs := func(envelopes ...[]byte) {
			t.Helper()
			alice.Switch.Tap(both(shows(pc.handle, &entry), pushes(func() [][]byte { return envelopes })))
			alice.Syncs()
		}
		syncs(pc.first...)
		hears(t, alice, "bob: before")
		entry = pc.removal
		syncs(pc.removal)
		hears(t, alice, "problem: this device was taken out of the conversation")
		alice.Switch.Tap(nil)
		time.Sleep(25 * time.Hour)
		bob.Says(alice, "where are you?") // with fresh keys
		bob.Syncs()
		before := given(n)
		time.Sleep(80 * time.Hour)
		alice.Syncs()
		if given(n) == before {
			t.Error("she begins nothing anew")
		}
		bob.Syncs()
		bob.Says(alice, "there you are")
		turns(bob, alice)
		if got := said(alice); !slices.Contains(got, "bob: there you are") {
			t.Errorf("alice heard %q", got)
		}
	})
}
