package relay_test

import (
	"crypto/sha256"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
)

// recall is a message's secret and what its sender makes of it.
type recall struct{ secret secret.Bytes }

func newRecall() recall { return recall{seal.NewKey()} }

func (r recall) handle(t *testing.T, d *device) []byte {
	t.Helper()
	w, err := seal.WithdrawHandle(r.secret, d.id)
	if err != nil {
		t.Fatal(err)
	}
	return w[:]
}

// recallable is a message that can be withdrawn from each of the mailboxes.
func (r recall) message(t *testing.T, text string, to ...*device) *wire.Send {
	t.Helper()
	m := message(text, to...)
	for _, d := range to {
		hash := sha256.Sum256(r.handle(t, d))
		m.Withdraw = append(m.Withdraw, hash[:16]...)
	}
	return m
}

// withdraws asks for it, and reports what became of it at each device.
func (d *device) withdraws(t *testing.T, r recall, from ...*device) (out []bool) {
	t.Helper()
	m := &wire.Withdraw{}
	for _, dev := range from {
		m.Items = append(m.Items, wire.Withdrawal{Device: dev.id[:], Handle: r.handle(t, dev)})
	}
	got, ok := d.ask(m).(*wire.Withdrawn)
	if !ok || len(got.Outcomes) != len(from) {
		t.Fatalf("answered %v", got)
	}
	for _, o := range got.Outcomes {
		out = append(out, o.Withdrawn)
	}
	return out
}

// TestWithdraw takes a message back that waits on the disk, one that lies in
// memory, and one that was confirmed, over a crash in between.
func TestWithdraw(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob, carol := w.online("alice"), w.online("bob"), w.online("carol")
		bob.hangUp()
		r := newRecall()
		id := alice.post(r.message(t, "regretted", bob, carol))
		carol.reads("regretted")
		if got := alice.outcomes(id); !slices.Equal(got, []wire.Outcome{wire.OutcomeStored, wire.OutcomeLive}) {
			t.Fatalf("outcomes %v", got)
		}
		alice.sends(message("kept", bob), wire.OutcomeStored)
		if n := countRecords(t, w, "m"); n != 2 {
			t.Fatalf("%d records", n)
		}
		w.crash()
		alice.signIn()
		if got := alice.withdraws(t, newRecall(), bob); got[0] {
			t.Error("another handle withdraws it")
		}
		if got := alice.withdraws(t, r, carol, bob, bob); !slices.Equal(got, []bool{false, true, false}) {
			t.Errorf("withdrawn %v", got)
		}
		synctest.Wait()
		if n := countRecords(t, w, "m"); n != 1 {
			t.Errorf("%d records", n)
		}
		if s := w.relay.Status(); s.Withdrawn != 1 || s.Waiting != 1 || s.Destroyed == 0 {
			t.Errorf("status %+v", s)
		}
		in := bob.signIn()
		if in.Waiting != 1 || in.Gap != nil {
			t.Errorf("signed in with %+v", in)
		}
		bob.reads("kept")

		// In memory, delivered and not confirmed.
		id = alice.post(r.message(t, "again", bob))
		if got := bob.deliveries(); len(got) != 1 {
			t.Fatalf("%d deliveries", len(got))
		}
		if got := alice.withdraws(t, r, bob); !got[0] {
			t.Error("it is not withdrawn")
		}
		alice.expect(id, wire.OutcomeGone)
		time.Sleep(time.Minute)
		if n := countRecords(t, w, "m"); n != 0 {
			t.Errorf("%d records", n)
		}
	})
}

// TestWithdrawTellsNothing: who does not know the handle learns the same of a
// device that is there, one that never was, and a request box; what is asked
// wrongly is refused.
func TestWithdrawTellsNothing(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		nobody := w.newDevice("nobody")
		bob.hangUp()
		r := newRecall()
		knock := r.message(t, "knock", bob)
		knock.Targets[0].Token = nil
		alice.sends(knock, wire.OutcomeAccepted)
		if got := alice.withdraws(t, r, bob, nobody); slices.Contains(got, true) {
			t.Errorf("withdrawn %v", got)
		}
		if in := bob.signIn(); in.Waiting != 1 {
			t.Errorf("signed in with %+v", in)
		}
		handshake := r.message(t, "x", bob)
		handshake.Class = wire.ClassHandshake
		alice.refused(handshake, wire.FailureMalformed)
		short := r.message(t, "x", bob)
		short.Withdraw = short.Withdraw[:15]
		alice.refused(short, wire.FailureMalformed)
		alice.refused(&wire.Withdraw{Items: []wire.Withdrawal{{Device: bob.id[:], Handle: make([]byte, 31)}}}, wire.FailureMalformed)
		alice.refused(&wire.Withdraw{Items: []wire.Withdrawal{{Device: make([]byte, ident.DeviceSize+1), Handle: make([]byte, 32)}}}, wire.FailureMalformed)
		alice.refused(&wire.Withdraw{Items: make([]wire.Withdrawal, 5001)}, wire.FailureTooLarge)
	})
}

// TestWithdrawIsLimited: guesses count as questions do.
func TestWithdrawIsLimited(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		mallory, bob := w.online("mallory"), w.online("bob")
		r := newRecall()
		for range 300 {
			if f, ok := mallory.ask(&wire.Withdraw{Items: []wire.Withdrawal{{Device: bob.id[:], Handle: r.handle(t, bob)}}}).(*wire.Failure); ok {
				if f.Code != wire.FailureLimited || f.RetryAfterMs == 0 {
					t.Errorf("refused with %+v", f)
				}
				return
			}
		}
		t.Error("nobody stops the guessing")
	})
}
