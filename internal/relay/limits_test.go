package relay_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/wire"
)

func TestBytesTimesTargetsAreLimited(t *testing.T) {
	tight := func(c *relay.Config) { c.Limits.SendBytes, c.Limits.SendBytesPerSecond = 1024, 256 }
	storyWith(t, tight, func(t *testing.T, w *world) {
		alice, bob, carol := w.online("alice"), w.online("bob"), w.online("carol")
		bob.hangUp()
		carol.hangUp()
		alice.sends(message("two", bob, carol), wire.OutcomeStored)
		alice.sends(message("two", bob, carol), wire.OutcomeStored)
		got, ok := alice.ask(message("one too many", bob)).(*wire.Failure)
		if !ok || got.Code != wire.FailureLimited || got.RetryAfterMs != 1000 {
			t.Fatalf("answered %s, %+v", show(got), got)
		}
		time.Sleep(time.Duration(got.RetryAfterMs) * time.Millisecond)
		alice.sends(message("later", bob), wire.OutcomeStored)
		// What an account may do, all its connections may do together.
		alice.signIn()
		alice.refused(message("one too many", bob), wire.FailureLimited)
	})
}

func TestAsksAreLimitedBeforeSignInToo(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		mallory := w.newDevice("mallory")
		mallory.dial()
		nobody := &wire.ReadChain{Account: make([]byte, 32)}
		for range 40 { // of 200 things
			mallory.refused(nobody, wire.FailureAccountUnknown)
		}
		mallory.refused(nobody, wire.FailureLimited)
		time.Sleep(500 * time.Millisecond)
		mallory.refused(nobody, wire.FailureAccountUnknown)
	})
}

func TestFullMemoryIsStored(t *testing.T) {
	small := func(c *relay.Config) { c.Limits.Memory = 600 }
	storyWith(t, small, func(t *testing.T, w *world) {
		alice, bob, carol := w.online("alice"), w.online("bob"), w.online("carol")
		var ids []uint64
		for range 3 { // the third meets a memory that holds more than it should
			ids = append(ids, alice.post(message("in memory", bob)))
		}
		alice.unanswered(ids[2])
		alice.sends(message("to the disk", carol), wire.OutcomeStored)
		bob.reads("in memory", "in memory", "in memory")
		for _, id := range ids {
			alice.expect(id, wire.OutcomeLive)
		}
		carol.reads("to the disk")
		id := alice.post(message("there is room", carol))
		carol.reads("there is room")
		alice.expect(id, wire.OutcomeLive)
	})
}

func TestTargetsAreLimited(t *testing.T) {
	few := func(c *relay.Config) { c.Limits.Targets, c.Limits.AudienceTargets = 2, 3 }
	storyWith(t, few, func(t *testing.T, w *world) {
		alice := w.online("alice")
		me := alice.target()
		alice.refused(message("x", alice, alice, alice), wire.FailureTooLarge)
		alice.refused(&wire.SetAudience{Audience: 1, Add: []wire.Target{me, me, me, me}}, wire.FailureTooLarge)
		alice.want(&wire.SetAudience{Audience: 1, Add: []wire.Target{me, me}}, &wire.Done{})
		alice.refused(&wire.SetAudience{Audience: 2, Add: []wire.Target{me, me}}, wire.FailureTooLarge)
		alice.want(&wire.SetAudience{Audience: 1, Reset: true}, &wire.Done{})
		alice.want(&wire.SetAudience{Audience: 2, Add: []wire.Target{me, me}}, &wire.Done{})
	})
}

func TestGapThatGrowsWhileConnected(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		bob.hangUp()
		alice.sends(message("one", bob), wire.OutcomeStored)
		time.Sleep(150 * time.Minute) // inside an hour: at its turn either hour's secret may seal
		alice.sends(message("two", bob), wire.OutcomeStored)
		time.Sleep(70 * time.Hour) // one is gone, two is not
		first := bob.signIn().Gap
		if first == nil || first.Count != 1 {
			t.Fatalf("gap %+v", first)
		}
		time.Sleep(2 * time.Hour) // bob is there and does not confirm
		synctest.Wait()
		if s := w.relay.Status(); s.Expired != 2 || s.Waiting != 0 {
			t.Fatalf("status %+v", s)
		}
		bob.want(&wire.AckGap{Generation: first.Generation}, &wire.Done{})
		w.crash()
		second := bob.signIn().Gap
		if second == nil || second.Count != 1 || second.Generation <= first.Generation || second.From < first.To {
			t.Errorf("gap %+v after %+v", second, first)
		}
	})
}
