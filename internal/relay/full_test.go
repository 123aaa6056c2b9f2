package relay_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestAFullDiskStoresNothingNew: on a full disk what waits is handed out and
// deleted, the connected stay live to each other, and whoever would have to
// wait is refused, and is owed notice of it.
func TestAFullDiskStoresNothingNew(t *testing.T) {
	var full atomic.Bool
	storyWith(t, func(c *relay.Config) { c.Full = full.Load }, func(t *testing.T, w *world) {
		alice, bob, carol := w.online("alice"), w.online("bob"), w.online("carol")
		carol.hangUp()
		alice.sends(message("before", carol), wire.OutcomeStored)
		full.Store(true)
		alice.sends(message("no room", carol), wire.OutcomeFull)
		alice.sends(&wire.Send{Class: wire.ClassHandshake, Targets: message("x", bob).Targets, Envelope: message("x", bob).Envelope}, wire.OutcomeFull)
		sent := alice.post(message("live", bob))
		bob.reads("live")
		if got, ok := alice.answer(sent).(*wire.Sent); !ok || got.Outcomes[0].Outcome != wire.OutcomeLive {
			t.Errorf("between connected devices: %+v", got)
		}
		for _, body := range []wire.RequestBody{
			&wire.PublishKeyPackages{OneTime: [][]byte{[]byte("kp")}}, &wire.AppendChain{}, &wire.AppendEpoch{}, &wire.Register{},
		} {
			got, ok := alice.ask(body).(*wire.Failure)
			if !ok || got.Code != wire.FailureUnavailable || got.Text != "the server's disk is full, try again later" {
				t.Errorf("%T: %+v", body, got)
			}
		}
		in := carol.signIn()
		if in.Gap == nil || in.Gap.Count != 1 {
			t.Errorf("carol is told of %+v", in.Gap)
		}
		carol.reads("before")
		w.wait()
		if s := w.relay.Status(); s.Waiting != 0 || s.Acked != 2 {
			t.Errorf("what was confirmed stays: %+v", s)
		}
		carol.hangUp()
		full.Store(false)
		time.Sleep(time.Second)
		alice.sends(message("after", carol), wire.OutcomeStored)
		carol.signIn()
		carol.reads("after")
	})
}
