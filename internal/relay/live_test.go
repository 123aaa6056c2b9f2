package relay_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/wire"
)

func TestLiveMessageIsConfirmedAndNeverStored(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		id := alice.post(message("hello bob", bob))
		alice.unanswered(id)
		got := bob.reads("hello bob")
		if got[0].Stored || got[0].N != 1 {
			t.Errorf("delivered as %+v", got[0])
		}
		alice.expect(id, wire.OutcomeLive)
		if s := w.relay.Status(); s.Live != 1 || s.Stored != 0 || s.Waiting != 0 || s.Acked != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestAwayThenSyncAfterSixtyHours(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.person("bob")
		_ = bob
		bob.signIn()
		bob.hangUp()
		alice.sends(message("안녕 🐄", bob), wire.OutcomeStored)
		time.Sleep(60 * time.Hour)
		if s := w.relay.Status(); s.Waiting != 1 || s.OldestWaitingSeconds != 60*3600 {
			t.Errorf("status %+v", s)
		}
		in := bob.signIn()
		if in.Waiting != 1 || in.Gap != nil {
			t.Errorf("signed in with %d waiting, gap %v", in.Waiting, in.Gap)
		}
		got := bob.deliveries()
		if len(got) != 1 || text(got[0].Envelope) != "안녕 🐄" || !got[0].Stored || got[0].WaitedMs != 60*3600*1000 {
			t.Fatalf("delivered %v", got)
		}
		if told[*wire.Drained](bob) != 1 {
			t.Error("no Drained")
		}
		bob.ack(1)
		synctest.Wait()
		if s := w.relay.Status(); s.Waiting != 0 || s.Acked != 1 || s.Stored != 1 {
			t.Errorf("status %+v", s)
		}
	})
}
