package seal

import (
	"bytes"
	"errors"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/secret"
)

// never is when nothing is forgotten.
const never = 1 << 30

// kept is a record of the model: what was sealed, and what became of it.
type kept struct {
	owner      Owner
	handle     Handle
	segment    uint32
	ciphertext []byte
	held       bool // by the engine, durably
	forgotten  int  // how many snapshots had begun when it was forgotten
	lost       bool // nothing that survives can open it
}

// onDisk is a snapshot that is durable.
type onDisk struct {
	state []byte
	index int // how many snapshots had begun, with it
	dead  map[uint32]bool
}

// world is a process with its keys, a disk, an engine and a clock, and the model
// of what may be opened.
type world struct {
	t    *rapid.T
	k    *Keys
	now  Mark
	disk onDisk

	records   []*kept
	snapshots int
	opened    map[uint32]time.Duration // when each segment ever seen was opened
	dead      map[uint32]bool          // segments that are dropped, in memory
	used      map[key]int              // every key that sealed
}

// TestOpenableIsWhatLives holds the keys to a model of what may be opened, over
// any sequence of what can happen, crashes before and after each checkpoint
// included; to what a thief of the disk opens, if no engine ever deleted
// anything; and to that no key seals twice.
func TestOpenableIsWhatLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			t: t, now: start, opened: map[uint32]time.Duration{}, dead: map[uint32]bool{},
			used: map[key]int{}, disk: onDisk{dead: map[uint32]bool{}},
		}
		w.restart()
		for range rapid.IntRange(5, 80).Draw(t, "steps") {
			w.step(rapid.SampledFrom([]string{
				"seal", "seal", "seal", "seal", "seal", "acknowledge", "acknowledge", "withdraw", "forget", "checkpoint", "a slow checkpoint",
				"a failed checkpoint", "a checkpoint that only seemed to fail", "crash", "crash in a checkpoint", "crash behind a checkpoint",
				"stop", "the vault is lost", "minutes", "hours", "the clock is set back",
			}).Draw(t, "step"))
			w.check()
			w.thief()
		}
	})
}

func (w *world) step(what string) {
	switch what {
	case "seal":
		for range rapid.IntRange(1, 6).Draw(w.t, "n") {
			w.seal(true)
		}
	case "acknowledge": // the oldest of somebody's
		w.forget(func(rs []*kept) []*kept { return rs[:rapid.IntRange(1, len(rs)).Draw(w.t, "n")] })
	case "withdraw": // the newest
		w.forget(func(rs []*kept) []*kept { return rs[len(rs)-1:] })
	case "forget": // any
		w.forget(func(rs []*kept) []*kept { return []*kept{rapid.SampledFrom(rs).Draw(w.t, "which")} })
	case "checkpoint":
		w.snapshot(true)
		w.k.Adopt()
	case "a slow checkpoint":
		w.snapshot(true)
		w.seal(false)
		w.seal(false)
		w.step("acknowledge")
		w.k.Adopt()
	case "a failed checkpoint":
		w.snapshot(false)
	case "a checkpoint that only seemed to fail":
		w.snapshot(true)
	case "crash":
		w.restart()
	case "crash in a checkpoint":
		w.snapshot(false)
		w.restart()
	case "crash behind a checkpoint":
		w.snapshot(true)
		w.restart()
	case "stop":
		w.k.Close()
		w.snapshot(true)
		w.restart()
	case "the vault is lost":
		w.snapshots++
		w.disk = onDisk{index: w.snapshots, dead: map[uint32]bool{}}
		// Segments are then counted anew, and handles given again, but those
		// that the engine holds.
		clear(w.opened)
		w.records = slices.DeleteFunc(w.records, func(r *kept) bool { return !r.held })
		w.restart()
	case "minutes":
		w.pass(time.Duration(rapid.IntRange(1, 59).Draw(w.t, "minutes")) * time.Minute)
	case "hours":
		w.pass(time.Duration(rapid.SampledFrom([]int{1, 2, 25, 71, 72}).Draw(w.t, "hours")) * time.Hour)
	case "the clock is set back":
		w.now.Wall = w.now.Wall.Add(-24 * time.Hour)
	}
}

func (w *world) pass(d time.Duration) {
	w.now = w.now.Later(d, w.now.Wall.Add(d))
	w.k.Tick(w.now)
	w.bury()
}

// bury drops, in the model, the segments that are due.
func (w *world) bury() {
	for id, at := range w.opened {
		if w.now.Elapsed-at >= MaxRetention {
			w.dead[id] = true
		}
	}
}

func (w *world) seal(must bool) {
	o := Owner{byte(rapid.IntRange(0, 2).Draw(w.t, "owner"))}
	h, c, err := w.k.Seal(o, []byte("place"), []byte("text"))
	if errors.Is(err, ErrTurn) && !must {
		return
	}
	if errors.Is(err, ErrTurn) {
		if now := w.k.roots.current; now != nil && w.now.Elapsed-now.opened < SegmentLimit {
			w.t.Fatal("nothing can be sealed")
		}
		w.snapshot(true)
		w.k.Adopt()
		h, c, err = w.k.Seal(o, []byte("place"), []byte("text"))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	r := &kept{owner: o, handle: h, ciphertext: c, segment: w.k.roots.current.id, forgotten: never, held: rapid.Bool().Draw(w.t, "stored")}
	var k key
	if _, ok := w.k.find(o, h, r.segment, &k); !ok {
		w.t.Fatal("what was just sealed has no key")
	}
	if i, ok := w.used[k]; ok {
		w.t.Fatalf("record %d is sealed under the key of record %d", len(w.records), i)
	}
	w.used[k] = len(w.records)
	for i, other := range w.records {
		if other.owner == o && other.handle == h {
			w.t.Fatalf("record %d has the handle of record %d", len(w.records), i)
		}
	}
	w.opened[r.segment] = w.k.roots.current.opened
	w.records = append(w.records, r)
}

// forget forgets records of one owner that pick chooses among those that live.
func (w *world) forget(pick func([]*kept) []*kept) {
	o := Owner{byte(rapid.IntRange(0, 2).Draw(w.t, "owner"))}
	var live []*kept
	for _, r := range w.records {
		if r.owner == o && w.opens(r) {
			live = append(live, r)
		}
	}
	if len(live) == 0 {
		return
	}
	for _, r := range pick(live) {
		w.k.Forget(r.owner, r.handle)
		if again := w.k.Forget(r.owner, r.handle); again != 0 {
			w.t.Fatal("it was forgotten twice")
		}
		r.forgotten = w.snapshots
		if rapid.Bool().Draw(w.t, "deleted") {
			r.held = false
		}
	}
}

func (w *world) snapshot(durable bool) {
	w.snapshots++
	state, err := w.k.Snapshot(w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.bury()
	if durable {
		w.disk = onDisk{slices.Clone(state.Reveal()), w.snapshots, maps.Clone(w.dead)}
	}
	state.Wipe()
}

// restart begins a process with what is durable. The first snapshot of it may
// be where the next crash comes.
func (w *world) restart() {
	m, err := ReadMark(secret.New(w.disk.state))
	if err != nil {
		w.t.Fatal(err)
	}
	w.now, _ = m.Resume(w.now.Wall, true)
	if w.k, err = Recover(MaxRetention, secret.New(slices.Clone(w.disk.state)), w.now, w.held(false)); err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := w.k.Seal(Owner{}, nil, nil); !errors.Is(err, ErrTurn) {
		w.t.Fatalf("sealing before the first checkpoint: %v, want ErrTurn", err)
	}
	w.dead = maps.Clone(w.disk.dead)
	w.bury()
	for _, r := range w.records {
		switch {
		case !r.held || r.forgotten < w.disk.index || w.disk.state == nil:
			r.lost = true
		default:
			r.forgotten = never // it is back
		}
	}
	w.check() // nothing else has to happen first
	switch rapid.SampledFrom([]string{"no", "no", "no", "before", "behind"}).Draw(w.t, "crash in the first checkpoint") {
	case "before":
		w.snapshot(false)
		w.restart()
	case "behind":
		w.snapshot(true)
		w.restart()
	default:
		w.snapshot(true)
		w.k.Adopt()
	}
}

// held is what the engine holds, or all that it was ever given.
func (w *world) held(everything bool) iter.Seq2[Held, error] {
	return func(yield func(Held, error) bool) {
		for i := range w.records {
			r := w.records[len(w.records)-1-i]
			if (r.held || everything) && !yield(Held{Owner: r.owner, Handle: r.handle}, nil) {
				return
			}
		}
	}
}

// opens is what the model says of a record.
func (w *world) opens(r *kept) bool { return !r.lost && r.forgotten == never && !w.dead[r.segment] }

func (w *world) check() {
	for i := range w.k.shards {
		for _, chains := range w.k.shards[i].owners {
			for _, c := range chains {
				if (c.sealing || c.tail < c.head) && (c.near < c.tail || c.near > c.head) {
					w.t.Fatalf("a chain key at %d stays, with the tail at %d", c.near, c.tail)
				}
			}
		}
	}
	for i, r := range w.records {
		got, err := w.k.Open(r.owner, r.handle, []byte("place"), r.ciphertext)
		switch want := w.opens(r); {
		case want && (err != nil || !bytes.Equal(got, []byte("text"))):
			w.t.Fatalf("record %d lives and does not open: %v", i, err)
		case !want && !errors.Is(err, ErrForgotten):
			w.t.Fatalf("record %d is forgotten: %v, want ErrForgotten", i, err)
		}
	}
}

// thief opens all that can be opened with the durable snapshot, if the engine
// deleted nothing: exactly what was not forgotten before that snapshot began.
func (w *world) thief() {
	m, err := ReadMark(secret.New(w.disk.state))
	if err != nil {
		w.t.Fatal(err)
	}
	k, err := Recover(MaxRetention, secret.New(slices.Clone(w.disk.state)), m, w.held(true))
	if err != nil {
		w.t.Fatal(err)
	}
	for i, r := range w.records {
		_, err := k.Open(r.owner, r.handle, []byte("place"), r.ciphertext)
		if want := !r.lost && r.forgotten >= w.disk.index && !w.disk.dead[r.segment]; want != (err == nil) {
			w.t.Fatalf("record %d: the thief is told %v, want that it opens: %v", i, err, want)
		}
	}
}
