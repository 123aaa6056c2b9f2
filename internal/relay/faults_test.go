package relay_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestLivePathWritesNothing is R4: what people write between connected devices
// never reaches the store, not by a single commit.
func TestLivePathWritesNothing(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		before := w.store.Commits()
		for i := range 500 {
			id := alice.post(message(fmt.Sprint(i), bob))
			bob.reads(fmt.Sprint(i))
			alice.expect(id, wire.OutcomeLive)
			id = bob.post(message(fmt.Sprint(i), alice))
			alice.reads(fmt.Sprint(i))
			bob.expect(id, wire.OutcomeLive)
		}
		if n := w.store.Commits() - before; n != 0 {
			t.Errorf("%d commits", n)
		}
		if s := w.relay.Status(); s.Live != 1000 || s.Stored != 0 {
			t.Errorf("status %+v", s)
		}
		// The control: with bob away it is counted.
		bob.hangUp()
		alice.sends(message("away", bob), wire.OutcomeStored)
		if n := w.store.Commits() - before; n != 1 {
			t.Errorf("%d commits for a message that waits", n)
		}
	})
}

// TestManySendsShareACommit: what many ask for meanwhile is one commit a lane.
func TestManySendsShareACommit(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		bob.hangUp()
		before := w.store.Commits()
		w.store.Plan(1, storetest.FailBefore) // keeps the first under way for 10 ms
		var ids []uint64
		for i := range 200 {
			ids = append(ids, alice.post(message(fmt.Sprint(i), bob)))
		}
		time.Sleep(20 * time.Millisecond)
		for _, id := range ids {
			alice.expect(id, wire.OutcomeStored)
		}
		if n := w.store.Commits() - before; n > 4 {
			t.Errorf("%d commits for 200 envelopes", n)
		}
	})
}

func TestUnknownOutcomeOfACommit(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.FailBefore, storetest.FailAfter} {
		story(t, func(t *testing.T, w *world) {
			alice, bob := w.online("alice"), w.online("bob")
			bob.hangUp()
			// It is tried again and told as it is.
			w.store.Plan(1, fault)
			id := alice.post(message("one", bob))
			time.Sleep(time.Second)
			alice.expect(id, wire.OutcomeStored)
			// When nothing helps nothing is promised, and nothing stays.
			for n := range 4 {
				w.store.Plan(n+1, fault)
			}
			id = alice.post(message("two", bob))
			time.Sleep(10 * time.Second)
			alice.expect(id, wire.OutcomeUnknown)
			alice.sends(message("three", bob), wire.OutcomeStored)
			bob.signIn()
			bob.reads("one", "three")
			synctest.Wait()
			if n := countRecords(t, w, "m"); n != 0 {
				t.Errorf("fault %d: %d records are left", fault, n)
			}
		})
	}
}

func TestUnknownOutcomeOfAnAppend(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		// The commit went through and nobody said so: the log knows its entry.
		w.store.Plan(1, storetest.FailAfter)
		if got, ok := alice.ask(appends(1, 0, "one", bob)).(*wire.EpochAppended); !ok {
			t.Fatalf("answered %s", show(got))
		}
		bob.reads("one")
		synctest.Wait()
		// Nothing helps: the caller has to look.
		for n := range 4 {
			w.store.Plan(n+1, storetest.FailAfter)
		}
		alice.refused(appends(2, 0, "two", bob), wire.FailureUnavailable)
		alice.want(readEpoch(2), &wire.EpochLog{Entries: [][]byte{envelope("two")}})
		id := alice.post(message("behind", bob))
		bob.reads("behind")
		alice.expect(id, wire.OutcomeLive)
		synctest.Wait()
		if n := countRecords(t, w, "m"); n != 0 {
			t.Errorf("%d records are left", n)
		}
	})
}

func TestForgettingIsRepeatedUntilItSucceeds(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		bob.hangUp()
		alice.sends(message("one", bob), wire.OutcomeStored)
		bob.signIn()
		for n := range 9 {
			w.store.Plan(n+1, storetest.FailBefore)
		}
		bob.reads("one")
		time.Sleep(time.Second)
		if n := countRecords(t, w, "m"); n != 1 {
			t.Fatalf("%d records while the disk fails", n)
		}
		time.Sleep(time.Minute)
		if n := countRecords(t, w, "mw"); n != 0 {
			t.Errorf("%d records are left", n)
		}
	})
}

// scenario is a short life of three people, in which every kind of commit
// happens. It notes what was promised.
type scenario struct {
	alice, bob, carol *device

	promised map[string][]string // by reader: what was answered live or stored
	read     map[string][]string // by reader: in the order of reading
	claimed  []string            // one-time key packages
	appended bool
}

// note keeps what a Send was answered, if it was.
func (s *scenario) note(id uint64, to *device, words string) {
	time.Sleep(20 * time.Second) // all tries and timeouts
	if sent, ok := s.alice.answer(id).(*wire.Sent); ok {
		if o := sent.Outcomes[0].Outcome; o == wire.OutcomeLive || o == wire.OutcomeStored {
			s.promised[to.name] = append(s.promised[to.name], words)
		}
	}
}

// reads takes what comes and confirms it.
func (s *scenario) reads(d *device) {
	if d.link == nil {
		return
	}
	for {
		got := d.deliveries()
		if len(got) == 0 {
			return
		}
		for _, m := range got {
			s.read[d.name] = append(s.read[d.name], text(m.Envelope))
		}
		d.ack(got[len(got)-1].N)
		time.Sleep(20 * time.Second)
	}
}

func (s *scenario) claim() {
	id := s.bob.chain.ID()
	if got, ok := s.alice.ask(&wire.ClaimKeyPackages{Account: id[:]}).(*wire.KeyPackages); ok {
		for _, p := range got.Packages {
			s.claimed = append(s.claimed, string(p.KeyPackage))
		}
	}
}

func (s *scenario) play() {
	handshake := func(words string, to *device) *wire.Send {
		return &wire.Send{Envelope: envelope(words), Targets: []wire.Target{to.target()}, Class: wire.ClassHandshake}
	}
	s.note(s.alice.post(message("1 to carol", s.carol)), s.carol, "1 to carol")
	id := s.alice.post(handshake("1 to bob", s.bob))
	synctest.Wait()
	s.reads(s.bob)
	s.note(id, s.bob, "1 to bob")
	id = s.alice.post(message("2 to bob", s.bob))
	s.reads(s.bob)
	s.note(id, s.bob, "2 to bob")
	id = s.alice.post(message("3 to bob", s.bob))
	s.bob.hangUp()
	s.note(id, s.bob, "3 to bob")
	s.claim()
	if _, ok := s.alice.ask(appends(1, 0, "commit", s.bob, s.carol)).(*wire.EpochAppended); ok {
		s.appended = true
		s.promised["bob"] = append(s.promised["bob"], "commit")
		s.promised["carol"] = append(s.promised["carol"], "commit")
	}
	if hello := s.carol.dial(); hello != nil {
		s.carol.ask(s.carol.signInRequest(hello))
		s.reads(s.carol)
		s.carol.hangUp()
	}
	s.claim()
	s.note(s.alice.post(message("2 to carol", s.carol)), s.carol, "2 to carol")
}

func TestCrashAtEveryCommit(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter} {
		for n := 1; ; n++ {
			more := true
			story(t, func(t *testing.T, w *world) {
				s := &scenario{promised: map[string][]string{}, read: map[string][]string{}}
				s.alice, s.bob, s.carol = w.online("alice"), w.online("bob"), w.online("carol")
				s.carol.hangUp()
				s.bob.want(&wire.PublishKeyPackages{OneTime: [][]byte{[]byte("k1"), []byte("k2"), []byte("k3")}}, &wire.Done{})
				before := w.store.Commits()
				w.store.Plan(n, fault)
				s.play()
				more = w.store.Commits()-before >= n
				w.crash()
				s.verify(t, fmt.Sprintf("fault %d at commit %d", fault, n))
			})
			if !more {
				if n < 8 {
					t.Errorf("the scenario has %d commits: it is not what this test is for", n)
				}
				break
			}
		}
	}
}

// verify looks at what is left after the crash.
func (s *scenario) verify(t *testing.T, when string) {
	t.Helper()
	for _, d := range []*device{s.bob, s.carol} {
		d.signIn()
		s.reads(d)
		var first []string
		for _, words := range s.read[d.name] {
			if !slices.Contains(first, words) {
				first = append(first, words)
			}
		}
		for _, words := range s.promised[d.name] {
			if !slices.Contains(first, words) {
				t.Errorf("%s: %s was promised %q and read %q", when, d.name, words, first)
			}
		}
		// What was not promised may come late; the rest is in alice's order.
		own := slices.DeleteFunc(first, func(words string) bool { return words == "commit" || !slices.Contains(s.promised[d.name], words) })
		if !slices.IsSorted(own) {
			t.Errorf("%s: %s read %q", when, d.name, own)
		}
	}
	s.alice.signIn()
	got, ok := s.alice.ask(readEpoch(1)).(*wire.EpochLog)
	if !ok || (s.appended && len(got.Entries) != 1) || len(got.Entries) > 1 {
		t.Errorf("%s: the epoch's log has %v", when, got)
	}
	s.claim()
	s.claim()
	for i, k := range s.claimed {
		if slices.Contains(s.claimed[:i], k) {
			t.Errorf("%s: key packages %q", when, s.claimed)
		}
	}
}
