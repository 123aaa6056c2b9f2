package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/sealer"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/vault/detective"
	"github.com/byre-messenger/byre/internal/wire"
)

// bug is what is wrong with a relay, on purpose.
type bug string

const (
	noBug        bug = ""
	neverForgets bug = "forget is not called"
	keepsSlots   bug = "old slots are kept"
	reusesKeys   bug = "a checkpoint key is used again"
	logsRecords  bug = "a record is logged"
)

// kept is a value that was written at a key of the store.
type kept struct{ key, val []byte }

// scene is a relay that lives through many things, with everything that it ever
// wrote.
type scene struct {
	*world

	rand    *rand.Rand
	bug     bug
	clock   *clock.Shifted
	mu      sync.Mutex
	sealed  []kept   // what was sealed by a key of its own, ever
	bytes   [][]byte // all keys and values ever
	markers []string // what people are called, and wrote
	away    []*device
	waits   map[*device][]string // what each was promised
	recalls map[string]recall
	epochs  byte
}

// tape records what is written to a store.
type tape struct {
	store.Store

	s *scene
}

func (tp tape) Commit(ctx context.Context, b *store.Batch) error {
	tp.s.mu.Lock()
	for _, o := range b.Ops() {
		key, val := bytes.Clone(o.Key), bytes.Clone(o.Val)
		tp.s.bytes = append(tp.s.bytes, key, val)
		if kind := atrest.Kind(key[0]); o.Kind == store.OpSet && (kind == atrest.Mailbox || kind == atrest.Commit) {
			tp.s.sealed = append(tp.s.sealed, kept{key, val})
		}
	}
	tp.s.mu.Unlock()
	return tp.Store.Commit(ctx, b)
}

// ciphertext is a sealed record without what stands before it.
func (k kept) ciphertext() []byte {
	if atrest.Kind(k.key[0]) == atrest.Mailbox {
		return k.val[16:]
	}
	return k.val
}

func newScene(t *testing.T, seed uint64, b bug) *scene {
	t.Helper()
	s := &scene{
		rand: rand.New(rand.NewPCG(seed, 5)), bug: b, clock: clock.Shift(clock.System{}, 0),
		waits: map[*device][]string{}, recalls: map[string]recall{},
	}
	s.world = emptyWorld(t, func(c *relay.Config) { c.Clock = s.clock })
	s.through = func(st store.Store) store.Store { return tape{st, s} }
	s.vault.KeepSlots, s.vault.ReuseKeys = b == keepsSlots, b == reusesKeys
	s.restart()
	for _, who := range []string{"bob-canary", "carol-canary"} {
		d := s.online(who)
		d.hangUp()
		s.away = append(s.away, d)
		account := d.chain.ID()
		s.markers = append(s.markers, who, string(d.id[:]), string(account[:]), d.id.String(), account.String(), string(d.token[:]))
	}
	return s
}

func (s *scene) restart() {
	s.start()
	if s.bug == neverForgets {
		s.relay.BreakForgetting()
	}
}

func (s *scene) sender() *device {
	alice := s.people["alice-canary"]
	if alice == nil {
		s.markers = append(s.markers, "alice-canary")
		return s.online("alice-canary")
	}
	if alice.session == nil {
		alice.signIn()
	}
	return alice
}

func (s *scene) send(t *testing.T, to ...*device) {
	t.Helper()
	words := fmt.Sprintf("canary %d sings", len(s.recalls))
	r := newRecall()
	s.recalls[words] = r
	s.sender().sends(r.message(t, words, to...), wire.OutcomeStored)
	for _, d := range to {
		s.waits[d] = append(s.waits[d], words)
	}
	s.markers = append(s.markers, words)
	if s.bug == logsRecords {
		s.log.WriteString(words)
	}
}

// fetch lets a device read what waits and confirm the first n of it.
func (s *scene) fetch(t *testing.T, d *device, n int) {
	t.Helper()
	d.signIn()
	defer d.hangUp()
	got := d.deliveries()
	var words []string
	for _, m := range got {
		words = append(words, text(m.Envelope))
	}
	if !slices.Equal(words, s.waits[d]) {
		t.Fatalf("%s is given %q, want %q", d.name, words, s.waits[d])
	}
	if n = min(n, len(got)); n > 0 {
		d.ack(got[n-1].N)
		synctest.Wait()
	}
	s.waits[d] = s.waits[d][n:]
}

func (s *scene) withdraw(t *testing.T, d *device) {
	t.Helper()
	if len(s.waits[d]) == 0 {
		return
	}
	i := s.rand.IntN(len(s.waits[d]))
	if got := s.sender().withdraws(t, s.recalls[s.waits[d][i]], d); !got[0] {
		t.Fatalf("%s: %q is not withdrawn", d.name, s.waits[d][i])
	}
	s.waits[d] = slices.Delete(s.waits[d], i, i+1)
}

// live lets many things happen.
func (s *scene) live(t *testing.T, n int) {
	t.Helper()
	for range n {
		d := s.away[s.rand.IntN(len(s.away))]
		switch s.rand.IntN(10) {
		case 0, 1, 2:
			s.send(t, d)
		case 3:
			s.send(t, s.away...)
		case 4, 5:
			s.fetch(t, d, s.rand.IntN(4))
		case 6:
			s.withdraw(t, d)
		case 7:
			words := fmt.Sprintf("commit canary %d", s.epochs)
			if _, ok := s.sender().ask(appends(s.epochs, 0, words)).(*wire.EpochAppended); !ok {
				t.Fatal("not appended")
			}
			s.markers = append(s.markers, words)
			s.epochs++
		case 8:
			time.Sleep(time.Duration(s.rand.IntN(9000)) * time.Millisecond)
		case 9:
			s.halt()
			s.restart()
		}
	}
	for _, d := range s.away {
		s.send(t, d)
		s.send(t, d)
		s.fetch(t, d, 1)
	}
	synctest.Wait()
	time.Sleep(2 * sealer.CheckpointTime) // the shred lag
}

// surviving are all keys that follow from vault and checkpoints, of which a disk
// may keep each that was ever written.
func (s *scene) surviving() *detective.Keys {
	e := detective.Evidence{Checkpoints: s.vault.Checkpoints(), Far: 24, Steps: 2}
	for _, slot := range s.vault.Slots() {
		e.Slots = append(e.Slots, detective.Slot{Generation: slot.Generation, Key: slot.Key.Reveal()})
	}
	for _, k := range s.sealed {
		if owner := [16]byte(k.key[1:]); !slices.Contains(e.Owners, owner) {
			e.Owners = append(e.Owners, owner)
		}
	}
	return detective.Investigate(e)
}

// forensics returns what is wrong: what was confirmed, expired or withdrawn and
// opens with anything that is left; what waits and does not; and every marker
// that is found in anything that was ever written.
func (s *scene) forensics(t *testing.T) (wrong []string) {
	t.Helper()
	there := dump(t, s.world)
	keys := s.surviving()
	waits := 0
	for i, k := range s.sealed {
		lives := bytes.Equal(there[string(k.key)], k.val)
		if lives && atrest.Kind(k.key[0]) == atrest.Mailbox {
			waits++
		}
		if opens := keys.Opens(k.key, k.ciphertext()); opens != lives {
			wrong = append(wrong, fmt.Sprintf("record %d of kind %q lives: %v, and opens with what survives: %v", i, k.key[0], lives, opens))
		}
		if opens := s.relay.Opens(k.key, k.val); opens != lives {
			wrong = append(wrong, fmt.Sprintf("record %d of kind %q lives: %v, and opens with what the process holds: %v", i, k.key[0], lives, opens))
		}
	}
	want := 0
	for _, d := range s.away {
		want += len(s.waits[d])
	}
	if waits != want {
		wrong = append(wrong, fmt.Sprintf("%d envelopes wait in the store, %d were promised", waits, want))
	}
	all := slices.Concat(s.bytes, s.vault.Checkpoints(), [][]byte{[]byte(s.log.String())})
	for _, m := range s.markers {
		for _, b := range all {
			if bytes.Contains(b, []byte(m)) {
				wrong = append(wrong, fmt.Sprintf("a marker is written: %q", strings.ToValidUTF8(m, "?")))
				break
			}
		}
	}
	return wrong
}

// TestNothingGoneOpens is the forensic test of the relay (R2, R3, R6, R8): every
// ciphertext ever written is tried with every key that survives.
func TestNothingGoneOpens(t *testing.T) {
	scenes, length := uint64(3), 30
	if os.Getenv("BYRE_LONG") != "" {
		scenes, length = 60, 60
	}
	for seed := range scenes {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, seed, noBug)
			s.live(t, length)
			for _, w := range s.forensics(t) {
				t.Errorf("scene %d: %s", seed, w)
			}
			for _, d := range s.away { // and all that waits is read
				s.fetch(t, d, 1000)
			}
			s.stop()
		})
	}
}

// TestTheForensicTestSees: what the test above is for does not pass it.
func TestTheForensicTestSees(t *testing.T) {
	for _, b := range []bug{neverForgets, keepsSlots, reusesKeys, logsRecords} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, 1, b)
			s.live(t, 12)
			if len(s.forensics(t)) == 0 {
				t.Errorf("%s: nobody noticed", b)
			}
			s.stop()
		})
	}
}

// TestNothingOpens72HoursAfterItCame: with the clock set back a day and the
// server killed in between, in either order, nothing that is left opens what came
// 72 hours ago, and the device is told how many it missed.
func TestNothingOpens72HoursAfterItCame(t *testing.T) {
	for name, day := range map[string]func(s *scene){
		"set back, and off for ten hours": func(s *scene) {
			s.clock.Advance(-24 * time.Hour)
			time.Sleep(2 * time.Minute)
			s.halt()
			time.Sleep(10 * time.Hour)
			s.restart()
			time.Sleep(14*time.Hour - 2*time.Minute)
		},
		"killed, set back, and on again": func(s *scene) {
			s.halt()
			s.clock.Advance(-24 * time.Hour)
			time.Sleep(20 * time.Second)
			s.restart()
			time.Sleep(24*time.Hour - 20*time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { threeDays(t, day) })
		})
	}
}

// threeDays are those of two envelopes and a commit; the second day is given.
func threeDays(t *testing.T, second func(s *scene)) {
	t.Helper()
	s := newScene(t, 1, noBug)
	bob := s.away[0]
	s.send(t, bob)
	s.send(t, bob)
	if _, ok := s.sender().ask(appends(1, 0, "a commit")).(*wire.EpochAppended); !ok {
		t.Fatal("not appended")
	}
	opens := func() (n int) {
		left := s.surviving()
		for _, k := range s.sealed {
			if s.relay.Opens(k.key, k.val) || left.Opens(k.key, k.ciphertext()) {
				n++
			}
		}
		return n
	}
	time.Sleep(24 * time.Hour)
	second(s)
	time.Sleep(22 * time.Hour)
	if n := opens(); n != 3 {
		t.Errorf("after 70 hours %d of 3 open", n)
	}
	time.Sleep(2*time.Hour + time.Minute)
	synctest.Wait()
	if n := opens(); n != 0 {
		t.Errorf("after 72 hours %d open", n)
	}
	s.waits[bob] = nil
	s.sender().want(readEpoch(1), &wire.EpochLog{Over: true})
	time.Sleep(2 * sealer.CheckpointTime)
	for _, k := range s.sealed {
		if bytes.Equal(dump(t, s.world)[string(k.key)], k.val) && atrest.Kind(k.key[0]) == atrest.Mailbox {
			t.Error("an envelope is still in the store")
		}
	}
	if in := bob.signIn(); in.Waiting != 0 || in.Gap == nil || in.Gap.Count != 2 {
		t.Errorf("signed in with %+v", in)
	}
	s.stop()
}
