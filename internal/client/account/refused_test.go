package account

import (
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestWhatWasRefusedIsLookedFor: a device that a refused step adds is told once,
// when a chain lists it; one that came and went is not; a refused removal stays
// the step that is offered.
func TestWhatWasRefusedIsLookedFor(t *testing.T) {
	me, chain := person(t)
	add := func(c devchain.Chain) (devchain.Chain, ident.DeviceID) {
		t.Helper()
		d, request, err := Join(c, false)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = me.Extend(c, request); err != nil {
			t.Fatal(err)
		}
		return c, d.Device
	}
	last := func(c devchain.Chain) wire.SignedEntry {
		e := c.Wire().Entries
		return e[len(e)-1]
	}
	with, pc := add(chain)
	p := NewPin(chain)
	step := last(with)
	p.Record.Offered = &step
	if first, second := p.Refused(step), p.Refused(step); !first || !second || p.Record.Offered != nil || len(p.Record.Refused) != 1 {
		t.Fatalf("refused %x, offered %v", p.Record.Refused, p.Record.Offered)
	}
	p, err := PinFrom(p.Record)
	if err != nil {
		t.Fatal(err)
	}
	listed, seen := p.See(with)
	if alarms := listed.Alarms(seen, me.Account); !slices.Equal(seen.Came, []ident.DeviceID{pc}) || len(alarms) != 1 || len(listed.Record.Refused) != 0 || len(p.Record.Refused) != 1 {
		t.Errorf("it came: %+v, %+v", seen, alarms)
	}
	more, _ := add(with)
	if _, seen = listed.See(more); len(seen.Came) != 0 {
		t.Errorf("it came again: %+v", seen)
	}
	without, err := me.Extend(with, &wire.RemoveDevice{Device: pc[:]})
	if err != nil {
		t.Fatal(err)
	}
	if gone, seen := p.See(without); len(seen.Came) != 0 || len(gone.Record.Refused) != 0 {
		t.Errorf("it came and went: %+v", seen)
	}
	removal := last(without)
	listed.Record.Offered = &removal
	if listed.Refused(removal) || listed.Record.Offered == nil {
		t.Error("a removal that was refused is not offered again")
	}
	for range maxRefused + 1 {
		other, _ := add(chain)
		p.Refused(last(other))
	}
	if len(p.Record.Refused) != maxRefused {
		t.Errorf("%d devices are looked for", len(p.Record.Refused))
	}
}
