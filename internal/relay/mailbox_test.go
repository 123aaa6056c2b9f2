package relay_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/wire"
)

func TestExpiredIsToldUntilAcknowledged(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		bob.hangUp()
		start := w.cfg.Clock.Now()
		alice.sends(message("one", bob), wire.OutcomeStored)
		time.Sleep(30 * time.Minute)
		alice.sends(message("two", bob), wire.OutcomeStored)
		time.Sleep(2 * time.Hour)
		alice.sends(message("three", bob), wire.OutcomeStored)
		time.Sleep(start.Add(72*time.Hour + 10*time.Second).Sub(w.cfg.Clock.Now()))
		synctest.Wait()
		if s := w.relay.Status(); s.Waiting != 1 || s.Expired != 2 {
			t.Errorf("status %+v", s)
		}
		want := wire.Gap{Count: 2, From: start.Unix(), To: start.Add(30 * time.Minute).Unix()}
		var gap *wire.Gap
		for i := range 3 {
			if i == 2 {
				w.crash() // it is durable
			}
			gap = bob.signIn().Gap
			if gap == nil || gap.Count != want.Count || gap.From != want.From || gap.To != want.To {
				t.Fatalf("sign-in %d: gap %+v, want %+v", i+1, gap, want)
			}
		}
		bob.reads("three")
		bob.want(&wire.AckGap{Generation: gap.Generation + 1}, &wire.Done{}) // another gap: nothing happens
		bob.hangUp()
		if again := bob.signIn().Gap; again == nil || again.Generation != gap.Generation {
			t.Errorf("gap %+v after a wrong acknowledgement", again)
		}
		bob.want(&wire.AckGap{Generation: gap.Generation}, &wire.Done{})
		w.crash()
		if again := bob.signIn().Gap; again != nil {
			t.Errorf("gap %+v after its acknowledgement", again)
		}
	})
}

func TestNothingIsReadableAfterTheBoundEvenBehindAStop(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		bob.hangUp()
		alice.sends(message("one", bob), wire.OutcomeStored)
		w.halt()
		time.Sleep(100 * time.Hour) // the machine was off
		before := countRecords(t, w, "m")
		w.start()
		if before != 1 || countRecords(t, w, "m") != 0 {
			t.Errorf("%d records before the start, %d when it serves", before, countRecords(t, w, "m"))
		}
		if in := bob.signIn(); in.Gap == nil || in.Gap.Count != 1 || in.Waiting != 0 {
			t.Errorf("signed in with %+v", in)
		}
	})
}

func TestHandshakeIsStoredFirst(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		commit := &wire.Send{Envelope: envelope("commit"), Targets: []wire.Target{bob.target()}, Class: wire.ClassHandshake}
		alice.sends(commit, wire.OutcomeStored)
		// What people write behind it stays in memory while bob is there.
		id := alice.post(message("hello", bob))
		got := bob.deliveries()
		if len(got) != 2 || !got[0].Stored || got[0].Class != wire.ClassHandshake || got[1].Stored {
			t.Fatalf("delivered %v", got)
		}
		bob.ack(2)
		alice.expect(id, wire.OutcomeLive)
		if s := w.relay.Status(); s.Stored != 0 || s.Handshake != 1 || s.Live != 1 || s.Waiting != 0 {
			t.Errorf("status %+v", s)
		}
		commit.LiveOnly = true
		alice.refused(commit, wire.FailureMalformed)
	})
}

func TestLiveOnlyNeverTouchesTheDisk(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		secretly := func(words string) uint64 {
			m := message(words, bob)
			m.LiveOnly = true
			return alice.post(m)
		}
		id := secretly("one")
		bob.reads("one")
		alice.expect(id, wire.OutcomeLive)
		id = secretly("two") // bob does not confirm
		time.Sleep(11 * time.Second)
		alice.expect(id, wire.OutcomeGone)
		id = secretly("three") // bob goes before he confirms
		bob.hangUp()
		alice.expect(id, wire.OutcomeGone)
		alice.expect(secretly("four"), wire.OutcomeGone) // bob is away
		if in := bob.signIn(); in.Waiting != 0 {
			t.Errorf("%d waiting", in.Waiting)
		}
		if s := w.relay.Status(); s.Stored != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestSlowDeviceIsStoredForAfterTenSeconds(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		first := alice.post(message("one", bob))
		time.Sleep(5 * time.Second)
		second := alice.post(message("two", bob))
		time.Sleep(4 * time.Second)
		alice.unanswered(first)
		time.Sleep(2 * time.Second)
		alice.expect(first, wire.OutcomeStored)
		alice.expect(second, wire.OutcomeStored)
		alice.sends(message("three", bob), wire.OutcomeStored) // at once: bob is slow
		bob.reads("one", "two", "three")                       // a late confirmation deletes
		synctest.Wait()
		if s := w.relay.Status(); s.Waiting != 0 || s.Stored != 3 {
			t.Errorf("status %+v", s)
		}
		id := alice.post(message("four", bob))
		bob.reads("four")
		alice.expect(id, wire.OutcomeLive)
	})
}

func TestTooMuchInMemoryIsStored(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, carol, bob := w.online("alice"), w.online("carol"), w.online("bob")
		big := &wire.Send{Envelope: make([]byte, 64<<10), Targets: []wire.Target{bob.target()}}
		var ids []uint64
		for range 33 {
			ids = append(ids, alice.post(big))
		}
		alice.unanswered(ids[0])
		for range 32 {
			ids = append(ids, alice.post(big))
		}
		for _, id := range ids {
			alice.expect(id, wire.OutcomeStored)
		}
		// At most 4 MiB are on their way at a time.
		n := 0
		for n < len(ids) {
			got := bob.deliveries()
			if len(got) == 0 || len(got) > 64 {
				t.Fatalf("%d deliveries at once", len(got))
			}
			n += len(got)
			bob.ack(got[len(got)-1].N)
		}
		_ = carol
		if told[*wire.Drained](bob) != 1 {
			t.Error("drained not told once")
		}
	})
}

func TestBacklogComesInWindows(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		bob.hangUp()
		for i := range 600 {
			alice.sends(message(fmt.Sprint(i), bob), wire.OutcomeStored)
		}
		if in := bob.signIn(); in.Waiting != 600 {
			t.Fatalf("%d waiting", in.Waiting)
		}
		next := 0
		for next < 600 {
			got := bob.deliveries()
			if len(got) == 0 || len(got) > 256 {
				t.Fatalf("%d deliveries at once", len(got))
			}
			for _, d := range got {
				if text(d.Envelope) != fmt.Sprint(next) {
					t.Fatalf("got %s, want %d", text(d.Envelope), next)
				}
				next++
			}
			if drained := told[*wire.Drained](bob); (drained == 1) != (next == 600) {
				t.Fatalf("drained told %d times at %d", drained, next)
			}
			bob.ack(got[len(got)-1].N)
		}
		synctest.Wait()
		if n := countRecords(t, w, "mw"); n != 0 {
			t.Errorf("%d records are left", n)
		}
	})
}

func TestFullMailboxAndTheFifth(t *testing.T) {
	if testing.Short() {
		t.Skip("it stores 20,000 envelopes, which takes long under the race detector")
	}
	loose := func(c *relay.Config) { c.Limits.SendBytes = 1 << 40 }
	storyWith(t, loose, func(t *testing.T, w *world) {
		bob := w.online("bob")
		bob.hangUp()
		total := 0
		for i := range 6 { // each may fill a fifth
			mallory := w.online(fmt.Sprint("mallory", i))
			stored, full := 0, 0
			for _, o := range mallory.outcomes(mallory.post(message("spam", slices.Repeat([]*device{bob}, 4_001)...))) {
				switch o { //nolint:exhaustive // others are missed in the sums
				case wire.OutcomeStored:
					stored++
				case wire.OutcomeFull:
					full++
				}
			}
			total += stored
			if want := []int{4_000, 4_000, 4_000, 4_000, 2_000, 0}[i]; stored != want || full != 4_001-want {
				t.Errorf("%s: %d stored, %d full", mallory.name, stored, full)
			}
		}
		// There is room for what changes rooms, and bob is told what he missed.
		carol := w.online("carol")
		commit := message("commit", bob)
		commit.Class = wire.ClassHandshake
		carol.sends(message("no room", bob), wire.OutcomeFull)
		carol.sends(commit, wire.OutcomeStored)
		want := uint64(6*4_001 + 1 - total)
		if gap := bob.signIn().Gap; gap == nil || gap.Count != want {
			t.Errorf("gap %+v, want %d", gap, want)
		}
		w.crash()
		if gap := bob.signIn().Gap; gap == nil || gap.Count < want/2 {
			t.Errorf("gap %+v after a crash, want at least half of %d", gap, want)
		}
	})
}

func TestWrongTokenAndUnknownDevice(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		mallory, bob := w.online("mallory"), w.online("bob")
		m := message("boo", bob)
		m.Targets[0].Token = make([]byte, 16)
		mallory.sends(m, wire.OutcomeRefused)
		ghost := w.newDevice("ghost")
		mallory.sends(message("boo", ghost), wire.OutcomeGone)
		away := w.person("away") // registered, and never signed in: nobody has its token
		mallory.sends(message("boo", away), wire.OutcomeRefused)
		// The answer is the same after a restart, when the relay has to look.
		w.crash()
		mallory.signIn()
		mallory.sends(m, wire.OutcomeRefused)
		mallory.sends(message("boo", ghost), wire.OutcomeGone)
		mallory.sends(message("hello", bob), wire.OutcomeStored)
	})
}

func TestGuessedDevicesDoNotFillTheMemory(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		mallory, bob := w.online("mallory"), w.online("bob")
		before := w.relay.Boxes()
		m := &wire.Send{Envelope: envelope("?")}
		for i := range 1000 {
			m.Targets = append(m.Targets, wire.Target{Device: fmt.Appendf(nil, "%016d", i), Token: make([]byte, 16)})
		}
		mallory.sends(m, wire.OutcomeGone)
		if n := w.relay.Boxes(); n != before {
			t.Errorf("%d mailboxes in memory, before it was %d", n, before)
		}
		bob.hangUp()
		mallory.hangUp()
		time.Sleep(time.Hour)
		if n := w.relay.Boxes(); n != 0 {
			t.Errorf("%d mailboxes in memory of people who are away", n)
		}
	})
}

func TestAudience(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob, carol, dave := w.online("alice"), w.online("bob"), w.online("carol"), w.online("dave")
		alice.want(&wire.SetAudience{Audience: 7, Add: []wire.Target{bob.target(), carol.target()}}, &wire.Done{})
		m := message("to three", dave)
		m.Audience = 7
		id := alice.post(m)
		for _, d := range []*device{bob, carol, dave} {
			alice.unanswered(id)
			d.reads("to three")
		}
		alice.expect(id, wire.OutcomeLive)
		alice.want(&wire.SetAudience{Audience: 7, Remove: [][]byte{bob.id[:]}}, &wire.Done{})
		m = message("to carol")
		m.Audience = 7
		id = alice.post(m)
		bob.reads()
		carol.reads("to carol")
		alice.expect(id, wire.OutcomeLive)
		alice.want(&wire.SetAudience{Audience: 7, Reset: true}, &wire.Done{})
		alice.refused(m, wire.FailureMalformed)
		alice.refused(&wire.SetAudience{}, wire.FailureMalformed)
	})
}

func TestBrokenFrames(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		mallory := w.online("mallory")
		for _, size := range []int{0, 1, 255, 257, 65537, 262144} {
			mallory.refused(&wire.Send{Envelope: make([]byte, size), Targets: []wire.Target{mallory.target()}}, wire.FailureMalformed)
		}
		mallory.refused(&wire.Send{Envelope: envelope("x"), Targets: []wire.Target{{Device: []byte("x")}}}, wire.FailureMalformed)
		mallory.refused(&wire.Send{Envelope: envelope("x"), Class: 7}, wire.FailureMalformed)
		mallory.refused(nil, wire.FailureMalformed)
		for name, frame := range map[string][]byte{
			"garbage":            []byte("GET / HTTP/1.1\r\n"),
			"nothing":            {},
			"too long":           make([]byte, 1<<20+1),
			"an answer":          (&wire.Frame{Body: &wire.Response{Id: 1}}).Append(nil),
			"a request number 0": (&wire.Frame{Body: &wire.Request{Body: &wire.ReadHeld{}}}).Append(nil),
			"an ack of nothing":  (&wire.Frame{Body: &wire.Request{Body: &wire.Ack{N: 1}}}).Append(nil),
		} {
			mallory.signIn()
			mallory.session.Handle(frame)
			if mallory.link.reason() != relay.Malformed {
				t.Errorf("%s: closed for %v", name, mallory.link.reason())
			}
		}
		if s := w.relay.Status(); s.Connections != 0 || s.SignedIn != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestTooManyOpenRequestsAreLimited(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		for range 256 {
			alice.post(message("x", bob))
		}
		alice.refused(message("one more", bob), wire.FailureLimited)
		got := bob.deliveries()
		bob.ack(got[len(got)-1].N)
		id := alice.post(message("one more", bob))
		bob.reads("one more")
		alice.expect(id, wire.OutcomeLive)
	})
}

func TestDrainStoresWhatIsInMemory(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		id := alice.post(message("hello", bob))
		if err := w.relay.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		alice.expect(id, wire.OutcomeStored)
		if alice.link.reason() != relay.Stopping || bob.link.reason() != relay.Stopping {
			t.Errorf("closed for %v and %v", alice.link.reason(), bob.link.reason())
		}
		w.crash()
		bob.signIn()
		bob.reads("hello")
	})
}
