package relay_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/internal/work"
)

// knows is the proof that somebody was given a device's token.
func knows(d *device) *wire.Target {
	t := d.target()
	return &t
}

// knocks is an envelope for devices' request boxes.
func knocks(text string, to ...*device) *wire.Send {
	m := message(text, to...)
	for i := range m.Targets {
		m.Targets[i].Token = nil
	}
	return m
}

// TestARequestBoxTellsNothing: whoever writes without a token is answered the
// same, whether the device is there, away, full, removed or was never there. What
// is written is stored, never live.
func TestARequestBoxTellsNothing(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		mallory, there, away := w.online("mallory"), w.online("there"), w.person("away")
		gone := there.link2("gone")
		there.removes(gone)
		nobody := w.newDevice("nobody")
		for range 8 {
			for _, d := range []*device{there, away, gone, nobody} {
				mallory.sends(knocks("let me in", d), wire.OutcomeAccepted)
				live := knocks("are you there?", d)
				live.LiveOnly = true
				mallory.sends(live, wire.OutcomeAccepted)
			}
		}
		got := there.link.take(func(f *wire.Frame) bool { _, ok := f.Body.(*wire.Push); return ok })
		for _, f := range got {
			if d, ok := f.Body.(*wire.Push).Body.(*wire.Deliver); ok && !d.Stored {
				t.Error("a stranger's envelope was live")
			}
		}
		if s := w.relay.Status(); s.Live != 0 || s.Stored != 10 {
			t.Errorf("live %d, stored %d; want 0 and 5 for each device that is there", s.Live, s.Stored)
		}
	})
}

// TestTheRequestBoxIsBounded: twenty items for a device, five of one account,
// and those with a token have their room all the same.
func TestTheRequestBoxIsBounded(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		bob, friend := w.person("bob"), w.online("friend")
		bob.signIn()
		bob.hangUp()
		for i := range 6 {
			m := w.online(fmt.Sprint("mallory", strings.Repeat("y", i)))
			for range 10 {
				m.sends(knocks("let me in", bob), wire.OutcomeAccepted)
			}
		}
		friend.sends(message("hello", bob), wire.OutcomeStored)
		if in := bob.signIn(); in.Waiting != 21 {
			t.Errorf("%d wait, want 20 requests and a message", in.Waiting)
		}
		bob.hangUp()
		// They expire as all else.
		time.Sleep(73 * time.Hour)
		if in := bob.signIn(); in.Waiting != 0 || in.Gap == nil {
			t.Errorf("%d wait after three days, gap %+v", in.Waiting, in.Gap)
		}
	})
}

// TestStrangersGetLastResortAlone: one-time key packages are for those who have
// a token of the account, and for its own devices.
func TestStrangersGetLastResortAlone(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		mallory, bob := w.online("mallory"), w.online("bob")
		id := bob.chain.ID()
		bob.want(&wire.PublishKeyPackages{OneTime: [][]byte{[]byte("one"), []byte("two")}, LastResort: []byte("last")}, &wire.Done{})
		forged := knows(bob)
		forged.Token = bytes.Repeat([]byte{9}, 16)
		other := knows(mallory) // her own device, with its right token
		short := knows(bob)
		short.Token = nil
		for _, known := range []*wire.Target{nil, forged, other, short, {Device: []byte("x")}} {
			got, ok := mallory.ask(&wire.ClaimKeyPackages{Account: id[:], Known: known}).(*wire.KeyPackages)
			if !ok || len(got.Packages) != 1 || !got.Packages[0].LastResort {
				t.Errorf("with %+v mallory claims %s", known, show(got))
			}
		}
		got, ok := mallory.ask(&wire.ClaimKeyPackages{Account: id[:], Known: knows(bob)}).(*wire.KeyPackages)
		if !ok || got.Packages[0].LastResort {
			t.Errorf("who has the token claims %s", show(got))
		}
		got, ok = bob.ask(&wire.ClaimKeyPackages{Account: id[:]}).(*wire.KeyPackages)
		if !ok || got.Packages[0].LastResort {
			t.Errorf("bob himself claims %s", show(got))
		}
	})
}

// TestALookAlikeNameIsRefused: a name that passes for another one is not given
// out, and the refusal says why.
func TestALookAlikeNameIsRefused(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.person("Alice")
		w.person("bob")
		mallory := w.newDevice("mallory")
		chain, err := devchain.Begin(mallory.keys, nil, mallory.chainBy)
		if err != nil {
			t.Fatal(err)
		}
		mallory.dial()
		for name, want := range map[string]wire.FailureCode{
			"AIice": wire.FailureNameAlike, "a1ice": wire.FailureNameAlike, "b0b": wire.FailureNameAlike,
			"\u0412\u041e\u0412": wire.FailureNameAlike, "b\u043eb": wire.FailureNameRefused, "BOB": wire.FailureNameTaken,
		} {
			mallory.refused(&wire.Register{Protocol: 1, Name: name, Chain: chain.Wire()}, want)
		}
		mallory.want(&wire.Register{Protocol: 1, Name: "rob", Chain: chain.Wire()}, &wire.Done{})
		mallory.want(&wire.Register{Protocol: 1, Name: "rob", Chain: chain.Wire()}, &wire.Done{}) // repeated
	})
}

// TestAnAccountCostsWork: where anybody may register, the number that comes with
// it must be this connection's and this account's.
func TestAnAccountCostsWork(t *testing.T) {
	costs := func(c *relay.Config) { c.RegisterWork = 8 }
	storyWith(t, costs, func(t *testing.T, w *world) {
		d := w.newDevice("alice")
		chain, err := devchain.Begin(d.keys, nil, d.chainBy)
		if err != nil {
			t.Fatal(err)
		}
		find := func(hello *wire.Hello) uint64 {
			n, err := work.Find(t.Context(), hello.Nonce, chain.ID(), int(hello.RegisterWork), nil)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		hello := d.dial()
		if hello.RegisterWork != 8 || hello.Registration != wire.RegistrationOpen {
			t.Fatalf("hello asks for %d bits, %v", hello.RegisterWork, hello.Registration)
		}
		n := find(hello)
		for bad := n + 1; bad < n+4; bad++ {
			if !work.Proves(hello.Nonce, chain.ID(), bad, 8) {
				d.refused(&wire.Register{Protocol: 1, Name: "alice", Chain: chain.Wire(), Work: bad}, wire.FailureWork)
			}
		}
		d.hangUp()
		if again := d.dial(); !work.Proves(again.Nonce, chain.ID(), n, 8) { // 255 in 256
			d.refused(&wire.Register{Protocol: 1, Name: "alice", Chain: chain.Wire(), Work: n}, wire.FailureWork)
		}
		d.hangUp()
		d.want(&wire.Register{Protocol: 1, Name: "alice", Chain: chain.Wire(), Work: find(d.dial())}, &wire.Done{})
	})
	// Where an invitation is asked for, that is enough.
	storyWith(t, func(c *relay.Config) { c.RegisterWork, c.Registration = 8, relay.RegistrationInvite }, func(t *testing.T, w *world) {
		if hello := w.newDevice("alice").dial(); hello.RegisterWork != 0 || hello.Registration != wire.RegistrationInvite {
			t.Errorf("hello asks for %d bits, %v", hello.RegisterWork, hello.Registration)
		}
	})
}

// TestARushMakesAccountsDearer: many accounts in an hour cost more each, up to a
// bound, and it passes.
func TestARushMakesAccountsDearer(t *testing.T) {
	storyWith(t, func(c *relay.Config) { c.RegisterWork = 1 }, func(t *testing.T, w *world) {
		asks := func() uint32 {
			d := w.newDevice("somebody")
			defer d.hangUp()
			return d.dial().RegisterWork
		}
		if got := asks(); got != 1 {
			t.Errorf("at a quiet time an account costs %d bits", got)
		}
		for i := range 600 {
			d := w.newDevice(fmt.Sprint("squatter", i))
			chain, err := devchain.Begin(d.keys, nil, d.chainBy)
			if err != nil {
				t.Fatal(err)
			}
			hello := d.dial()
			n, err := work.Find(t.Context(), hello.Nonce, chain.ID(), int(hello.RegisterWork), nil)
			if err != nil {
				t.Fatal(err)
			}
			d.want(&wire.Register{Protocol: 1, Name: fmt.Sprintf("q%c%c%c", 'a'+i/26/26, 'a'+i/26%26, 'a'+i%26), Chain: chain.Wire(), Work: n}, &wire.Done{})
			d.hangUp()
		}
		if got := asks(); got != 3 {
			t.Errorf("after 600 accounts one costs %d bits, want 3", got)
		}
		time.Sleep(3 * time.Hour)
		if got := asks(); got != 1 {
			t.Errorf("three hours later it costs %d bits", got)
		}
	})
}

// TestCommitsOfAnAccountAreBounded: commits under random handles, which nobody
// reads, take a bounded part of the disk.
func TestCommitsOfAnAccountAreBounded(t *testing.T) {
	few := func(c *relay.Config) { c.Limits.CommitBytes = 1 << 20 }
	storyWith(t, few, func(t *testing.T, w *world) {
		mallory, alice := w.online("mallory"), w.online("alice")
		commit := bytes.Repeat([]byte{7}, 256<<10)
		appendAt := func(d *device, i int) wire.ResponseBody {
			h := bytes.Repeat([]byte{byte(i), 1}, 16)
			return d.ask(&wire.AppendEpoch{Handle: h, Commit: commit})
		}
		for i := range 4 {
			if _, ok := appendAt(mallory, i).(*wire.EpochAppended); !ok {
				t.Fatalf("commit %d was refused", i)
			}
		}
		got, ok := appendAt(mallory, 5).(*wire.Failure)
		if !ok || got.Code != wire.FailureLimited || got.RetryAfterMs == 0 {
			t.Fatalf("the fifth was answered %s", show(got))
		}
		if _, ok := appendAt(alice, 6).(*wire.EpochAppended); !ok {
			t.Error("alice pays for mallory")
		}
		time.Sleep(time.Duration(got.RetryAfterMs) * time.Millisecond)
		if _, ok := appendAt(mallory, 5).(*wire.EpochAppended); !ok {
			t.Error("it is refused still, after the time that was named")
		}
	})
}

// TestInvitationsAreReadAsTyped: case, spaces and hyphens do not matter.
func TestInvitationsAreReadAsTyped(t *testing.T) {
	storyWith(t, func(c *relay.Config) { c.Registration = relay.RegistrationInvite }, func(t *testing.T, w *world) {
		code, err := w.relay.Invite(t.Context(), 2)
		if err != nil || len(code) != 26 { // 130 bits
			t.Fatalf("code %q, %v", code, err)
		}
		for i, typed := range []string{strings.ToLower(code), " " + code[:5] + "-" + code[5:] + " "} {
			d := w.newDevice(fmt.Sprint("alice", i))
			chain, _ := devchain.Begin(d.keys, nil, d.chainBy)
			d.dial()
			d.want(&wire.Register{Protocol: 1, Name: []string{"alice", "carol"}[i], Chain: chain.Wire(), Invitation: typed}, &wire.Done{})
		}
	})
}
