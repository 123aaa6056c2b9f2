package relay_test

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/internal/work"
)

// TestAJoinerLooksAtTheChain: a device that nobody knows yet reads the chain that
// it waits to be on, by the account's id, and is not told the account's name.
func TestAJoinerLooksAtTheChain(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice := w.online("alice")
		id := alice.chain.ID()
		laptop := w.newDevice("laptop")
		laptop.dial()
		look := func() *wire.Account {
			t.Helper()
			got, ok := laptop.ask(&wire.ReadChain{Account: id[:]}).(*wire.Account)
			if !ok || got.Name != "" || !bytes.Equal(got.Account, id[:]) {
				t.Fatalf("answered %+v", got)
			}
			return got
		}
		if n := len(look().Chain.Entries); n != 1 {
			t.Fatalf("a chain of %d entries", n)
		}
		laptop.keys.Web = false
		grown, err := alice.chain.By(alice.id, alice.chainBy, &wire.AddDevice{Device: laptop.keys, Consent: alice.chain.Consent(laptop.keys, laptop.chainBy)})
		if err != nil {
			t.Fatal(err)
		}
		alice.chain = grown
		if _, ok := alice.ask(&wire.AppendChain{Account: id[:], Entries: grown.Wire().Entries[1:]}).(*wire.Account); !ok {
			t.Fatal("the laptop is not taken")
		}
		if n := len(look().Chain.Entries); n != 2 {
			t.Fatalf("a chain of %d entries", n)
		}
		// Nobody is found by guessing, and a look is no reason to stay.
		laptop.refused(&wire.ReadChain{Account: bytes.Repeat([]byte{7}, 32)}, wire.FailureAccountUnknown)
		laptop.refused(&wire.ReadChain{Account: make([]byte, 32)}, wire.FailureAccountUnknown)
		laptop.refused(&wire.ReadChain{Account: id[1:]}, wire.FailureAccountUnknown)
		time.Sleep(31 * time.Second)
		if got := laptop.link.reason(); got != relay.NotSignedIn {
			t.Errorf("closed for %v", got)
		}
	})
}

// TestAStrangerReadsFewChains: five things each at once, a hundred in all; then
// the connection has to be another one.
func TestAStrangerReadsFewChains(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice := w.online("alice")
		alice.want(&wire.OpenLink{Place: barn}, &wire.Done{})
		id := alice.chain.ID()
		read := &wire.ReadChain{Account: id[:]}
		fresh := w.meets("laptop") // so that it may stay for a while; of 200 things, 195 are left
		for i := range 100 {
			if i == 39 {
				if got, ok := fresh.ask(read).(*wire.Failure); !ok || got.Code != wire.FailureLimited || got.RetryAfterMs == 0 {
					t.Fatalf("answered %+v", got)
				}
			}
			if i >= 39 {
				time.Sleep(time.Second / 2)
			}
			if _, ok := fresh.ask(read).(*wire.Account); !ok {
				t.Fatalf("chain %d is refused", i)
			}
		}
		time.Sleep(time.Minute)
		if got, ok := fresh.ask(read).(*wire.Failure); !ok || got.Code != wire.FailureLimited || got.RetryAfterMs != 0 {
			t.Fatalf("answered %+v", got)
		}
		other := w.newDevice("another line")
		other.dial()
		if _, ok := other.ask(read).(*wire.Account); !ok {
			t.Error("another connection is refused")
		}
	})
}

// looksUp asks for a name before the sign-in, and has done the work for it.
func looksUp(hello *wire.Hello, text string) *wire.LookUp {
	name, err := ident.ParseName(text)
	if err != nil {
		panic(err)
	}
	n, err := work.Find(context.Background(), hello.Nonce, work.Name(name.Key()), work.ForName(int(hello.RegisterWork)), nil)
	if err != nil {
		panic(err)
	}
	return &wire.LookUp{Name: text, Work: n}
}

// TestAStrangerLooksUpFewNames: each costs work and five things asked, and there
// are five on a connection; who has signed in asks as ever.
func TestAStrangerLooksUpFewNames(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, mallory := w.online("alice"), w.newDevice("mallory")
		hello := mallory.dial()
		mallory.refused(&wire.LookUp{Name: "alice"}, wire.FailureWork)
		for range 4 {
			if _, ok := mallory.ask(looksUp(hello, "alice")).(*wire.Account); !ok {
				t.Fatal("alice is not found")
			}
		}
		mallory.refused(looksUp(hello, "alice"), wire.FailureLimited)
		again := mallory.dial()
		mallory.refused(looksUp(hello, "alice"), wire.FailureWork) // of another connection
		if _, ok := mallory.ask(looksUp(again, "alice")).(*wire.Account); !ok {
			t.Error("alice is not found on another connection")
		}
		for range 6 {
			if _, ok := alice.ask(&wire.LookUp{Name: "alice"}).(*wire.Account); !ok {
				t.Error("alice does not find herself")
			}
		}
	})
}

// TestAnOwnerComesWithThePhraseAlone: a thief has carol's phone, which is her
// account's only device, and has added his own. She signs with her phrase what
// voids both, and a new device, without being signed in as anybody. What devices
// signed is not taken from there, hers or the thief's.
func TestAnOwnerComesWithThePhraseAlone(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		phone, thief, fresh, phrase := w.newDevice("phone"), w.newDevice("thief"), w.newDevice("fresh"), w.newDevice("phrase")
		base, err := devchain.Begin(phone.keys, phrase.chainBy.Public(), phone.chainBy)
		if err != nil {
			t.Fatal(err)
		}
		phone.dial()
		phone.want(&wire.Register{Protocol: 1, Name: "carol", Chain: base.Wire()}, &wire.Done{})
		phone.hangUp()
		phone.chain = base
		phone.signIn()
		stolen, err := base.By(phone.id, phone.chainBy, &wire.AddDevice{Device: thief.keys, Consent: base.Consent(thief.keys, thief.chainBy)})
		if err != nil {
			t.Fatal(err)
		}
		id := base.ID()
		add := &wire.AppendChain{Account: id[:], Entries: stolen.Wire().Entries[1:]}
		hello := fresh.dial()
		fresh.refused(add, wire.FailureChainRefused)
		fresh.refused(&wire.AppendChain{Account: id[:], Entries: stolen.Wire().Entries}, wire.FailureChainRefused)
		phone.presents(stolen)
		thief.chain = stolen
		thief.signIn()

		found, ok := fresh.ask(looksUp(hello, "carol")).(*wire.Account)
		if !ok || !bytes.Equal(found.Account, id[:]) {
			t.Fatalf("answered %s", show(found))
		}
		mine, err := stolen.Recover(1, phrase.chainBy, &wire.AddDevice{Device: fresh.keys, Consent: base.Consent(fresh.keys, fresh.chainBy)})
		if err == nil {
			mine, err = mine.By(ident.DeviceID{}, phrase.chainBy, &wire.RemoveDevice{Device: phone.id[:]})
		}
		if err != nil {
			t.Fatal(err)
		}
		back := &wire.AppendChain{Account: id[:], Entries: mine.Wire().Entries[1:]}
		forged := &wire.AppendChain{Account: id[:], Entries: slices.Clone(back.Entries)}
		forged.Entries[1].Signature = back.Entries[0].Signature
		fresh.refused(forged, wire.FailureChainRefused)
		for range 2 { // the answer was lost
			got, ok := fresh.ask(back).(*wire.Account)
			if !ok || got.Name != "" || len(got.Chain.Entries) != 3 {
				t.Fatalf("answered %s", show(got))
			}
		}
		for _, d := range []*device{phone, thief} {
			if d.link.reason() != relay.Removed {
				t.Errorf("the session of %s was closed for %v", d.name, d.link.reason())
			}
		}
		fresh.chain = mine
		fresh.hangUp()
		fresh.signIn()
	})
}
