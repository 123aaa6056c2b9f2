package account

import (
	"testing"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// family is bob's account with a phone, a PC and a tablet, and his phrase.
type family struct {
	phone, pc, tablet *Me
	words             sign.Key
	chain             devchain.Chain
}

func newFamily(t *testing.T) family {
	t.Helper()
	f := family{words: sign.NewKey()}
	f.phone, f.chain = person(t)
	f.chain = f.does(t, f.phone, f.chain, &wire.SetRecovery{Recovery: f.words.Public()})
	for _, d := range []**Me{&f.pc, &f.tablet} {
		me, request, err := Join(f.chain, false)
		if err != nil {
			t.Fatal(err)
		}
		*d, f.chain = me, f.does(t, f.phone, f.chain, request)
	}
	return f
}

func (f family) does(t *testing.T, me *Me, c devchain.Chain, a wire.ChainEntryAction) devchain.Chain {
	t.Helper()
	c, err := me.Extend(c, a)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f family) without(t *testing.T, by, whom *Me, c devchain.Chain) devchain.Chain {
	t.Helper()
	return f.does(t, by, c, &wire.RemoveDevice{Device: whom.Device[:]})
}

// TestWhenADeviceHasEnded: a removal that nothing contradicts ends a device, and
// so does the phrase. A fork does not, a contest neither, nor a removal beside
// which the device itself has signed another step.
func TestWhenADeviceHasEnded(t *testing.T) {
	f := newFamily(t)
	sees := func(chains ...devchain.Chain) Pin {
		p := NewPin(f.chain)
		for _, c := range chains {
			p, _ = p.See(c)
		}
		return p
	}
	ended := func(what string, p Pin, d *Me, want bool) {
		t.Helper()
		if p.Ended(d.Device) != want {
			t.Errorf("%s: ended is %v", what, !want)
		}
	}
	gone := f.without(t, f.pc, f.phone, f.chain)
	ended("nothing happened", sees(), f.phone, false)
	ended("removed", sees(gone), f.phone, true)
	ended("another one was removed", sees(gone), f.tablet, false)
	beside := f.without(t, f.tablet, f.pc, f.chain)
	ended("removed on one of two branches", sees(gone, beside), f.phone, false)
	ended("the same, the other way round", sees(beside, gone), f.phone, false)
	ended("removed on both", sees(gone, f.without(t, f.tablet, f.phone, f.chain)), f.phone, false)

	// The phone removes the PC while the PC removes it.
	mine := f.without(t, f.phone, f.pc, f.chain)
	p, offered := sees(gone), mine.Wire().Entries
	p.Record.Offered = &offered[len(offered)-1]
	ended("beside a step of its own", p, f.phone, false)
	before := f.chain.Wire().Entries
	p.Record.Offered = &before[len(before)-1]
	ended("behind a step of its own", p, f.phone, true)

	// With the phrase: a new device, and all others are off.
	fresh, err := NewDevice(false)
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := fresh.Recover(beside, f.words)
	if err != nil {
		t.Fatal(err)
	}
	p = sees(gone, beside, back)
	for _, d := range []*Me{f.phone, f.pc, f.tablet} {
		ended("recovered", p, d, true)
	}
	p.Record.Offered = &offered[len(offered)-1]
	ended("recovered, beside a step of its own", p, f.phone, true)
	ended("recovered", p, fresh, false)
	other, err := NewDevice(false)
	if err != nil {
		t.Fatal(err)
	}
	contest, _, err := other.Recover(gone, f.words)
	if err != nil {
		t.Fatal(err)
	}
	ended("contested", sees(back, contest), f.phone, false)
	if d, _ := f.chain.Device(f.tablet.Device); d.By != f.phone.Device {
		t.Errorf("the tablet was let in by %v", d.By)
	}
	for _, of := range []struct {
		c devchain.Chain
		d *Me
	}{{f.chain, f.phone}, {back, fresh}} {
		if d, _ := of.c.Device(of.d.Device); d.By != (ident.DeviceID{}) {
			t.Errorf("%v let a device in that nobody did", d.By)
		}
	}
}
