package relay_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/wire"
)

// appends is an AppendEpoch of a commit to members.
func appends(handle byte, after uint64, words string, to ...*device) *wire.AppendEpoch {
	m := &wire.AppendEpoch{Handle: bytes.Repeat([]byte{handle}, 32), After: after, Commit: envelope(words)}
	for _, d := range to {
		m.Targets = append(m.Targets, d.target())
	}
	return m
}

func readEpoch(handle byte) *wire.ReadEpoch {
	return &wire.ReadEpoch{Handle: bytes.Repeat([]byte{handle}, 32)}
}

func TestOneAppendWins(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob, carol := w.online("alice"), w.online("bob"), w.online("carol")
		m := appends(1, 0, "alice adds carol", bob)
		m.Welcomes = []wire.Welcome{{Target: &wire.Target{Device: carol.id[:], Token: carol.token[:]}, Envelope: envelope("welcome carol")}}
		got, ok := alice.ask(m).(*wire.EpochAppended)
		if !ok || len(got.Outcomes) != 1 || len(got.Welcomes) != 1 || got.Outcomes[0].Outcome != wire.OutcomeStored || got.Welcomes[0].Outcome != wire.OutcomeStored {
			t.Fatalf("alice: %v", got)
		}
		if !bytes.Equal(got.Welcomes[0].Device, carol.id[:]) {
			t.Error("the Welcome's outcome names another device")
		}
		bob.reads("alice adds carol")
		carol.reads("welcome carol")
		// Bob comes second: nothing changes, and he gets what he lacks.
		lost, ok := bob.ask(appends(1, 0, "bob removes carol", alice)).(*wire.EpochLog)
		if !ok || lost.From != 0 || len(lost.Entries) != 1 || text(lost.Entries[0]) != "alice adds carol" {
			t.Fatalf("bob: %v", lost)
		}
		alice.reads()
		// Whoever knows the handle reads; an unused one is empty.
		carol.want(readEpoch(1), &wire.EpochLog{Entries: [][]byte{m.Commit}})
		carol.want(readEpoch(2), &wire.EpochLog{})
		w.crash()
		carol.signIn()
		carol.want(readEpoch(1), &wire.EpochLog{Entries: [][]byte{m.Commit}})
		if s := w.relay.Status(); s.Stored != 0 || s.Waiting != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestAppendsAtTheSameTime(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		bob := w.online("bob")
		var all []*device
		for i := range 8 {
			all = append(all, w.online(fmt.Sprint("member", i)))
		}
		for round := range 20 {
			ids := make([]uint64, len(all))
			done := make(chan int)
			for i, d := range all {
				go func() {
					ids[i] = d.post(appends(byte(round), 0, fmt.Sprint(round, " ", i), bob))
					done <- i
				}()
			}
			for range all {
				<-done
			}
			won := ""
			for i, d := range all {
				switch got := d.answer(ids[i]).(type) {
				case *wire.EpochAppended:
					if won != "" {
						t.Fatal("two appends won")
					}
					won = fmt.Sprint(round, " ", i)
				case *wire.EpochLog:
					if len(got.Entries) != 1 {
						t.Fatalf("the loser was told of %d entries", len(got.Entries))
					}
				default:
					t.Fatalf("answered %s", show(got))
				}
			}
			bob.reads(won)
		}
	})
}

func TestUsedHandleIsOverForThirtyDays(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		if _, ok := alice.ask(appends(1, 0, "one", bob)).(*wire.EpochAppended); !ok {
			t.Fatal("not appended")
		}
		time.Sleep(40 * time.Hour)
		bob.want(readEpoch(1), &wire.EpochLog{Entries: [][]byte{envelope("one")}})
		time.Sleep(32*time.Hour + 10*time.Second)
		bob.want(readEpoch(1), &wire.EpochLog{Over: true})
		alice.want(appends(1, 1, "two", bob), &wire.EpochLog{From: 1, Over: true})
		synctest.Wait()
		if n := countRecords(t, w, "cwm"); n != 0 {
			t.Errorf("%d records are left of the commit", n)
		}
		w.halt()
		time.Sleep(26 * 24 * time.Hour)
		w.confirmed = true
		w.start()
		bob.signIn()
		bob.want(readEpoch(1), &wire.EpochLog{Over: true})
		w.halt()
		time.Sleep(2 * 24 * time.Hour)
		w.start()
		bob.signIn()
		bob.want(readEpoch(1), &wire.EpochLog{})
		if n := countRecords(t, w, "ect"); n != 0 {
			t.Errorf("%d records are left of the handle", n)
		}
	})
}

func TestEpochLimits(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		mallory := w.online("mallory")
		enters := func(d *device, after int) {
			t.Helper()
			if got, ok := d.ask(appends(1, uint64(after), "garbage")).(*wire.EpochAppended); !ok {
				t.Fatalf("%s's entry %d: %s", d.name, after, show(got))
			}
		}
		for i := range 5 { // a device's first, and four of the account
			for range 3 { // a lost race costs nothing
				if i > 0 {
					mallory.ask(appends(1, 0, "too late"))
				}
			}
			enters(mallory, i)
		}
		mallory.refused(appends(1, 5, "garbage"), wire.FailureLimited)
		// Her other device is not shut out by that, ADR 13; nor is anybody by a
		// crowd.
		tablet := mallory.link2("mallory's tablet")
		tablet.signIn()
		enters(tablet, 5)
		tablet.refused(appends(1, 6, "garbage"), wire.FailureLimited)
		for i := 6; i < 64; i += 2 {
			d := w.online(fmt.Sprint("other", i))
			enters(d, i)
			enters(d, i+1)
		}
		last := w.online("last")
		enters(last, 64)
		last.refused(appends(1, 65, "garbage"), wire.FailureLimited)
		mallory.refused(&wire.AppendEpoch{Handle: []byte("x"), Commit: envelope("x")}, wire.FailureMalformed)
		mallory.refused(&wire.AppendEpoch{Handle: make([]byte, 32), Commit: []byte("x")}, wire.FailureMalformed)
		mallory.refused(&wire.ReadEpoch{Handle: []byte("x")}, wire.FailureMalformed)
	})
}

func TestLongLogsComeInPages(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		for i := range 8 {
			m := appends(1, uint64(i), "")
			m.Commit = bytes.Repeat([]byte{byte(i)}, 256<<10)
			by := []*device{alice, bob}[i%2]
			if got, ok := by.ask(m).(*wire.EpochAppended); !ok {
				t.Fatalf("entry %d: %s", i, show(got))
			}
		}
		read := 0
		for read < 8 {
			m := readEpoch(1)
			m.From = uint64(read)
			got, ok := bob.ask(m).(*wire.EpochLog)
			if !ok || len(got.Entries) == 0 || got.EncodedLen() > 1<<20 {
				t.Fatalf("page from %d: %v", read, show(got))
			}
			for _, e := range got.Entries {
				if e[0] != byte(read) {
					t.Fatalf("entry %d holds %d", read, e[0])
				}
				read++
			}
		}
	})
}

func TestAppendKeepsItsPlaceAmongMessages(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		before := alice.post(message("before", bob))
		if _, ok := alice.ask(appends(1, 0, "commit", bob)).(*wire.EpochAppended); !ok {
			t.Fatal("not appended")
		}
		behind := alice.post(message("behind", bob))
		bob.reads("before", "commit", "behind")
		alice.expect(before, wire.OutcomeLive)
		alice.expect(behind, wire.OutcomeLive)
	})
}
