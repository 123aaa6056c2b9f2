package past

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/wire"
)

var (
	alice, bob = ident.AccountID{1}, ident.AccountID{2}
	talk       = account.Direct(alice, bob)
	now        = time.UnixMilli(5_000_000)
)

// device is a home with what was said in it, without the rest of a device.
type device struct {
	fatal failer
	store *memstore.Store
	home  *home.Home
	room  Room
}

// failer is a test, or a try of rapid's.
type failer interface {
	Fatal(args ...any)
	Helper()
}

func newDevice(t failer) *device {
	t.Helper()
	d := &device{fatal: t, store: memstore.New(), room: Room{Room: talk}}
	h, err := home.Create(context.Background(), d.store, home.Options{Passphrase: passphrase, Cost: home.WeakCostForTests()})
	d.must(err)
	d.home = h
	d.commit(func(tx *home.Tx) { tx.Put(h.Key(home.Room, talk.ID[:]), talk.Record()) })
	return d
}

func passphrase() (secret.Bytes, error) { return secret.New([]byte("correct horse")), nil }

func (d *device) must(err error) {
	if err != nil {
		d.fatal.Fatal(err)
	}
}

func (d *device) commit(fn func(*home.Tx)) {
	tx := d.home.Begin()
	fn(tx)
	d.must(tx.Commit(context.Background()))
}

// crash takes the power away.
func (d *device) crash() {
	h, err := home.Open(context.Background(), d.store, home.Options{Passphrase: passphrase})
	d.must(err)
	d.home = h
}

// said is a message as its writer knows it.
type said struct {
	n         int // its name in the tests; the writer is alice's if odd
	disappear uint64
}

func (s said) device() ident.DeviceID { return ident.DeviceID{byte(1 + s.n%3)} }

func (s said) account() ident.AccountID {
	if s.n%3 == 0 {
		return alice
	}
	return bob
}

func (s said) seq() uint64 { return uint64(1 + s.n/3) }

func (s said) id() (id ident.MessageID) {
	copy(id[:], fmt.Sprintf("%c message %06d", 'a'+byte(s.n*7%26), s.n))
	return id
}

func (s said) record(at int64, gone wire.Gone) *wire.MessageRecord {
	id, a, dev := s.id(), s.account(), s.device()
	c := wire.Content{Id: id[:], Seq: s.seq(), SentAt: 1, Body: &wire.Text{Text: fmt.Sprintf("words %d", s.n), Disappear: s.disappear}}
	rec := &wire.MessageRecord{Room: talk.ID[:], Account: a[:], Device: dev[:], Content: c.Append(nil), ReadAt: at}
	if gone != wire.GoneNot {
		rec = deeds.Tomb(rec, id[:], s.seq(), gone)
	}
	return rec
}

// receive writes what the device received itself.
func (d *device) receive(s said, at int64, gone wire.Gone) {
	d.commit(func(tx *home.Tx) {
		m := merging{context.Background(), tx, d.home, d.room}
		m.stand(&entry{rec: s.record(at, gone), id: s.id(), device: s.device(), seq: s.seq()}, d.room.Next)
		d.room.Next++
	})
}

// change has fn change a message that is there.
func (d *device) change(s said, fn func(rec *wire.MessageRecord, c *wire.Content)) {
	d.commit(func(tx *home.Tx) {
		m := merging{context.Background(), tx, d.home, d.room}
		x, at, err := m.known(&entry{rec: s.record(1, wire.GoneNot), id: s.id(), device: s.device(), seq: s.seq()})
		d.must(err)
		if x == nil || x.rec.Gone != wire.GoneNot {
			return
		}
		var c wire.Content
		d.must(c.Parse(x.rec.Content))
		fn(x.rec, &c)
		m.stand(x, at)
	})
}

// takes takes all, in parts.
func (d *device) takes(most func() int, at time.Time) (out []*wire.PastChunk) {
	var m wire.PastMark
	for !m.Done {
		c, next, err := Take(context.Background(), d.home, d.room, m, most(), at)
		d.must(err)
		m = next
		out = append(out, c)
	}
	return out
}

func nothingHeals(*wire.MessageRecord, ident.DeviceID, uint64) (bool, error) { return false, nil }

func (d *device) merge(list []wire.PastMessage, durable bool) int {
	tx := d.home.Begin()
	n, err := Merge(context.Background(), tx, d.home, d.room, list, nothingHeals)
	d.must(err)
	if durable {
		d.must(tx.Commit(context.Background()))
	}
	return n
}

// history is what a person sees, oldest first.
func (d *device) history() (out []string) {
	ctx := context.Background()
	older, err := read(ctx, d.home, talk.ID, Floor, 0)
	d.must(err)
	slices.Reverse(older)
	own, err := read(ctx, d.home, talk.ID, 0, int(d.room.Next))
	d.must(err)
	if d.room.Next == 0 {
		own = nil
	}
	for _, it := range slices.Concat(older, own) {
		var rec wire.MessageRecord
		var c wire.Content
		d.must(rec.Parse(it.Record))
		d.must(c.Parse(rec.Content))
		if body, ok := c.Body.(*wire.Text); ok && rec.Gone == wire.GoneNot && body.Disappear == 0 {
			line := body.Text
			slices.SortFunc(rec.Reactions, func(a, b wire.ReactionRecord) int { return bytes.Compare(a.Account, b.Account) })
			for _, r := range rec.Reactions {
				line += r.Emoji
			}
			out = append(out, line)
		}
	}
	return out
}

func same(t interface{ Fatalf(string, ...any) }, what string, got, want []string) {
	if !slices.Equal(got, want) {
		t.Fatalf("%s:\n got %s\nwant %s", what, strings.Join(got, " | "), strings.Join(want, " | "))
	}
}

// TestMergedHistoryIsTheSources: whatever a phone's clock did, a new laptop shows
// what the phone shows, in its order, behind any split, order, repetition and crash
// of the merges; and a third device shows the same when it has it from the laptop.
func TestMergedHistoryIsTheSources(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		phone, laptop, third := newDevice(t), newDevice(t), newDevice(t)
		fillDevice(t, phone, "phone", 0)
		mergeAll(t, laptop, records(t, phone, now))
		same(t, "the laptop shows", laptop.history(), phone.history())
		mergeAll(t, third, records(t, laptop, now.Add(time.Hour)))
		same(t, "the third device shows", third.history(), phone.history())
	})
}

// TestMergesAgree: records of two devices that heard different things, each taken
// twice with things done in between, end in the same history in whatever order, and
// what a device received itself it keeps as it was.
func TestMergesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		phone, tablet := newDevice(t), newDevice(t)
		fillDevice(t, phone, "phone", 0)
		fillDevice(t, tablet, "tablet", 5)
		all := append(records(t, phone, now), records(t, tablet, now.Add(time.Second))...)
		for i, d := range []*device{phone, tablet} {
			disturb(t, d)
			all = append(all, records(t, d, now.Add(time.Duration(2+i)*time.Second))...)
		}
		one, other := newDevice(t), newDevice(t)
		for _, s := range rapid.SliceOfNDistinct(rapid.IntRange(0, 20), 0, 4, rapid.ID).Draw(t, "heard before") {
			gone := rapid.SampledFrom([]wire.Gone{wire.GoneNot, wire.GoneHere, wire.GoneEverywhere}).Draw(t, "gone")
			one.receive(said{n: s}, 3_000_000, gone)
			other.receive(said{n: s}, 3_000_000, gone)
		}
		own := one.ownBytes()
		mergeAll(t, one, all)
		mergeAll(t, other, all)
		same(t, "two devices show", one.history(), other.history())
		if !bytes.Equal(one.ownBytes(), own) {
			t.Fatalf("what the device received itself is another")
		}
		if n := one.merge(slices.Concat(flat(all)...), true); n != 0 {
			t.Fatalf("%d messages came once more", n)
		}
		for it, err := range one.home.All(t.Context(), home.Index) {
			one.must(err)
			var at wire.IndexRecord
			one.must(at.Parse(it.Record))
			m := merging{t.Context(), one.home.Begin(), one.home, one.room}
			if x, err := m.at(at.Position); err != nil || x == nil {
				t.Fatalf("an index leads nowhere: %v", err)
			}
		}
	})
}

func flat(all []*wire.PastChunk) (out [][]wire.PastMessage) {
	for _, c := range all {
		out = append(out, c.Records)
	}
	return out
}

func (d *device) ownBytes() (out []byte) {
	if d.room.Next == 0 {
		return nil
	}
	items, err := read(context.Background(), d.home, talk.ID, 0, int(d.room.Next))
	d.must(err)
	for _, it := range items {
		out = append(out, it.Record...)
	}
	return out
}

// fillDevice has a device hear things at times that may be equal, or go back.
func fillDevice(t *rapid.T, d *device, who string, from int) {
	for i, s := range rapid.SliceOfNDistinct(rapid.IntRange(from, from+25), 0, 20, rapid.ID).Draw(t, who+" hears") {
		at := rapid.Int64Range(1_000_000, 1_000_006).Draw(t, fmt.Sprint(who, "'s clock ", i))
		x := said{n: s}
		gone := wire.GoneNot
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			gone = wire.GoneHere
		case 1:
			x.disappear = 60
		}
		d.receive(x, at, gone)
	}
	disturb(t, d)
}

// disturb has people edit, answer and delete.
func disturb(t *rapid.T, d *device) {
	for range rapid.IntRange(0, 4).Draw(t, "deeds") {
		s := said{n: rapid.IntRange(0, 30).Draw(t, "target")}
		what := rapid.IntRange(0, 2).Draw(t, "deed")
		word := rapid.StringMatching("[a-c]").Draw(t, "word")
		at := time.UnixMilli(rapid.Int64Range(2_000_000, 2_000_003).Draw(t, "at"))
		d.change(s, func(rec *wire.MessageRecord, c *wire.Content) {
			switch what {
			case 0:
				deeds.Edit(rec, c, word, at)
			case 1:
				deeds.React(rec, alice, map[string]string{"a": "🐄", "b": "🐖", "c": ""}[word])
			case 2:
				id := s.id()
				*rec = *deeds.Tomb(rec, id[:], s.seq(), wire.GoneHere)
			}
		})
	}
}

func records(t *rapid.T, d *device, at time.Time) []*wire.PastChunk {
	return d.takes(func() int { return rapid.IntRange(1, 400).Draw(t, "most") }, at)
}

// mergeAll merges chunks in any order and split, some twice, with crashes.
func mergeAll(t *rapid.T, d *device, chunks []*wire.PastChunk) {
	var list []wire.PastMessage
	for _, c := range chunks {
		list = append(list, c.Records...)
	}
	order := rapid.Permutation(list).Draw(t, "order")
	for len(order) > 0 {
		n := rapid.IntRange(1, len(order)).Draw(t, "split")
		part := slices.Clone(order[:n])
		for i := range part { // as they come: parsed anew
			var c wire.PastMessage
			d.must(c.Parse(part[i].Append(nil)))
			part[i] = c
		}
		switch rapid.IntRange(0, 3).Draw(t, "fate") {
		case 0: // the power goes before the commit: it is taken again
			d.merge(part, false)
			d.crash()
			continue
		case 1: // behind it, and the sender does not know
			d.merge(part, true)
			d.crash()
			d.merge(part, true)
		default:
			d.merge(part, true)
		}
		order = order[n:]
	}
}
