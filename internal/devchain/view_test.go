package devchain_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
	"pgregory.net/rapid"
)

// The leak of ADR 10: a phone that was removed still holds its chain key.
func TestARemovedPhoneStaysOut(t *testing.T) {
	ok := must(t)
	for _, how := range []string{"grinds a hash", "is longer"} {
		t.Run(how, func(t *testing.T) {
			pc, phone, mallory := newDevice(), newDevice(), newDevice()
			c := ok(devchain.Begin(pc.keys, nil, pc.key))
			c = ok(c.By(pc.id(), pc.key, add(c, phone)))
			removed := ok(c.By(pc.id(), pc.key, &wire.RemoveDevice{Device: idBytes(phone)}))
			theirs := ok(c.By(phone.id(), phone.key, add(c, mallory)))
			want := removed.Head()
			for n := 0; how == "grinds a hash"; n++ {
				if h := theirs.Head(); bytes.Compare(h[:], want[:]) < 0 {
					break
				}
				mallory = newDevice()
				theirs = ok(c.By(phone.id(), phone.key, add(c, mallory)))
			}
			for range 5 {
				theirs = ok(theirs.By(mallory.id(), mallory.key, add(theirs, newDevice())))
			}
			for _, v := range []devchain.View{saw(t, removed, theirs), saw(t, theirs, removed)} {
				if !v.Forked() || v.Contested() {
					t.Error("a fork is no alarm, or taken for a contest")
				}
				listed(t, v, pc)
			}
		})
	}
}

// Mallory's device is on both branches: it came behind the place where they part.
func TestADeviceOnBothBranchesIsNotListed(t *testing.T) {
	ok := must(t)
	pc, phone, mallory := newDevice(), newDevice(), newDevice()
	c := ok(devchain.Begin(pc.keys, nil, pc.key))
	c = ok(c.By(pc.id(), pc.key, add(c, phone)))
	a := ok(c.By(phone.id(), phone.key, add(c, mallory)))
	b := ok(c.By(phone.id(), phone.key, add(c, newDevice())))
	b = ok(b.By(phone.id(), phone.key, add(b, mallory)))
	listed(t, saw(t, a, b), pc, phone)
}

func TestTwoDevicesRemoveEachOther(t *testing.T) {
	ok := must(t)
	phone, laptop, third, phrase := newDevice(), newDevice(), newDevice(), sign.NewKey()
	c := ok(devchain.Begin(phone.keys, phrase.Public(), phone.key))
	c = ok(c.By(phone.id(), phone.key, add(c, laptop)))
	c = ok(c.By(phone.id(), phone.key, add(c, third)))
	a := ok(c.By(phone.id(), phone.key, &wire.RemoveDevice{Device: idBytes(laptop)}))
	b := ok(c.By(laptop.id(), laptop.key, &wire.RemoveDevice{Device: idBytes(phone)}))
	v := saw(t, a, b)
	listed(t, v, third)
	settled := ok(a.By(nobody, phrase, add(a, newDevice())))
	v, err := v.Learn(settled)
	if err != nil || v.Forked() || len(v.Listed()) != 3 {
		t.Errorf("after the phrase: %d listed, forked %v, %v", len(v.Listed()), v.Forked(), err)
	}
	if v = saw(t, settled, b, a); v.Forked() || len(v.Listed()) != 3 {
		t.Error("what the phrase voided came back")
	}
}

// Whoever holds a listed device's key may sign without end: what is kept stays
// small, and says the same.
func TestForksDoNotFillAView(t *testing.T) {
	ok := must(t)
	pc, phone, phrase := newDevice(), newDevice(), sign.NewKey()
	c := ok(devchain.Begin(pc.keys, phrase.Public(), pc.key))
	c = ok(c.By(pc.id(), pc.key, add(c, phone)))
	v := saw(t, c)
	for range 100 {
		fork := ok(c.By(phone.id(), phone.key, add(c, newDevice())))
		v = saw(t, v.Held(), append(v.Forks(), fork)...)
	}
	if n := len(v.Forks()); n > 2 {
		t.Errorf("%d forks are kept", n)
	}
	listed(t, v, pc, phone)
	if v, _ = v.Learn(ok(c.By(pc.id(), pc.key, &wire.RemoveDevice{Device: idBytes(phone)}))); len(v.Forks()) > 2 {
		t.Error("forks pile up")
	}
	listed(t, v, pc) // the removal behind all that noise counts
	for range 2 * devchain.MaxLines {
		v, _ = v.Learn(ok(c.By(nobody, phrase, add(c, newDevice()))))
	}
	if n := len(v.Forks()); n > devchain.MaxLines {
		t.Errorf("%d forks are kept", n)
	}
	listed(t, v)
}

func TestAViewIsKept(t *testing.T) {
	ok := must(t)
	pc, phone := newDevice(), newDevice()
	c := ok(devchain.Begin(pc.keys, nil, pc.key))
	c = ok(c.By(pc.id(), pc.key, add(c, phone)))
	v := saw(t, ok(c.By(pc.id(), pc.key, &wire.RemoveDevice{Device: idBytes(phone)})), ok(c.By(phone.id(), phone.key, setKey(sign.NewKey()))))
	held, forks := v.Wire()
	if len(forks) != 1 || len(forks[0].Entries) != 1 {
		t.Fatalf("%d forks", len(forks))
	}
	again, err := devchain.ReadView(held, forks)
	if err != nil || again.Held().Head() != v.Held().Head() || !again.Forked() {
		t.Fatalf("another view came back: %v", err)
	}
	listed(t, again, pc)
	for what, bad := range map[string]wire.Chain{
		"nothing":                  {},
		"a whole chain":            *held,
		"one that parts elsewhere": {Entries: c.Wire().Entries[:1]},
	} {
		if _, err := devchain.ReadView(held, []wire.Chain{bad}); err == nil {
			t.Errorf("%s is a fork", what)
		}
	}
	other := newDevice()
	if _, err := v.Learn(ok(devchain.Begin(other.keys, nil, other.key))); err == nil {
		t.Error("a stranger's chain was learned")
	}
}

// A thicket is what stolen keys and an owner with a phrase make of one account.
type thicket struct {
	devices []device
	keys    map[string]sign.Key // recovery keys by public key
	chains  []devchain.Chain
}

// grow makes one more chain from one that is there: any device that is active on
// it may sign, and whoever has ever had a phrase may use it anywhere.
func (w *thicket) grow(t *rapid.T) {
	from := w.chains[rapid.IntRange(0, len(w.chains)-1).Draw(t, "from")]
	at := from.Len()
	phrase := rapid.IntRange(0, 2).Draw(t, "by") == 0 && len(from.Recovery()) != 0
	if rapid.Bool().Draw(t, "back") {
		at = rapid.Uint64Range(1, from.Len()).Draw(t, "at")
	}
	place, err := from.At(at)
	if err != nil {
		t.Fatal(err)
	}
	ds := place.Devices()
	var action wire.ChainEntryAction
	switch rapid.IntRange(0, 4).Draw(t, "action") {
	case 0, 1:
		d := newDevice()
		w.devices = append(w.devices, d)
		action = add(place, d)
	case 2, 3:
		id := ds[rapid.IntRange(0, len(ds)-1).Draw(t, "removed")].ID
		action = &wire.RemoveDevice{Device: id[:]}
	case 4:
		k := sign.NewKey()
		w.keys[string(k.Public())] = k
		action = setKey(k)
	}
	var next devchain.Chain
	if phrase {
		next, err = from.Recover(at, w.keys[string(from.Recovery())], action)
	} else {
		signer := ds[rapid.IntRange(0, len(ds)-1).Draw(t, "signer")].ID
		d := w.devices[slices.IndexFunc(w.devices, func(d device) bool { return d.id() == signer })]
		next, err = place.By(signer, d.key, action)
	}
	if err == nil {
		w.chains = append(w.chains, next)
	}
}

func newThicket(t *rapid.T) *thicket {
	d, k := newDevice(), sign.NewKey()
	w := &thicket{devices: []device{d}, keys: map[string]sign.Key{string(k.Public()): k}}
	var public []byte
	if rapid.IntRange(0, 3).Draw(t, "phrase") > 0 {
		public = k.Public()
	}
	w.chains = []devchain.Chain{must(t)(devchain.Begin(d.keys, public, d.key))}
	return w
}

// verdict is what docs/spec/chain.md says of a set of chains, without any of the
// shortcuts of a view.
func verdict(t rapid.TB, chains []devchain.Chain) (listed map[ident.DeviceID]bool, forked bool) {
	var tips []devchain.Chain
	for _, c := range chains {
		if !slices.ContainsFunc(chains, func(d devchain.Chain) bool {
			rel := devchain.Relate(c, d)
			return rel == devchain.Extends || rel == devchain.Recovered
		}) && !slices.ContainsFunc(tips, func(d devchain.Chain) bool { return d.Head() == c.Head() }) {
			tips = append(tips, c)
		}
	}
	part := tips[0].Len()
	for ; ; part-- {
		at := must(t)(tips[0].At(part))
		if !slices.ContainsFunc(tips, func(c devchain.Chain) bool { return !c.Contains(part, at.Head()) }) {
			tips = append(tips, at)
			break
		}
	}
	listed = map[ident.DeviceID]bool{}
	for _, d := range tips[0].Devices() {
		listed[d.ID] = !slices.ContainsFunc(tips, func(c devchain.Chain) bool {
			x, ok := c.Device(d.ID)
			return !ok || !x.Active
		})
	}
	maps.DeleteFunc(listed, func(_ ident.DeviceID, ok bool) bool { return !ok })
	return listed, len(tips) > 2
}

func listedIn(v devchain.View) map[ident.DeviceID]bool {
	out := map[ident.DeviceID]bool{}
	for _, d := range v.Listed() {
		out[d.ID] = true
	}
	return out
}

// Everybody who has seen the same chains judges alike, whatever the order and
// whatever was left out on the way, and as the specification says.
func TestAViewIsAFunctionOfWhatWasSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newThicket(t)
		for range rapid.IntRange(1, 14).Draw(t, "steps") {
			w.grow(t)
		}
		want, forked := verdict(t, w.chains)
		first := saw(t, w.chains[0], w.chains[1:]...)
		for range 4 {
			order := rapid.Permutation(w.chains).Draw(t, "order")
			v := saw(t, order[0], order[1:]...)
			if v.Held().Head() != first.Held().Head() || v.Contested() != first.Contested() {
				t.Fatal("another order, another verdict")
			}
			if v.Forked() != forked || !maps.Equal(listedIn(v), want) {
				t.Fatalf("%d chains: %d listed, forked %v; want %d, %v", len(order), len(v.Listed()), v.Forked(), len(want), forked)
			}
			held, forks := v.Wire()
			if again, err := devchain.ReadView(held, forks); err != nil || !maps.Equal(listedIn(again), want) || again.Held().Head() != v.Held().Head() {
				t.Fatalf("kept and read again: %v", err)
			}
		}
	})
}

// shut runs a story in which stolen keys sign anything anywhere, judged by some
// rule. It tells of the first device that came by a key which was off the
// account: one of a device that is not listed, or a phrase that was used up.
func shut(t *rapid.T, judge func([]devchain.Chain) map[ident.DeviceID]bool) error {
	w := newThicket(t)
	for range rapid.IntRange(1, 12).Draw(t, "steps") {
		seen := w.chains
		before := judge(seen)
		if w.grow(t); len(w.chains) == len(seen) {
			continue
		}
		c := w.chains[len(seen)]
		var e wire.ChainEntry
		if err := e.Parse(c.Wire().Entries[c.Len()-1].Entry); err != nil {
			return err
		}
		var off bool
		if len(e.Signer) != 0 {
			off = !before[ident.DeviceID(e.Signer)]
		} else {
			is := func(rel devchain.Relation) bool {
				return slices.ContainsFunc(seen, func(d devchain.Chain) bool { return devchain.Relate(d, c) == rel })
			}
			off = is(devchain.Contested) && !is(devchain.Recovered)
		}
		for d := range judge(w.chains) {
			if off && !before[d] {
				return fmt.Errorf("device %s was listed by a key that is off the account", d)
			}
		}
	}
	return nil
}

func TestKeysThatAreOffAnAccountListNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := shut(t, func(cs []devchain.Chain) map[ident.DeviceID]bool {
			return listedIn(saw(t, cs[0], cs[1:]...))
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// The rules that were tried before let such a key in.
func TestRulesThatPickABranchLeak(t *testing.T) {
	devices := func(c devchain.Chain) map[ident.DeviceID]bool { return listedIn(devchain.See(c)) }
	for what, judge := range map[string]func([]devchain.Chain) map[ident.DeviceID]bool{
		"the lower hash": func(cs []devchain.Chain) map[ident.DeviceID]bool {
			return devices(saw(t, cs[0], cs[1:]...).Held())
		},
		"the longest chain": func(cs []devchain.Chain) map[ident.DeviceID]bool {
			return devices(slices.MaxFunc(cs, func(a, b devchain.Chain) int { return int(a.Len()) - int(b.Len()) }))
		},
	} {
		story := rapid.Custom(func(t *rapid.T) bool { return shut(t, judge) != nil })
		leaks := false
		for seed := 0; seed < 2000 && !leaks; seed++ {
			leaks = story.Example(seed)
		}
		if !leaks {
			t.Errorf("%s: no history shows the leak", what)
		}
	}
}
