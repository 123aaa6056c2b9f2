package home

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/wire"
)

// bugs are planted to see that the detective notices.
type bugs struct {
	forgetsNothing bool  // the keys of deleted messages are not given up
	vault          Vault // erases nothing
	reusesKeys     bool  // each slot from the second on has one key
	logs           bool  // what is written stands in a log as well
}

// keepsSlots is a vault that does not erase what it is told to.
type keepsSlots struct{ old []Slot }

func (k *keepsSlots) Slots(context.Context) ([]Slot, error) { return k.old, nil }
func (k *keepsSlots) Erase(context.Context, uint64) error   { return nil }
func (k *keepsSlots) Write(_ context.Context, s Slot) error {
	k.old = append(k.old, Slot{s.Generation, s.Key.Clone()})
	return nil
}

// village is a home under test with the model of what can be read in it.
type village struct {
	bugs  bugs
	disk  *memstore.Disk
	tape  tape
	store *storetest.Faulty
	vault Vault
	home  *Home

	live map[place]*wire.MessageRecord
	ever []string
	n    uint64
}

type place struct{ room, at uint64 }

func found(b bugs) (*village, error) {
	v := &village{bugs: b, disk: &memstore.Disk{}, vault: b.vault, live: map[place]*wire.MessageRecord{}}
	if v.vault == nil {
		v.vault = NewVaultForTests()
	}
	v.tape = record(nil)
	if err := v.mount(); err != nil {
		return nil, err
	}
	var err error
	v.home, err = Create(context.Background(), v.store, v.options())
	if err == nil && b.reusesKeys {
		v.home.slotKey = func() secret.Bytes { return secret.New(bytes.Repeat([]byte{7}, rootSize)) }
	}
	return v, err
}

func (v *village) options() Options {
	return Options{Passphrase: says("cow"), Vault: v.vault, Cost: WeakCostForTests()}
}

func (v *village) mount() error {
	s, err := v.disk.Open()
	if err != nil {
		return err
	}
	v.store = storetest.NewFaulty(v.tape.on(s), func() { v.disk.Crash(0) })
	return nil
}

// reopen takes the power, or closes in order, and opens the home again.
func (v *village) reopen() error {
	v.disk.Crash(0)
	if err := v.mount(); err != nil {
		return err
	}
	var err error
	v.home, err = Open(context.Background(), v.store, v.options())
	return err
}

func (v *village) key(p place) Key { return v.home.Key(Message, []byte{byte(p.room)}).At(p.at) }

// gone is what is left of a message.
func gone(rec *wire.MessageRecord) *wire.MessageRecord {
	return &wire.MessageRecord{Gone: wire.GoneHere, ReadAt: rec.ReadAt}
}

// change does one thing. The model follows if the commit did.
func (v *village) change(fn func(*Tx, map[place]*wire.MessageRecord)) error {
	next := maps.Clone(v.live)
	tx := v.home.Begin()
	fn(tx, next)
	err := tx.Commit(context.Background())
	if err == nil {
		v.live = next
		return nil
	}
	// Nobody knows what is on the disk: the home is opened anew, and tells.
	if err := v.reopen(); err != nil {
		return err
	}
	if v.same(next) == nil {
		v.live = next
	}
	return nil
}

func (v *village) write(tx *Tx, next map[place]*wire.MessageRecord, room, dayOf uint64, alone bool) {
	v.n++
	text := fmt.Sprintf("canary %d.", v.n)
	rec := &wire.MessageRecord{Content: []byte(text), ReadAt: int64(dayOf) * day}
	if alone {
		rec.Key = v.n
	}
	p := place{room, v.n}
	tx.Put(v.key(p), rec)
	next[p] = rec
	v.ever = append(v.ever, text)
	if v.bugs.logs {
		*v.tape.all = append(*v.tape.all, [2][]byte{[]byte("log"), []byte("wrote " + text)})
	}
}

func (v *village) remove(tx *Tx, next map[place]*wire.MessageRecord, p place) {
	rec := next[p]
	tx.Put(v.key(p), gone(rec))
	if !v.bugs.forgetsNothing {
		tx.Forget(v.key(p), PartOf(rec))
	}
	delete(next, p)
}

// same reports where the home and a model differ.
func (v *village) same(model map[place]*wire.MessageRecord) error {
	n := 0
	for it, err := range v.home.All(context.Background(), Message) {
		var rec wire.MessageRecord
		if err = errors.Join(err, rec.Parse(it.Record)); err != nil {
			return err
		}
		if rec.Gone == wire.GoneNot {
			n++
		}
	}
	if n != len(model) {
		return fmt.Errorf("%d messages can be read, not %d", n, len(model))
	}
	for p, want := range model {
		var got wire.MessageRecord
		ok, err := v.home.Get(context.Background(), v.key(p), &got)
		if err != nil || !ok || string(got.Content) != string(want.Content) {
			return fmt.Errorf("%v reads %q, %v, %w; want %q", p, got.Content, ok, err, want.Content)
		}
	}
	return nil
}

// search looks for what was deleted and still opens, and for what lives and does
// not.
func (v *village) search() error {
	slots, err := v.vault.Slots(context.Background())
	if err != nil {
		return err
	}
	opens := detective{*v.tape.all, slots, v.home.root, v.home.ring}.opens(v.ever)
	for _, rec := range v.live {
		if text := string(rec.Content); !opens[text] {
			return fmt.Errorf("%q lives and is not found: the detective looks at the wrong place", text)
		} else {
			delete(opens, text)
		}
	}
	if len(opens) > 0 {
		return fmt.Errorf("deleted, and opens: %q", slices.Sorted(maps.Keys(opens)))
	}
	return nil
}

// live lets any sequence of things happen, and looks at what is left.
func live(t *rapid.T, b bugs) error {
	v, err := found(b)
	if err != nil {
		return err
	}
	pick := func() (place, bool) {
		if len(v.live) == 0 {
			return place{}, false
		}
		all := slices.SortedFunc(maps.Keys(v.live), func(a, b place) int { return int(a.at) - int(b.at) })
		return rapid.SampledFrom(all).Draw(t, "which"), true
	}
	for range rapid.IntRange(4, 25).Draw(t, "things") {
		if rapid.IntRange(0, 5).Draw(t, "trouble") == 0 {
			fault := rapid.SampledFrom([]storetest.Fault{storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter}).Draw(t, "fault")
			v.store.Plan(rapid.IntRange(1, 2).Draw(t, "at"), fault)
		}
		err = nil
		switch rapid.IntRange(0, 7).Draw(t, "what") {
		case 0, 1, 2:
			room, on := rapid.Uint64Range(0, 1).Draw(t, "room"), rapid.Uint64Range(1, 2).Draw(t, "day")
			alone := rapid.Bool().Draw(t, "alone")
			err = v.change(func(tx *Tx, next map[place]*wire.MessageRecord) { v.write(tx, next, room, on, alone) })
		case 3, 4:
			if p, ok := pick(); ok {
				err = v.change(func(tx *Tx, next map[place]*wire.MessageRecord) { v.remove(tx, next, p) })
			}
		case 5:
			err = v.change(func(tx *Tx, next map[place]*wire.MessageRecord) {
				for p := range v.live {
					if p.room == 0 {
						v.remove(tx, next, p)
					}
				}
			})
		case 6:
			if v.home.Shred(context.Background()) != nil {
				err = v.reopen()
			}
		case 7:
			err = v.reopen()
		}
		if err == nil {
			err = v.same(v.live)
		}
		if err != nil {
			return err
		}
	}
	v.store.Clear()
	if err := v.home.Shred(context.Background()); err != nil {
		if err = v.reopen(); err != nil {
			return err
		}
		if err := v.home.Shred(context.Background()); err != nil {
			return err
		}
	}
	return errors.Join(v.same(v.live), v.search())
}

// TestWhatIsReadableIsWhatLives: after any sequence of writing, deleting,
// clearing, crashes and openings the messages that can be read are those of the
// model, and once keys were destroyed nothing that was ever written opens with
// anything that is left, but those.
func TestWhatIsReadableIsWhatLives(t *testing.T) {
	rounds := 1
	if os.Getenv("BYRE_LONG") != "" {
		rounds = 50
	}
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			if err := live(t, bugs{}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestTheDetectiveSees plants bugs that must be caught.
func TestTheDetectiveSees(t *testing.T) {
	for name, b := range map[string]func() bugs{
		"keys of the deleted are kept": func() bugs { return bugs{forgetsNothing: true} },
		"the vault erases nothing":     func() bugs { return bugs{vault: &keepsSlots{}} },
		"a slot's key is used again":   func() bugs { return bugs{reusesKeys: true} },
		"a message is logged":          func() bugs { return bugs{logs: true} },
	} {
		if err := simpleLife(t, b()); err == nil {
			t.Errorf("%s: nothing was noticed", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	if err := simpleLife(t, bugs{}); err != nil {
		t.Errorf("without a bug: %v", err)
	}
}

// simpleLife writes, deletes and destroys keys three times, and then searches.
func simpleLife(t *testing.T, b bugs) error {
	t.Helper()
	v, err := found(b)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for range 2 {
			if err := v.change(func(tx *Tx, next map[place]*wire.MessageRecord) { v.write(tx, next, 0, 1, false) }); err != nil {
				t.Fatal(err)
			}
		}
		if err := v.change(func(tx *Tx, next map[place]*wire.MessageRecord) { v.remove(tx, next, place{0, v.n}) }); err != nil {
			t.Fatal(err)
		}
		if err := v.home.Shred(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.same(v.live); err != nil {
		t.Error(err)
	}
	return v.search()
}

// TestConsumedStateDoesNotOpen: what was replaced or deleted of keys, groups and
// what waits to be sent opens no more than a deleted message.
func TestConsumedStateDoesNotOpen(t *testing.T) {
	for k := Device; k < kinds; k++ {
		if habits[k] == kept || habits[k] == byPart {
			continue
		}
		v, err := found(bugs{})
		if err != nil {
			t.Fatal(err)
		}
		put := func(n uint64, text string) {
			tx := v.home.Begin()
			if text == "" {
				tx.Delete(v.home.Key(k, []byte("name")).At(n))
			} else {
				tx.PutBytes(v.home.Key(k, []byte("name")).At(n), []byte(text))
				v.ever = append(v.ever, text)
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		put(1, "consumed")
		put(2, "still here")
		if habits[k] == erased {
			put(1, "consumed as well")
		}
		put(1, "")
		if !v.home.Stale() {
			t.Errorf("kind %d: nothing waits to be destroyed", k)
		}
		if err := v.reopen(); err != nil { // what waits to be destroyed is remembered
			t.Fatal(err)
		}
		if err := v.home.Shred(t.Context()); err != nil {
			t.Fatal(err)
		}
		slots, _ := v.vault.Slots(t.Context())
		opens := detective{*v.tape.all, slots, v.home.root, v.home.ring}.opens(v.ever)
		if len(opens) != 1 || !opens["still here"] {
			t.Errorf("kind %d: opens %v", k, opens)
		}
	}
}
