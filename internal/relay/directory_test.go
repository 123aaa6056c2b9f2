package relay_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/wire"
)

func TestNames(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		bob := w.person("Bob")
		mallory := w.newDevice("mallory")
		chain, err := devchain.Begin(mallory.keys, nil, mallory.chainBy)
		if err != nil {
			t.Fatal(err)
		}
		hello := mallory.dial()
		mallory.refused(&wire.Register{Protocol: 1, Name: "bOB", Chain: chain.Wire()}, wire.FailureNameTaken)
		mallory.refused(&wire.Register{Protocol: 1, Name: "b", Chain: chain.Wire()}, wire.FailureNameRefused)
		mallory.refused(&wire.Register{Protocol: 2, Name: "mallory", Chain: chain.Wire()}, wire.FailureVersion)
		mallory.want(&wire.Register{Protocol: 1, Name: "mallory", Chain: chain.Wire()}, &wire.Done{})
		mallory.want(&wire.Register{Protocol: 1, Name: "mallory", Chain: chain.Wire()}, &wire.Done{}) // repeated
		mallory.refused(&wire.Register{Protocol: 1, Name: "trudy", Chain: chain.Wire()}, wire.FailureNameRefused)

		mallory.refused(&wire.LookUp{Name: "trudy"}, wire.FailureWork)
		mallory.refused(looksUp(hello, "trudy"), wire.FailureNameUnknown)
		mallory.refused(&wire.LookUp{Name: "!"}, wire.FailureNameUnknown)
		got, ok := mallory.ask(looksUp(hello, "BOB")).(*wire.Account)
		if !ok || got.Name != "Bob" {
			t.Fatalf("looked up %s", show(got))
		}
		if found, err := devchain.Verify(got.Chain); err != nil || found.ID() != bob.chain.ID() {
			t.Errorf("the chain that was found: %v", err)
		}
	})
}

func TestForgedChainsAreRefused(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		bob, mallory := w.online("bob"), w.online("mallory")
		d := w.newDevice("ghost")
		chain, err := devchain.Begin(d.keys, nil, d.chainBy)
		if err != nil {
			t.Fatal(err)
		}
		forged := chain.Wire()
		forged.Entries = slices.Clone(forged.Entries)
		forged.Entries[0].Signature = bytes.Repeat([]byte{1}, 64)
		mallory.refused(&wire.Register{Protocol: 1, Name: "ghost", Chain: forged}, wire.FailureChainRefused)
		mallory.refused(&wire.Register{Protocol: 1, Name: "ghost"}, wire.FailureChainRefused)

		// Mallory signs a ghost device into bob's chain with her own key.
		ghost := w.newDevice("ghost")
		add, err := mallory.chain.By(mallory.id, mallory.chainBy, &wire.AddDevice{Device: ghost.keys, Consent: mallory.chain.Consent(ghost.keys, ghost.chainBy)})
		if err != nil {
			t.Fatal(err)
		}
		id := bob.chain.ID()
		mallory.refused(&wire.AppendChain{Account: id[:], Entries: add.Wire().Entries[1:]}, wire.FailureChainRefused)
		mallory.refused(&wire.AppendChain{Account: id[:], Entries: add.Wire().Entries}, wire.FailureChainRefused)
		mallory.refused(&wire.AppendChain{Account: id[:]}, wire.FailureChainRefused)
		mallory.refused(&wire.AppendChain{Account: make([]byte, 32), Entries: add.Wire().Entries}, wire.FailureAccountUnknown)

		// A device may belong to one account alone.
		other := w.newDevice("other")
		other.keys, other.id, other.chainBy = mallory.keys, mallory.id, mallory.chainBy
		second, err := devchain.Begin(other.keys, nil, other.chainBy)
		if err != nil {
			t.Fatal(err)
		}
		mallory.refused(&wire.Register{Protocol: 1, Name: "mallory2", Chain: second.Wire()}, wire.FailureChainRefused)
	})
}

func TestRecoveryVoidsADevice(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.person("bob")
		thief := w.newDevice("thief")
		_ = bob
		// Bob's account has a recovery key; a thief with bob's phone adds a device.
		owner, recovery := w.newDevice("owner"), w.newDevice("phrase")
		base, err := devchain.Begin(owner.keys, recovery.chainBy.Public(), owner.chainBy)
		if err != nil {
			t.Fatal(err)
		}
		owner.dial()
		owner.want(&wire.Register{Protocol: 1, Name: "carol", Chain: base.Wire()}, &wire.Done{})
		owner.chain = base
		owner.hangUp()
		owner.signIn()
		stolen, err := base.By(owner.id, owner.chainBy, &wire.AddDevice{Device: thief.keys, Consent: base.Consent(thief.keys, thief.chainBy)})
		if err != nil {
			t.Fatal(err)
		}
		owner.presents(stolen)
		thief.chain = stolen
		thief.signIn()
		mine := w.newDevice("mine")
		healed, err := base.By([16]byte{}, recovery.chainBy, &wire.AddDevice{Device: mine.keys, Consent: base.Consent(mine.keys, mine.chainBy)})
		if err != nil {
			t.Fatal(err)
		}
		alice.presents(healed) // anybody may
		mine.chain = healed
		if thief.link.reason() != relay.Removed {
			t.Errorf("the thief's session was closed for %v", thief.link.reason())
		}
		mine.signIn()
		// The old chain does not come back.
		id := base.ID()
		got, ok := alice.ask(&wire.AppendChain{Account: id[:], Entries: stolen.Wire().Entries}).(*wire.Account)
		if !ok || len(got.Chain.Entries) != 2 || !bytes.Equal(got.Chain.Entries[1].Entry, healed.Wire().Entries[1].Entry) {
			t.Errorf("the stolen chain was taken: %s", show(got))
		}
	})
}

// The directory never holds a fork: of two devices, or two holders of a phrase,
// that go on from the same entry, the first is taken and the other is told what
// holds. A chain that was presented whole brings what its line needs.
func TestOfTwoThatGoOnTheFirstIsTaken(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice := w.online("alice")
		phone, phrase := w.newDevice("phone"), w.newDevice("phrase")
		base, err := devchain.Begin(phone.keys, phrase.chainBy.Public(), phone.chainBy)
		if err != nil {
			t.Fatal(err)
		}
		phone.dial()
		phone.want(&wire.Register{Protocol: 1, Name: "carol", Chain: base.Wire()}, &wire.Done{})
		id := base.ID()
		added := func(from devchain.Chain, signer [16]byte, by *device) devchain.Chain {
			t.Helper()
			d := w.newDevice(rand.Text())
			c, err := from.By(signer, by.chainBy, &wire.AddDevice{Device: d.keys, Consent: from.Consent(d.keys, d.chainBy)})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		presents := func(c, want devchain.Chain, whole bool) {
			t.Helper()
			m := &wire.AppendChain{Account: id[:], Entries: c.Wire().Entries, Line: c.Wire().Line}
			if !whole {
				m = &wire.AppendChain{Account: id[:], Entries: m.Entries[len(m.Entries)-1:]}
			}
			got, ok := alice.ask(m).(*wire.Account)
			if !ok {
				t.Fatalf("answered %s", show(got))
			}
			held, err := devchain.Verify(got.Chain)
			if err != nil || held.Head() != want.Head() {
				t.Fatalf("the directory holds another chain: %v", err)
			}
		}
		for range 4 { // whichever hash is lower
			first := added(base, phone.id, phone)
			for range 2 {
				presents(first, first, false)
				presents(added(base, phone.id, phone), first, false)
				presents(added(base, phone.id, phone), first, true)
				presents(base, first, true)
			}
			base = first
		}
		healed := added(base, [16]byte{}, phrase)
		presents(healed, healed, false)
		presents(added(base, [16]byte{}, phrase), healed, false)
		presents(added(base, [16]byte{}, phrase), healed, true)
		// A recovery behind a branch that the directory never saw.
		unseen := added(added(healed, phone.id, phone), [16]byte{}, phrase)
		at, err := unseen.At(2)
		if err != nil {
			t.Fatal(err)
		}
		d := w.newDevice(rand.Text())
		back, err := unseen.Recover(2, phrase.chainBy, &wire.AddDevice{Device: d.keys, Consent: at.Consent(d.keys, d.chainBy)})
		if err != nil || len(back.Wire().Line) != 2 {
			t.Fatal(err)
		}
		alice.refused(&wire.AppendChain{Account: id[:], Entries: back.Wire().Entries}, wire.FailureChainRefused)
		presents(back, back, true)
		presents(unseen, back, true)
		if got := alice.ask(&wire.ReadChain{Account: id[:]}).(*wire.Account); len(got.Chain.Line) != 2 {
			t.Errorf("the line that is given out has %d entries", len(got.Chain.Line))
		}
	})
}

func TestADeviceThatComesBackIsToldOfAGap(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice := w.online("alice")
		laptop, recovery := w.newDevice("laptop"), w.newDevice("phrase")
		base, err := devchain.Begin(laptop.keys, recovery.chainBy.Public(), laptop.chainBy)
		if err != nil {
			t.Fatal(err)
		}
		laptop.dial()
		laptop.want(&wire.Register{Protocol: 1, Name: "carol", Chain: base.Wire()}, &wire.Done{})
		laptop.chain = base
		laptop.hangUp()
		laptop.signIn()
		phone := laptop.link2("phone")
		if gap := phone.signIn().Gap; gap != nil {
			t.Errorf("a new device is told of %+v", gap)
		}
		with := laptop.chain
		laptop.removes(phone) // by a thief who has the laptop
		alice.sends(message("lost", phone), wire.OutcomeGone)
		healed, err := with.By([16]byte{}, recovery.chainBy, &wire.RemoveDevice{Device: laptop.id[:]})
		if err != nil {
			t.Fatal(err)
		}
		alice.presents(healed)
		for range 2 {
			gap := phone.signIn().Gap
			if gap == nil || gap.Count != 1 {
				t.Fatalf("told of %+v", gap)
			}
			alice.talks(phone)
			w.crash()
			alice.signIn()
		}
		phone.want(&wire.AckGap{Generation: phone.signIn().Gap.Generation}, &wire.Done{})
		if gap := phone.signIn().Gap; gap != nil {
			t.Errorf("told of %+v again", gap)
		}
	})
}

// talks has d send to a device that confirms.
func (d *device) talks(to *device) {
	d.w.t.Helper()
	id := d.post(message("hello again", to))
	to.reads("hello again")
	d.expect(id, wire.OutcomeLive)
}

func TestKeyPackagesAreGivenOutOnce(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		id := bob.chain.ID()
		alice.want(&wire.ClaimKeyPackages{Account: id[:]}, &wire.KeyPackages{})
		bob.want(&wire.PublishKeyPackages{OneTime: [][]byte{[]byte("one"), []byte("two")}, LastResort: []byte("last")}, &wire.Done{})
		claim := func(d *device) string {
			t.Helper()
			got, ok := d.ask(&wire.ClaimKeyPackages{Account: id[:], Known: knows(bob)}).(*wire.KeyPackages)
			if !ok || len(got.Packages) != 1 || !bytes.Equal(got.Packages[0].Device, bob.id[:]) {
				t.Fatalf("claimed %v", show(got))
			}
			p := got.Packages[0]
			if p.LastResort != (string(p.KeyPackage) == "last") {
				t.Errorf("%q is said to be of last resort: %v", p.KeyPackage, p.LastResort)
			}
			return string(p.KeyPackage)
		}
		if got := claim(alice); got != "one" {
			t.Errorf("first claim: %s", got)
		}
		w.crash()
		alice.signIn()
		for i, want := range []string{"two", "last", "last"} {
			if got := claim(alice); got != want {
				t.Errorf("claim %d: %s, want %s", i+2, got, want)
			}
		}
		in := bob.signIn()
		if in.OneTimeKeyPackages != 0 || in.LastResortAt != w.cfg.Clock.Now().Unix() {
			t.Errorf("bob is told of %d and %d", in.OneTimeKeyPackages, in.LastResortAt)
		}
		bob.want(&wire.PublishKeyPackages{OneTime: [][]byte{[]byte("three")}}, &wire.Done{})
		bob.want(&wire.PublishKeyPackages{OneTime: [][]byte{[]byte("four")}, Replace: true}, &wire.Done{})
		if got := claim(alice); got != "four" {
			t.Errorf("after a replacement: %s", got)
		}
		alice.refused(&wire.ClaimKeyPackages{Account: make([]byte, 32)}, wire.FailureAccountUnknown)
		bob.refused(&wire.PublishKeyPackages{OneTime: slices.Repeat([][]byte{[]byte("x")}, 17)}, wire.FailureTooLarge)
		bob.refused(&wire.PublishKeyPackages{OneTime: [][]byte{{}}}, wire.FailureTooLarge)
		bob.refused(&wire.PublishKeyPackages{LastResort: make([]byte, 33<<10)}, wire.FailureTooLarge)
	})
}

func TestClaimsAtTheSameTime(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		bob := w.online("bob")
		id := bob.chain.ID()
		many := make([][]byte, 16)
		for i := range many {
			many[i] = []byte{byte(i)}
		}
		bob.want(&wire.PublishKeyPackages{OneTime: many}, &wire.Done{})
		var all []*device
		ids := make([][]uint64, 8)
		for i := range ids {
			all = append(all, w.online(fmt.Sprint("claimer", i)))
		}
		var wg sync.WaitGroup
		for i, d := range all {
			wg.Go(func() {
				for range 3 {
					ids[i] = append(ids[i], d.post(&wire.ClaimKeyPackages{Account: id[:], Known: knows(bob)}))
				}
			})
		}
		wg.Wait()
		got := map[byte]bool{}
		for i, d := range all {
			for _, id := range ids[i] {
				for _, p := range d.answer(id).(*wire.KeyPackages).Packages {
					if got[p.KeyPackage[0]] {
						t.Errorf("key package %d was given out twice", p.KeyPackage[0])
					}
					got[p.KeyPackage[0]] = true
				}
			}
		}
		if len(got) != 16 {
			t.Errorf("%d of 16 were given out for 24 claims", len(got))
		}
	})
}

func TestOneAccountCannotUseUpKeyPackages(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		mallory, bob, alice := w.online("mallory"), w.online("bob"), w.online("alice")
		id := bob.chain.ID()
		many := make([][]byte, 16)
		for i := range many {
			many[i] = []byte(strings.Repeat("x", i+1))
		}
		bob.want(&wire.PublishKeyPackages{OneTime: many, LastResort: []byte("last")}, &wire.Done{})
		oneTime := 0
		for range 16 {
			if got, ok := mallory.ask(&wire.ClaimKeyPackages{Account: id[:], Known: knows(bob)}).(*wire.KeyPackages); ok && !got.Packages[0].LastResort {
				oneTime++
			}
		}
		if oneTime != 8 {
			t.Errorf("mallory got %d one-time key packages, want 8", oneTime)
		}
		if got, ok := alice.ask(&wire.ClaimKeyPackages{Account: id[:], Known: knows(bob)}).(*wire.KeyPackages); !ok || got.Packages[0].LastResort {
			t.Error("nothing is left for alice")
		}
	})
}

func TestRegistrationModes(t *testing.T) {
	closed := func(c *relay.Config) { c.Registration = relay.RegistrationClosed }
	storyWith(t, closed, func(t *testing.T, w *world) {
		d := w.newDevice("alice")
		chain, _ := devchain.Begin(d.keys, nil, d.chainBy)
		d.dial()
		d.refused(&wire.Register{Protocol: 1, Name: "alice", Chain: chain.Wire()}, wire.FailureRegistrationClosed)
	})
	invite := func(c *relay.Config) { c.Registration = relay.RegistrationInvite }
	storyWith(t, invite, func(t *testing.T, w *world) {
		code, err := w.relay.Invite(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		try := func(name, code string) (*device, *wire.Register) {
			d := w.newDevice(name)
			chain, _ := devchain.Begin(d.keys, nil, d.chainBy)
			d.dial()
			return d, &wire.Register{Protocol: 1, Name: name, Chain: chain.Wire(), Invitation: code}
		}
		mallory, m := try("mallory", "")
		mallory.refused(m, wire.FailureRegistrationClosed)
		mallory, m = try("mallory", "guess")
		mallory.refused(m, wire.FailureRegistrationClosed)
		alice, m := try("alice", code)
		alice.want(m, &wire.Done{})
		alice.want(m, &wire.Done{}) // the answer was lost: it takes no second use
		mallory, m = try("mallory", code)
		mallory.refused(m, wire.FailureRegistrationClosed)
	})
}

func TestHeldIsComplete(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		bob.want(&wire.PublishKeyPackages{OneTime: [][]byte{[]byte("one")}, LastResort: []byte("last")}, &wire.Done{})
		phone := bob.link2("bob's phone")
		phone.signIn()
		phone.hangUp()
		alice.sends(message("waits", phone), wire.OutcomeStored)
		alice.sends(&wire.Send{Envelope: envelope("commit"), Targets: []wire.Target{phone.target()}, Class: wire.ClassHandshake}, wire.OutcomeStored)
		time.Sleep(time.Hour)
		got, ok := bob.ask(&wire.ReadHeld{}).(*wire.Held)
		if !ok {
			t.Fatalf("answered %s", show(got))
		}
		kinds := map[string]uint64{}
		for _, item := range got.Items {
			kinds[item.Kind] += item.Count
			if item.Kind == "name" && item.Text != "bob" {
				t.Errorf("name %q", item.Text)
			}
			if item.Kind == "waiting" && (item.Until-item.Since > 72*3600 || item.Until-item.Since <= 71*3600 || item.Bytes != 256) {
				t.Errorf("waiting: %+v", item)
			}
		}
		want := map[string]uint64{
			"name": 1, "chain": 2, "device": 2, "sign_in_counter": 2, "delivery_hash": 2, "key_packages": 1,
			"last_resort_key_package": 1, "waiting": 1, "handshake": 1, "session": 1,
		}
		for k, n := range want {
			if kinds[k] != n {
				t.Errorf("%s: %d, want %d", k, kinds[k], n)
			}
			delete(kinds, k)
		}
		if len(kinds) > 0 {
			t.Errorf("also %v", kinds)
		}
	})
}
