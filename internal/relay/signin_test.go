package relay_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/wire"
)

func TestNewestSessionWins(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		id := alice.post(message("first", bob))
		if got := bob.deliveries(); len(got) != 1 {
			t.Fatalf("delivered %v", got)
		}
		old, oldSession := bob.link, bob.session
		in := bob.signIn()
		if in.Waiting != 1 {
			t.Errorf("%d waiting, want the one that was not confirmed", in.Waiting)
		}
		if old.reason() != relay.Superseded {
			t.Errorf("the old connection was closed for %v", old.reason())
		}
		if n := len(old.take(func(f *wire.Frame) bool { return pushed[*wire.Superseded](f) != nil })); n != 1 {
			t.Errorf("told %d times", n)
		}
		// What the old session still says counts for nothing.
		f := wire.Frame{Body: &wire.Request{Body: &wire.Ack{N: 1}}}
		oldSession.Handle(f.Append(nil))
		alice.unanswered(id)
		bob.reads("first")
		alice.expect(id, wire.OutcomeLive)
		if s := w.relay.Status(); s.Connections != 2 || s.SignedIn != 2 || s.Stored != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestReconnectBeforeAckDeliversAgain(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		id := alice.post(message("hello", bob))
		if len(bob.deliveries()) != 1 {
			t.Fatal("not delivered")
		}
		bob.hangUp()
		alice.expect(id, wire.OutcomeStored)
		for range 3 { // it comes until it is confirmed
			if in := bob.signIn(); in.Waiting != 1 {
				t.Fatalf("%d waiting", in.Waiting)
			}
			if got := bob.deliveries(); len(got) != 1 || text(got[0].Envelope) != "hello" || !got[0].Stored {
				t.Fatalf("delivered %v", got)
			}
			bob.hangUp()
		}
		bob.signIn()
		bob.reads("hello")
		bob.hangUp()
		if in := bob.signIn(); in.Waiting != 0 {
			t.Errorf("%d waiting after the confirmation", in.Waiting)
		}
	})
}

func TestOldCopyIsRefused(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		bob := w.online("bob")
		bob.hangUp()
		for _, counter := range []uint64{0, bob.counter - 1} { // as stored, and before
			bob.counter = counter
			bob.refused(bob.signInRequest(bob.dial()), wire.FailureOldCopy)
			bob.hangUp()
		}
		w.crash()
		bob.counter = 0
		bob.refused(bob.signInRequest(bob.dial()), wire.FailureOldCopy)
	})
}

func TestReplayedSignInIsRefused(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		bob, mallory := w.person("bob"), w.newDevice("mallory")
		hello := bob.dial()
		heard := bob.signInRequest(hello)
		if _, ok := bob.ask(heard).(*wire.SignedIn); !ok {
			t.Fatal("bob can't sign in")
		}
		// Again on the same connection, and on another.
		bob.refused(heard, wire.FailureMalformed)
		mallory.dial()
		mallory.refused(heard, wire.FailureSignInRefused)
		if bob.link.reason() != 0 {
			t.Error("bob lost his session to a replay")
		}
	})
}

func TestForgedSignIns(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		bob, mallory := w.person("bob"), w.person("mallory")
		for name, forge := range map[string]func(m *wire.SignIn){
			"a wrong signature":       func(m *wire.SignIn) { m.Signature[0] ^= 1 },
			"another counter":         func(m *wire.SignIn) { m.Counter++ },
			"another delivery hash":   func(m *wire.SignIn) { m.DeliveryHash[0] ^= 1 },
			"somebody else's account": func(m *wire.SignIn) { id := bob.chain.ID(); m.Account = id[:] },
			"somebody else's device":  func(m *wire.SignIn) { m.Device = bob.id[:] },
			"an unknown device":       func(m *wire.SignIn) { m.Device = make([]byte, 16) },
		} {
			hello := mallory.dial()
			m := mallory.signInRequest(hello)
			forge(m)
			t.Log(name)
			mallory.refused(m, wire.FailureSignInRefused)
			mallory.hangUp()
		}
		mallory.dial()
		mallory.refused(&wire.SignIn{Protocol: 1}, wire.FailureMalformed)
		mallory.refused(&wire.SignIn{Protocol: 2}, wire.FailureVersion)
	})
}

func TestNothingGoesBeforeSignIn(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		bob, mallory := w.online("bob"), w.newDevice("mallory")
		mallory.dial()
		id := bob.chain.ID()
		for _, m := range []wire.RequestBody{
			message("boo", bob), &wire.ReadHeld{}, &wire.Ack{N: 1}, &wire.AckGap{},
			&wire.ReadEpoch{Handle: make([]byte, 32)}, &wire.ClaimKeyPackages{Account: id[:]}, &wire.SetAudience{Audience: 1},
			&wire.PublishKeyPackages{}, &wire.AppendEpoch{}, &wire.OpenLink{}, &wire.CloseLink{},
		} {
			mallory.refused(m, wire.FailureNotSignedIn)
		}
		time.Sleep(29 * time.Second)
		if mallory.link.reason() != 0 {
			t.Error("closed too early")
		}
		time.Sleep(2 * time.Second)
		if mallory.link.reason() != relay.NotSignedIn {
			t.Errorf("closed for %v", mallory.link.reason())
		}
		if bob.link.reason() != 0 {
			t.Error("who signed in was closed too")
		}
	})
}

func TestRemovedDeviceLosesSessionAndMailbox(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		phone := bob.link2("bob's phone")
		phone.signIn()
		phone.hangUp()
		alice.sends(message("to the phone", phone), wire.OutcomeStored)
		phone.signIn()
		live := alice.post(message("in memory", phone))

		bob.removes(phone)
		if phone.link.reason() != relay.Removed {
			t.Errorf("the phone's session was closed for %v", phone.link.reason())
		}
		alice.expect(live, wire.OutcomeGone)
		alice.sends(message("too late", phone), wire.OutcomeGone)
		phone.refused(phone.signInRequest(phone.dial()), wire.FailureDeviceRemoved)
		w.crash()
		alice.signIn()
		alice.sends(message("too late", phone), wire.OutcomeGone)
		phone.refused(phone.signInRequest(phone.dial()), wire.FailureDeviceRemoved)
		if s := w.relay.Status(); s.Waiting != 0 {
			t.Errorf("%d wait for a removed device", s.Waiting)
		}
	})
}

// link2 adds a second device to the account of d.
func (d *device) link2(name string) *device {
	d.w.t.Helper()
	next := d.w.newDevice(name)
	chain, err := d.chain.By(d.id, d.chainBy, &wire.AddDevice{Device: next.keys, Consent: d.chain.Consent(next.keys, next.chainBy)})
	if err != nil {
		d.w.t.Fatal(err)
	}
	d.presents(chain)
	d.chain, next.chain = chain, chain
	d.w.people[name] = next
	return next
}

// removes takes a device out of the account.
func (d *device) removes(other *device) {
	d.w.t.Helper()
	chain, err := d.chain.By(d.id, d.chainBy, &wire.RemoveDevice{Device: other.id[:]})
	if err != nil {
		d.w.t.Fatal(err)
	}
	d.presents(chain)
	d.chain = chain
	synctest.Wait()
}

// presents shows the last entry of a chain to the relay.
func (d *device) presents(chain devchain.Chain) {
	d.w.t.Helper()
	id, entries := chain.ID(), chain.Wire().Entries
	got, ok := d.ask(&wire.AppendChain{Account: id[:], Entries: entries[len(entries)-1:]}).(*wire.Account)
	if !ok || len(got.Chain.Entries) != len(entries) {
		d.w.t.Fatalf("%s: the relay did not take the chain: %s", d.name, show(got))
	}
}
