package past

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// pastOf is a message as another device hands it on.
func pastOf(s said, place uint64) wire.PastMessage {
	rec := s.record(timeOf(place), wire.GoneNot)
	return wire.PastMessage{Account: rec.Account, Device: rec.Device, Content: rec.Content, Place: place, State: &wire.PastState{AsOf: 1}}
}

// TestPlacesFollowFromWhatIsThere: records that ask for few places, and for lower
// ones later, stand in the end as if they had come sorted.
func TestPlacesFollowFromWhatIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDevice(t)
		asked := map[int]uint64{}
		for range rapid.IntRange(1, 25).Draw(t, "asks") {
			n := rapid.IntRange(0, 9).Draw(t, "who")
			place := base(1_000_000) + rapid.Uint64Range(0, 5).Draw(t, "where")
			d.merge([]wire.PastMessage{pastOf(said{n: n}, place)}, true)
			if was, ok := asked[n]; !ok || place < was {
				asked[n] = place
			}
		}
		var want []string
		order := slices.SortedFunc(func(yield func(int) bool) {
			for n := range asked {
				if !yield(n) {
					return
				}
			}
		}, func(a, b int) int {
			x, y := said{n: a}.id(), said{n: b}.id()
			return cmp.Or(cmp.Compare(asked[b], asked[a]), bytes.Compare(y[:], x[:]))
		})
		last := uint64(Floor)
		for _, n := range order {
			last = min(asked[n], last-1)
			want = append(want, fmt.Sprintf("%d at %d", n, last))
		}
		items, err := read(t.Context(), d.home, talk.ID, Floor, 0)
		d.must(err)
		var got []string
		for _, it := range items {
			var rec wire.MessageRecord
			var c wire.Content
			d.must(rec.Parse(it.Record))
			d.must(c.Parse(rec.Content))
			var n int
			_, err := fmt.Sscanf(string(c.Id[2:]), "message %d", &n)
			d.must(err)
			got = append(got, fmt.Sprintf("%d at %d", n, ^it.N))
		}
		same(t, "places", got, want)
	})
}

// TestWhatIsDeletedStays: what was deleted here, what a member asked to delete before
// it was here, and what waits for its turn do not come with the history; what bob
// asked to delete of alice's does.
func TestWhatIsDeletedStays(t *testing.T) {
	d := newDevice(t)
	ofAlice, ofBob, deleted, early := said{n: 0}, said{n: 1}, said{n: 2}, said{n: 4}
	d.receive(deleted, 1_000_000, wire.GoneHere)
	d.commit(func(tx *home.Tx) {
		for _, s := range []said{ofAlice, ofBob} {
			if err := Bury(t.Context(), tx, d.home, d.room, bob, ident.DeviceID{9}, s.id(), now); err != nil {
				t.Fatal(err)
			}
		}
		dev := early.device()
		tx.Put(d.home.Key(home.Early, talk.ID[:], dev[:]).At(early.seq()), early.record(1, wire.GoneNot))
	})
	var list []wire.PastMessage
	for i, s := range []said{ofAlice, ofBob, deleted, early, {n: 5}} {
		list = append(list, pastOf(s, base(1_000_000)+uint64(i)))
	}
	if n := d.merge(list, true); n != 2 {
		t.Errorf("%d came, want 2", n)
	}
	same(t, "the device shows", d.history(), []string{"words 0", "words 5"})

	// Deleted behind its coming, it does not come again.
	d.change(said{n: 5}, func(rec *wire.MessageRecord, _ *wire.Content) {
		id := said{n: 5}.id()
		*rec = *deeds.Tomb(rec, id[:], said{n: 5}.seq(), wire.GoneEverywhere)
	})
	d.merge(list, true)
	same(t, "later it shows", d.history(), []string{"words 0"})
}

// TestWhatIsNoHistoryIsLeftOut: of strangers, without a number, that disappears, of
// no place in time, and what is no text.
func TestWhatIsNoHistoryIsLeftOut(t *testing.T) {
	d := newDevice(t)
	good := pastOf(said{n: 1}, base(1_000_000))
	bad := func(fn func(p *wire.PastMessage, c *wire.Content)) wire.PastMessage {
		p := good
		var c wire.Content
		d.must(c.Parse(bytes.Clone(p.Content)))
		fn(&p, &c)
		p.Content = c.Append(nil)
		return p
	}
	list := []wire.PastMessage{
		bad(func(p *wire.PastMessage, _ *wire.Content) { p.Account = bytes.Repeat([]byte{7}, len(p.Account)) }),
		bad(func(p *wire.PastMessage, _ *wire.Content) { p.Device = nil }),
		bad(func(p *wire.PastMessage, _ *wire.Content) { p.Place = 0 }),
		bad(func(p *wire.PastMessage, _ *wire.Content) { p.Place = Floor }),
		bad(func(_ *wire.PastMessage, c *wire.Content) { c.Seq = 0 }),
		bad(func(_ *wire.PastMessage, c *wire.Content) { c.Id = nil }),
		bad(func(_ *wire.PastMessage, c *wire.Content) { c.Body = &wire.Text{Text: "soon gone", Disappear: 1} }),
		bad(func(_ *wire.PastMessage, c *wire.Content) { c.Body = &wire.Text{} }),
		bad(func(_ *wire.PastMessage, c *wire.Content) { c.Body = &wire.Erase{} }),
	}
	if n := d.merge(list, true); n != 0 {
		t.Errorf("%d of them came", n)
	}
	if n := d.merge([]wire.PastMessage{good}, true); n != 1 {
		t.Error("the control did not come")
	}
}

// TestTheLaterAnswersCount: of one message, the answers of whoever looked later.
func TestTheLaterAnswersCount(t *testing.T) {
	d := newDevice(t)
	p := pastOf(said{n: 1}, base(1_000_000))
	answer := func(emoji string, asOf int64) wire.PastMessage {
		q := p
		q.State = &wire.PastState{AsOf: asOf}
		if emoji != "" {
			q.State.Reactions = []wire.ReactionRecord{{Account: alice[:], Emoji: emoji}}
		}
		return q
	}
	d.merge([]wire.PastMessage{answer("🐄", 20), answer("🐖", 10), answer("🐄", 20)}, true)
	same(t, "it shows", d.history(), []string{"words 1🐄"})
	d.merge([]wire.PastMessage{p, answer("", 30)}, true)
	same(t, "taken back", d.history(), []string{"words 1"})
}

// TestAHoleIsHealed: what the device knows to be missing is handed to its order.
func TestAHoleIsHealed(t *testing.T) {
	d := newDevice(t)
	tx := d.home.Begin()
	p := pastOf(said{n: 4}, base(1_000_000))
	healed := 0
	n, err := Merge(t.Context(), tx, d.home, d.room, []wire.PastMessage{p}, func(rec *wire.MessageRecord, by ident.DeviceID, seq uint64) (bool, error) {
		healed++
		if rec.Place != 0 || by != (said{n: 4}).device() || seq != (said{n: 4}).seq() {
			t.Error("another message")
		}
		return true, nil
	})
	if err != nil || n != 1 || healed != 1 || !tx.Empty() {
		t.Errorf("%d came, %d healed, %v", n, healed, err)
	}
}

// TestAWalkFindsWhatCameMeanwhile: a file that is gone on with has all, once.
func TestAWalkFindsWhatCameMeanwhile(t *testing.T) {
	d, other := newDevice(t), newDevice(t)
	for n := range 10 {
		d.merge([]wire.PastMessage{pastOf(said{n: n}, base(1_000)+uint64(n))}, true)
	}
	for n := range 150 {
		d.receive(said{n: 20 + n}, 2_000_000-int64(n), wire.GoneNot)
	}
	at, seen := &wire.ExportRoom{}, 0
	walk := func() {
		for {
			c, err := Walk(t.Context(), d.home, d.room, at, 300, now)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Records) == 0 {
				return
			}
			seen += len(c.Records)
			other.merge(c.Records, true)
		}
	}
	walk()
	d.receive(said{n: 500}, 3_000_000, wire.GoneNot)
	walk()
	if seen != 161 {
		t.Errorf("%d records, want 161", seen)
	}
	same(t, "the other shows", other.history(), d.history())
}
