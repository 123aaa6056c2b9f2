package devchain_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

var nobody ident.DeviceID // signs with the phrase

func setKey(k sign.Key) *wire.SetRecovery { return &wire.SetRecovery{Recovery: k.Public()} }

// travels sends a chain and reads it again.
func travels(t *testing.T, c devchain.Chain) devchain.Chain {
	t.Helper()
	var w wire.Chain
	if err := w.Parse(c.Wire().Append(nil)); err != nil {
		t.Fatal(err)
	}
	again := must(t)(devchain.Verify(&w))
	if devchain.Relate(c, again) != devchain.Same || !slices.Equal(again.Recovery(), c.Recovery()) {
		t.Fatal("another chain arrived")
	}
	return again
}

// The leak of ADR 11: a phrase that was seen is turned over, and its thief goes
// back behind that.
func TestAPhraseThatWasTurnedOverIsNothing(t *testing.T) {
	ok := must(t)
	phone, old, fresh, mallory := newDevice(), sign.NewKey(), sign.NewKey(), newDevice()
	begin := ok(devchain.Begin(phone.keys, old.Public(), phone.key))
	owner := ok(begin.By(nobody, old, setKey(fresh)))

	if _, err := owner.Recover(1, old, add(begin, mallory)); !errors.Is(err, devchain.ErrInvalid) {
		t.Errorf("the old phrase goes back behind its end: %v", err)
	}
	thief := ok(begin.By(nobody, old, add(begin, mallory))) // as one who saw no more
	if _, err := owner.Extend(thief.Wire().Entries[1]); !errors.Is(err, devchain.ErrLate) {
		t.Errorf("a directory is shown the old phrase's entry: %v", err)
	}
	for _, v := range []devchain.View{saw(t, owner, thief), saw(t, thief, owner)} {
		if !v.Forked() || !v.Contested() {
			t.Error("two recoveries after one are no alarm")
		}
		listed(t, v, phone)
	}
	// Who has the new phrase goes on from the rotation; that settles nothing.
	pc := newDevice()
	more := ok(owner.By(nobody, fresh, add(owner, pc)))
	v := saw(t, thief, owner, more)
	if !v.Contested() {
		t.Error("a contest was settled")
	}
	listed(t, v, phone)
}

// A recovery entry goes back behind the one before it: the line keeps what tells
// its key.
func TestALineLiesOffItsChain(t *testing.T) {
	ok := must(t)
	phone, pc, k0, k1, k2 := newDevice(), newDevice(), sign.NewKey(), sign.NewKey(), sign.NewKey()
	begin := ok(devchain.Begin(phone.keys, k0.Public(), phone.key))
	c := ok(begin.By(phone.id(), phone.key, add(begin, pc)))
	first := ok(c.By(nobody, k0, setKey(k1)))
	second := ok(first.By(nobody, k1, setKey(k2)))
	back := ok(second.Recover(1, k2, add(begin, newDevice())))
	if w := back.Wire(); back.Len() != 2 || len(w.Entries) != 2 || len(w.Line) != 2 {
		t.Fatalf("%d entries and %d of the line, want 2 and 2", len(w.Entries), len(w.Line))
	}
	again := travels(t, back)
	if _, err := again.Recover(1, k1, add(begin, newDevice())); !errors.Is(err, devchain.ErrInvalid) {
		t.Errorf("an old phrase still recovers: %v", err)
	}
	travels(t, ok(again.Recover(2, k2, setKey(k0))))
	for _, old := range []devchain.Chain{begin, c, first, second} {
		v := saw(t, old, back)
		if v.Forked() || v.Held().Head() != back.Head() || saw(t, back, old).Held().Head() != back.Head() {
			t.Errorf("the chain of %d entries is not void", old.Len())
		}
	}
	if rel := devchain.Relate(second, back); rel != devchain.Recovered {
		t.Errorf("relation %d", rel)
	}
	if rel := devchain.Relate(back, second); rel != devchain.Voided {
		t.Errorf("relation %d", rel)
	}

	w := back.Wire()
	for what, bad := range map[string]*wire.Chain{
		"without its line":    {Entries: w.Entries},
		"with half its line":  {Entries: w.Entries, Line: w.Line[1:]},
		"out of order":        {Entries: w.Entries, Line: []wire.SignedEntry{w.Line[1], w.Line[0]}},
		"with one twice":      {Entries: w.Entries, Line: append(slices.Clone(w.Line), w.Line[1])},
		"a line for nothing":  {Entries: begin.Wire().Entries, Line: w.Line},
		"a device's entry":    {Entries: w.Entries, Line: append(slices.Clone(w.Line), c.Wire().Entries[1])},
		"a signature swapped": {Entries: w.Entries, Line: []wire.SignedEntry{{Entry: w.Line[0].Entry, Signature: w.Line[1].Signature}, w.Line[1]}},
		"too many":            {Entries: w.Entries, Line: make([]wire.SignedEntry, devchain.MaxEntries)},
	} {
		if _, err := devchain.Verify(bad); !errors.Is(err, devchain.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// An account that began without a phrase gets one. It protects what comes after
// it, and says nothing about what was before: else a device that was removed
// could set one for itself.
func TestAPhraseSetLater(t *testing.T) {
	ok := must(t)
	phone, pc, old, k := newDevice(), newDevice(), newDevice(), sign.NewKey()
	c := ok(devchain.Begin(phone.keys, nil, phone.key))
	c = ok(c.By(phone.id(), phone.key, add(c, old)))
	three := c
	c = ok(c.By(phone.id(), phone.key, &wire.RemoveDevice{Device: idBytes(old)}))
	c = ok(c.By(phone.id(), phone.key, setKey(k)))
	if _, err := c.Recover(2, k, &wire.RemoveDevice{Device: idBytes(old)}); !errors.Is(err, devchain.ErrInvalid) {
		t.Errorf("the phrase goes back behind its beginning: %v", err)
	}
	if _, err := c.By(phone.id(), phone.key, setKey(sign.NewKey())); !errors.Is(err, devchain.ErrInvalid) {
		t.Errorf("a device sets a second key: %v", err)
	}
	mallory := sign.NewKey()
	theirs := ok(three.By(old.id(), old.key, setKey(mallory)))
	theirs = ok(theirs.By(nobody, mallory, &wire.RemoveDevice{Device: idBytes(phone)}))
	for _, v := range []devchain.View{saw(t, c, theirs), saw(t, theirs, c)} {
		if !v.Forked() || v.Contested() {
			t.Error("no alarm, or that of two phrases")
		}
		listed(t, v) // the phone is struck, the old one stays out
	}

	set := c
	c = ok(c.By(phone.id(), phone.key, add(c, pc)))
	c = travels(t, ok(c.Recover(set.Len(), k, add(set, newDevice()))))
	if len(c.Devices()) != 2 || c.Len() != set.Len()+1 {
		t.Errorf("%d devices, %d entries", len(c.Devices()), c.Len())
	}
	if at := ok(c.At(3)); len(at.Recovery()) != 0 {
		t.Error("there was a key before it was set")
	}
	if at := ok(c.At(set.Len())); !slices.Equal(at.Recovery(), k.Public()) {
		t.Error("the key that was set is not in force")
	}
}

func TestALineHasAnEnd(t *testing.T) {
	ok := must(t)
	phone, k := newDevice(), sign.NewKey()
	begin := ok(devchain.Begin(phone.keys, k.Public(), phone.key))
	c := begin
	for c.Len()+uint64(len(c.Wire().Line)) < devchain.MaxEntries {
		c = ok(c.Recover(1, k, setKey(k)))
	}
	if c.Len() != 2 {
		t.Fatalf("%d entries", c.Len())
	}
	if _, err := c.Recover(1, k, setKey(k)); !errors.Is(err, devchain.ErrInvalid) {
		t.Errorf("one more: %v", err)
	}
	travels(t, c)
}
