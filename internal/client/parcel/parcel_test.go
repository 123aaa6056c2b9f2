package parcel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/past"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/wire"
)

// memFile is a file in memory on a disk with room for so much.
type memFile struct {
	b    []byte
	at   int64
	room int // 0: enough
}

var errFull = errors.New("no space left on device")

func (f *memFile) Read(p []byte) (int, error) {
	if f.at >= int64(len(f.b)) {
		return 0, io.EOF
	}
	n := copy(p, f.b[f.at:])
	f.at += int64(n)
	return n, nil
}

func (f *memFile) Write(p []byte) (n int, err error) {
	if f.room > 0 && int(f.at)+len(p) > f.room {
		p, err = p[:max(0, f.room-int(f.at))], errFull
	}
	f.b = append(f.b[:f.at], p...)
	f.at += int64(len(p))
	return len(p), err
}

func (f *memFile) Seek(offset int64, whence int) (int64, error) {
	if f.at = offset; whence == io.SeekEnd {
		f.at += int64(len(f.b))
	}
	return f.at, nil
}

func (f *memFile) Truncate(size int64) error { f.b = f.b[:size]; return nil }
func (f *memFile) Sync() error               { return nil }

func (f *memFile) rewound() *memFile { f.at = 0; return f }

func pass(s string) secret.Bytes { return secret.New([]byte(s)) }

// person is an account with a home and friends.
type person struct {
	t     *testing.T
	id    ident.AccountID
	chain devchain.Chain
	name  string
	home  *home.Home
	next  map[ident.RoomID]uint64
	told  []string // what an import told
	asks  bool
}

var at = time.UnixMilli(1_790_000_000_000)

func newPerson(t *testing.T, name string) *person {
	t.Helper()
	_, chain, err := account.New(false)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, id: chain.ID(), chain: chain, name: name}
	p.renew()
	return p
}

// renew gives the person an empty home.
func (p *person) renew() {
	p.t.Helper()
	h, err := home.Create(p.t.Context(), memstore.New(), home.Options{
		Passphrase: func() (secret.Bytes, error) { return pass("home"), nil }, Cost: home.WeakCostForTests(),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.home, p.next, p.told = h, map[ident.RoomID]uint64{}, nil
}

func (p *person) commit(fn func(tx *home.Tx)) {
	p.t.Helper()
	tx := p.home.Begin()
	fn(tx)
	if err := tx.Commit(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) knows(q *person) {
	pin := account.NewPin(q.chain)
	pin.Record.Name, pin.Record.ConfirmedAt = q.name, 77
	p.commit(func(tx *home.Tx) { tx.Put(p.home.Key(home.Pin, q.id[:]), &pin.Record) })
}

func msgID(n int) (id ident.MessageID) {
	copy(id[:], fmt.Sprintf("message %08d", n))
	return id
}

// hears writes a message of q to p's home.
func (p *person) hears(q *person, n int, text string, disappear uint64) {
	r := account.Direct(p.id, q.id)
	id, dev := msgID(n), ident.DeviceID{byte(len(q.name))}
	c := wire.Content{Id: id[:], Seq: uint64(n + 1), Body: &wire.Text{Text: text, Disappear: disappear}}
	rec := &wire.MessageRecord{Room: r.ID[:], Account: q.id[:], Device: dev[:], Content: c.Append(nil), ReadAt: at.UnixMilli() + int64(n)}
	p.put(r, rec, id, dev, c.Seq, p.next[r.ID])
	p.next[r.ID]++
	p.commit(func(tx *home.Tx) {
		room := r.Record()
		room.NextPosition, room.Disappear = p.next[r.ID], 60
		tx.Put(p.home.Key(home.Room, r.ID[:]), room)
	})
}

func (p *person) put(r account.Room, rec *wire.MessageRecord, id ident.MessageID, dev ident.DeviceID, seq, position uint64) {
	where := &wire.IndexRecord{Room: r.ID[:], Position: position}
	p.commit(func(tx *home.Tx) {
		tx.Put(p.home.Key(home.Message, r.ID[:]).At(position), rec)
		tx.Put(p.home.Key(home.Index, id[:]), where)
		tx.Put(p.home.Key(home.Number, r.ID[:], dev[:]).At(seq), where)
	})
}

// deletes leaves of a message its place.
func (p *person) deletes(n int) {
	id := msgID(n)
	var where wire.IndexRecord
	var rec wire.MessageRecord
	_, err := p.home.Get(p.t.Context(), p.home.Key(home.Index, id[:]), &where)
	_, err2 := p.home.Get(p.t.Context(), p.home.Key(home.Message, where.Room).At(where.Position), &rec)
	if err := errors.Join(err, err2); err != nil {
		p.t.Fatal(err)
	}
	p.commit(func(tx *home.Tx) {
		tx.Put(p.home.Key(home.Message, where.Room).At(where.Position), deeds.Tomb(&rec, id[:], uint64(n+1), wire.GoneHere))
	})
}

// shows is the history with somebody, oldest first.
func (p *person) shows(q *person) (out []string) {
	r := past.Room{Room: account.Direct(p.id, q.id), Next: p.next[account.Direct(p.id, q.id).ID]}
	for m := (wire.PastMark{}); !m.Done; {
		c, next, err := past.Take(p.t.Context(), p.home, r, m, 1000, at)
		if err != nil {
			p.t.Fatal(err)
		}
		m = next
		for _, rec := range c.Records {
			var c wire.Content
			if err := c.Parse(rec.Content); err != nil {
				p.t.Fatal(err)
			}
			if body, ok := c.Body.(*wire.Text); ok {
				out = append(out, body.Text)
			}
		}
	}
	slices.Reverse(out)
	return out
}

func (p *person) Person(_ context.Context, chain devchain.Chain, name string, confirmed int64) error {
	p.told = append(p.told, fmt.Sprintf("%s %t %d", name, chain.ID() != p.id, confirmed))
	return nil
}

func (p *person) Past(ctx context.Context, c *wire.PastChunk, disappear uint64) (int, error) {
	r, err := past.RoomOf(c, p.id)
	if err != nil {
		return 0, err
	}
	if disappear != 60 {
		p.t.Errorf("messages disappear after %d s", disappear)
	}
	tx := p.home.Begin()
	n, err := past.Merge(ctx, tx, p.home, past.Room{Room: r}, c.Records, func(*wire.MessageRecord, ident.DeviceID, uint64) (bool, error) { return false, nil })
	return n, errors.Join(err, tx.Commit(ctx))
}

func (p *person) Ask(context.Context) error { p.asks = true; return nil }

func (p *person) source() Source {
	return Source{Home: p.home, Account: p.id, Name: p.name, Now: at, Cost: home.WeakCostForTests()}
}

func (p *person) exports(f *memFile) error {
	_, err := Export(p.t.Context(), f.rewound(), pass("file"), p.source())
	return err
}

func words(n int) string { return fmt.Sprintf("bob's words %d, %s", n, strings.Repeat("and on ", 100)) }

// scene is alice with some history, and what she shows.
func scene(t *testing.T) (alice, bob, carol *person) {
	t.Helper()
	const n = 300
	alice, bob, carol = newPerson(t, "alice"), newPerson(t, "bob"), newPerson(t, "carol")
	alice.knows(bob)
	alice.knows(carol)
	for i := range n {
		alice.hears(bob, i, words(i), 0)
	}
	alice.hears(carol, n, "carol's words", 0)
	alice.hears(carol, n+1, "gone in a minute", 60)
	alice.commit(func(tx *home.Tx) { tx.Put(alice.home.Key(home.Settings), &wire.SettingsRecord{Ask: true}) })
	return alice, bob, carol
}

func mustBe(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || want == nil && got != nil {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// TestAnExportComesBack: into a new home of the account, once and again.
func TestAnExportComesBack(t *testing.T) {
	alice, bob, carol := scene(t)
	f := &memFile{}
	mustBe(t, "export", alice.exports(f), nil)
	sum, err := Check(f.rewound(), pass("file"))
	mustBe(t, "check", err, nil)
	if sum.Messages() != 301 || sum.Name != "alice" || !sum.At.Equal(at) || sum.Account != alice.id {
		t.Errorf("the check tells %+v", sum)
	}
	if got := fmt.Sprint(sum.Conversations()[0].Name, sum.Conversations()[0].Messages, sum.Conversations()[1].Name, sum.Conversations()[1].Messages); got != "bob300carol1" && got != "bob 300 carol 1" {
		t.Errorf("conversations: %s", got)
	}
	want := alice.shows(bob)
	alice.renew()
	for i, came := range []int{301, 0} {
		added, _, err := Import(t.Context(), f.rewound(), pass("file"), alice.id, false, alice)
		if err != nil || added != came {
			t.Fatalf("import %d: %d came, %v", i, added, err)
		}
	}
	if !slices.Equal(alice.shows(bob), want) || len(alice.shows(carol)) != 1 || !alice.asks {
		t.Errorf("what came back is another")
	}
	if slices.Sort(alice.told); len(alice.told) != 4 || alice.told[0] != "bob true 77" {
		t.Errorf("people: %q", alice.told)
	}
	for _, word := range []string{"bob's words", "carol", "alice", "gone in a minute", string(alice.id[:])} {
		if bytes.Contains(f.b, []byte(word)) {
			t.Errorf("%q stands in plain", word)
		}
	}
}

// TestKilledAtAnyByte: an export that ends at any place is told to be no whole one,
// is gone on with, and is then the same as one that was never interrupted; what came
// and what was deleted meanwhile is as it is in the end.
func TestKilledAtAnyByte(t *testing.T) {
	alice, bob, _ := scene(t)
	whole := &memFile{}
	mustBe(t, "export", alice.exports(whole), nil)
	deleted, next := 0, 2000
	for n := 0; n < len(whole.b); n += 1 + len(whole.b)/9 {
		f := &memFile{b: bytes.Clone(whole.b[:n])}
		if _, err := Check(f, pass("file")); !errors.Is(err, ErrCutShort) && !errors.Is(err, ErrNoExport) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		mustBe(t, fmt.Sprint("cut at ", n), alice.exports(f), nil)
		// Once more, from where it was killed, after things happened.
		f.b = f.b[:len(f.b)*2/3]
		alice.deletes(deleted)
		alice.hears(bob, next, fmt.Sprintf("later words %d", next), 0)
		deleted, next = deleted+10, next+1
		mustBe(t, "go on", alice.exports(f), nil)
		mustBe(t, "is whole and up to date", alice.exports(f), nil)
		fresh := newPerson(t, "alice")
		fresh.id = alice.id
		_, _, err := Import(t.Context(), f.rewound(), pass("file"), alice.id, false, fresh)
		mustBe(t, "import", err, nil)
		if got, want := fresh.shows(bob), alice.shows(bob); !slices.Equal(got, want) {
			t.Fatalf("cut at %d: %d messages come back, want %d", n, len(got), len(want))
		}
		for _, line := range recordsOf(t, f) {
			if line == words(deleted-10) {
				t.Fatalf("what was deleted stands in the file")
			}
		}
	}
}

// recordsOf is all that stands in a file.
func recordsOf(t *testing.T, f *memFile) (out []string) {
	t.Helper()
	r, err := open(f.rewound(), pass("file"))
	mustBe(t, "open", err, nil)
	for {
		part, err := r.next()
		if errors.Is(err, io.EOF) {
			return out
		}
		mustBe(t, "read", err, nil)
		for _, c := range part.Chunks {
			for _, rec := range c.Records {
				var c wire.Content
				mustBe(t, "parse", c.Parse(rec.Content), nil)
				out = append(out, c.Body.(*wire.Text).Text)
			}
		}
	}
}

// TestWhatIsNoGood: each of these is told in its own sentence, and nothing is lost.
func TestWhatIsNoGood(t *testing.T) {
	alice, bob, _ := scene(t)
	whole := &memFile{}
	mustBe(t, "export", alice.exports(whole), nil)
	keep := bytes.Clone(whole.b)
	into := func(p *person, b []byte, word string, partial bool) (int, error) {
		p.renew()
		n, _, err := Import(t.Context(), &memFile{b: b}, pass(word), p.id, partial, p)
		return n, err
	}
	mallory := newPerson(t, "mallory")
	n, err := into(mallory, keep, "file", false)
	mustBe(t, "another's account", err, ErrAccount)
	_, err = Export(t.Context(), whole.rewound(), pass("file"), mallory.source())
	mustBe(t, "over another's export", err, ErrOther)
	_, err = Check(bytes.NewReader(keep), pass("fill"))
	mustBe(t, "wrong passphrase", err, ErrPassphrase)
	_, err = Export(t.Context(), whole.rewound(), pass("fill"), alice.source())
	mustBe(t, "export with a wrong passphrase", err, ErrPassphrase)
	_, err = Check(bytes.NewReader([]byte("a letter to mother")), pass("file"))
	mustBe(t, "another file", err, ErrNoExport)
	letter := &memFile{b: []byte("a letter to mother")}
	mustBe(t, "over a letter", alice.exports(letter), ErrNoExport)
	_, err = Check(bytes.NewReader([]byte("byre export 2\n")), pass("file"))
	mustBe(t, "a newer one", err, ErrNewFormat)
	if n != 0 || !bytes.Equal(whole.b, keep) || string(letter.b) != "a letter to mother" {
		t.Error("something was changed")
	}

	alice.hears(bob, 3000, "since then", 0)
	mustBe(t, "behind", alice.exports(whole), ErrBehind)
	alice.deletes(1)
	mustBe(t, "deleted since", alice.exports(whole), ErrBehind)
	if !bytes.Equal(whole.b, keep) {
		t.Error("a whole export was changed")
	}

	for at := range len(keep) {
		if at > 200 && at%4099 != 0 {
			continue
		}
		b := bytes.Clone(keep)
		b[at] ^= 4
		if _, err := Check(bytes.NewReader(b), pass("file")); err == nil {
			t.Fatalf("a changed byte at %d goes unseen", at)
		}
	}
	b := bytes.Clone(keep)
	b[len(b)/2] ^= 4
	n, err = into(alice, b, "file", false)
	mustBe(t, "damaged", err, ErrDamaged)
	if n != 0 {
		t.Errorf("%d came of a damaged one", n)
	}
	n, err = into(alice, b, "file", true)
	mustBe(t, "damaged, in part", err, ErrDamaged)
	if n == 0 || n == 301 {
		t.Errorf("%d came of a damaged one, in part", n)
	}
	_, err = Check(bytes.NewReader(append(bytes.Clone(keep), 0)), pass("file"))
	mustBe(t, "something behind the end", err, ErrDamaged)
}

// TestPartsKeepTheirPlaces: no part can be left out, doubled or moved, nor taken
// from another export of the same passphrase and key.
func TestPartsKeepTheirPlaces(t *testing.T) {
	alice, _, _ := scene(t)
	f := &memFile{}
	mustBe(t, "export", alice.exports(f), nil)
	cut := blocksOf(t, f)
	f.b = f.b[:cut[len(cut)-2]] // go on in a second section
	mustBe(t, "go on", alice.exports(f), nil)
	cut = blocksOf(t, f)
	block := func(i int) []byte { return f.b[cut[i]:cut[i+1]] }
	for i := range len(cut) - 1 {
		out := slices.Concat(f.b[:cut[i]], f.b[cut[i+1]:])
		if _, err := Check(bytes.NewReader(out), pass("file")); err == nil {
			t.Errorf("block %d was left out unseen", i)
		}
		out = slices.Concat(f.b[:cut[i+1]], f.b[cut[i]:])
		if _, err := Check(bytes.NewReader(out), pass("file")); err == nil {
			t.Errorf("block %d was doubled unseen", i)
		}
		if i > 0 {
			out = slices.Concat(f.b[:cut[i-1]], block(i), block(i-1), f.b[cut[i+1]:])
			if _, err := Check(bytes.NewReader(out), pass("file")); err == nil {
				t.Errorf("blocks %d and %d changed places unseen", i-1, i)
			}
		}
	}
	if _, err := Check(f.rewound(), pass("file")); err != nil {
		t.Errorf("the control: %v", err)
	}
}

// blocksOf is where the blocks of a file begin, and its end.
func blocksOf(t *testing.T, f *memFile) (out []int64) {
	t.Helper()
	head, _, err := readHead(f.rewound())
	mustBe(t, "head", err, nil)
	for at := int64(len(head)); at < int64(len(f.b)); {
		out = append(out, at)
		at += headSize + int64(f.b[at+1])<<24 + int64(f.b[at+2])<<16 + int64(f.b[at+3])<<8 + int64(f.b[at+4])
	}
	return append(out, int64(len(f.b)))
}

// TestAFullDisk: the export is told to have failed, and goes on when there is room.
func TestAFullDisk(t *testing.T) {
	alice, bob, _ := scene(t)
	f := &memFile{room: 80_000}
	mustBe(t, "a full disk", alice.exports(f), errFull)
	f.room = 100_000
	mustBe(t, "a full disk again", alice.exports(f), errFull)
	f.room = 0
	mustBe(t, "go on", alice.exports(f), nil)
	want := alice.shows(bob)
	alice.renew()
	_, _, err := Import(t.Context(), f.rewound(), pass("file"), alice.id, false, alice)
	mustBe(t, "import", err, nil)
	if !slices.Equal(alice.shows(bob), want) {
		t.Error("what came back is another")
	}
}

// TestAnotherDeviceCutsNothingOff: a new device of alice's has nothing of what stands
// in her unfinished export, which may be the only copy: it does not go on with it
// before that was brought in. Nor does any device with a file whose damage looks
// like an end.
func TestAnotherDeviceCutsNothingOff(t *testing.T) {
	alice, bob, _ := scene(t)
	whole := &memFile{}
	mustBe(t, "export", alice.exports(whole), nil)
	fresh := newPerson(t, "alice")
	fresh.id, fresh.chain = alice.id, alice.chain
	for what, b := range map[string][]byte{
		"cut":                   whole.b[:len(whole.b)*2/3],
		"its last block spoilt": append(bytes.Clone(whole.b[:len(whole.b)-1]), whole.b[len(whole.b)-1]^1),
	} {
		f := &memFile{b: bytes.Clone(b)}
		mustBe(t, what, fresh.exports(f), ErrLacks)
		if !bytes.Equal(f.b, b) {
			t.Errorf("%s: the file was changed", what)
		}
	}
	for what, at := range map[string]int{"its name": 2, "its format": len(magic), "the end of its line": len(magic) + 1, "its header's size": len(magic) + 2} {
		f := &memFile{b: bytes.Clone(whole.b)}
		f.b[at] ^= 0x52
		keep := bytes.Clone(f.b)
		if err := alice.exports(f); err == nil || !bytes.Equal(f.b, keep) {
			t.Errorf("%s is spoilt: %v, and the file was changed: %v", what, err, !bytes.Equal(f.b, keep))
		}
	}
	f := &memFile{b: bytes.Clone(whole.b[:len(whole.b)*2/3])}
	_, _, err := Import(t.Context(), f.rewound(), pass("file"), fresh.id, true, fresh)
	mustBe(t, "bring in what is good", err, ErrCutShort)
	mustBe(t, "go on", fresh.exports(f), nil)
	if len(fresh.shows(bob)) == 0 {
		t.Error("nothing came")
	}
}
