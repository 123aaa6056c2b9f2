package relay_test

import (
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/wire"
)

// errand is something asked of the directory, or left to the relay, in which the
// power may go: do asks, and is done again after a crash; check looks at what
// came of it.
type errand struct {
	name      string
	do, check func()
}

// errands are those of bob and his PC, in their order.
func errands(t *testing.T, w *world) []errand {
	t.Helper()
	bob := w.newDevice("bob")
	pc := w.newDevice("pc")
	dials := func(d *device) *device {
		if d.link == nil {
			d.dial()
		}
		return d
	}
	signed := func() bool {
		if bob.session != nil {
			bob.hangUp()
		}
		bob.tryIn()
		return bob.session != nil
	}
	chain, err := devchain.Begin(bob.keys, nil, bob.chainBy)
	if err != nil {
		t.Fatal(err)
	}
	bob.chain = chain
	w.people["bob"] = bob
	with, err := chain.By(bob.id, bob.chainBy, &wire.AddDevice{Device: pc.keys, Consent: chain.Consent(pc.keys, pc.chainBy)})
	if err != nil {
		t.Fatal(err)
	}
	gone, err := with.By(bob.id, bob.chainBy, &wire.RemoveDevice{Device: pc.id[:]})
	if err != nil {
		t.Fatal(err)
	}
	id := chain.ID()
	var codes []string // invitations that were told
	grow := func(next devchain.Chain) func() {
		return func() {
			if signed() {
				entries := next.Wire().Entries
				bob.ask(&wire.AppendChain{Account: id[:], Entries: entries[len(entries)-1:]})
			}
		}
	}
	grown := func(next devchain.Chain) func() {
		return func() {
			bob.signIn()
			a, ok := bob.ask(&wire.ReadChain{Account: id[:]}).(*wire.Account)
			if !ok || len(a.Chain.Entries) != len(next.Wire().Entries) {
				t.Errorf("bob's chain is %v", a)
			}
			bob.hangUp()
		}
	}
	return []errand{
		{"register", func() { dials(bob).ask(&wire.Register{Protocol: 1, Name: "bob", Chain: chain.Wire()}); bob.hangUp() }, func() {
			got, ok := bob.ask(looksUp(bob.dial(), "bob")).(*wire.Account)
			if !ok || !slices.Equal(got.Account, id[:]) {
				t.Errorf("bob is %v", got)
			}
			bob.hangUp()
		}},
		{"publish", func() {
			if signed() {
				bob.ask(&wire.PublishKeyPackages{OneTime: [][]byte{[]byte("k1"), []byte("k2")}, LastResort: []byte("last"), Replace: true})
			}
		}, func() {
			bob.signIn()
			var got []string
			for range 3 {
				if p, ok := bob.ask(&wire.ClaimKeyPackages{Account: id[:], Devices: [][]byte{bob.id[:]}}).(*wire.KeyPackages); ok && len(p.Packages) == 1 {
					got = append(got, string(p.Packages[0].KeyPackage))
				}
			}
			if !slices.Equal(got, []string{"k1", "k2", "last"}) {
				t.Errorf("key packages %q", got)
			}
			bob.hangUp()
		}},
		{"add a device", grow(with), grown(with)},
		{"remove a device", grow(gone), grown(gone)},
		{"the end of a log", func() {
			if signed() {
				bob.ask(appends(1, 0, "commit"))
			}
			time.Sleep(73 * time.Hour)
		}, func() {
			bob.signIn()
			if got, ok := bob.ask(readEpoch(1)).(*wire.EpochLog); !ok || !got.Over || len(got.Entries) > 0 {
				t.Errorf("the log is %v", got)
			}
			bob.hangUp()
		}},
		{"invite", func() {
			if code, err := w.relay.Invite(t.Context(), 1); err == nil {
				codes = append(codes, code)
			}
		}, func() {
			// Each code that was told admits one person, also one of before the crash.
			w.halt()
			w.cfg.Registration = relay.RegistrationInvite
			w.start()
			for i, code := range codes {
				for use, name := range [][]string{{"carol", "dave"}, {"erin", "frank"}}[i] {
					d := w.newDevice(name)
					chain, err := devchain.Begin(d.keys, nil, d.chainBy)
					if err != nil {
						t.Fatal(err)
					}
					d.dial()
					got := d.ask(&wire.Register{Protocol: 1, Name: name, Chain: chain.Wire(), Invitation: code})
					if _, in := got.(*wire.Done); in != (use == 0) {
						t.Errorf("code %d, used %d times before: %T", i, use, got)
					}
					d.hangUp()
				}
			}
			if len(codes) == 0 {
				t.Error("no code was told")
			}
		}},
	}
}

// TestCrashInTheDirectory takes the power at each commit of what is asked of the
// directory, before and after, and lets commits fail without it. Whoever asks
// again gets what was asked for, once.
func TestCrashInTheDirectory(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter} {
		for which := range 6 {
			more := true
			for n := 1; more; n++ {
				story(t, func(t *testing.T, w *world) {
					for i, e := range errands(t, w) {
						if i < which {
							e.do()
							continue
						}
						before := w.store.Commits()
						w.store.Plan(n, fault)
						e.do()
						more = w.store.Commits()-before >= n
						w.crash()
						e.do()
						if e.check(); t.Failed() {
							t.Fatalf("%s: fault %d at commit %d", e.name, fault, n)
						}
						return
					}
				})
			}
		}
	}
}
