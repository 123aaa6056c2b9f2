package account

import (
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestGroundsSayWhatWasSeen: whoever reads them has seen what their author had,
// forks too, of the room's accounts alone; and nothing of what is damaged.
func TestGroundsSayWhatWasSeen(t *testing.T) {
	f := newFamily(t)
	alice, hers := person(t)
	room := Direct(alice.Account, f.chain.ID())
	v := devchain.See(f.without(t, f.pc, f.tablet, f.chain))
	v, err := v.Learn(f.without(t, f.tablet, f.pc, f.chain))
	if err != nil || !v.Forked() {
		t.Fatal(err)
	}
	_, strangers := person(t)
	b := Grounds(slices.Values([]devchain.View{v, devchain.See(hers), devchain.See(strangers)}))
	seen := NewPin(f.chain)
	chains := ReadGrounds(b, room)
	for _, c := range chains {
		if c.ID() == f.chain.ID() {
			seen, _ = seen.See(c)
		} else if c.ID() != alice.Account {
			t.Error("a stranger's chain is told")
		}
	}
	if len(chains) != 3 || !slices.EqualFunc(seen.View.Listed(), v.Listed(), func(a, b devchain.Device) bool { return a.ID == b.ID }) {
		t.Errorf("%d chains; listed %+v", len(chains), seen.View.Listed())
	}
	for _, junk := range [][]byte{nil, {1}, b[:len(b)/2], (&wire.Grounds{Seen: make([]wire.Seen, 3)}).Append(nil)} {
		if got := ReadGrounds(junk, room); len(got) != 0 {
			t.Errorf("%d chains of junk", len(got))
		}
	}
	many := slices.Repeat([]devchain.View{v}, 100)
	if b := Grounds(slices.Values(many)); len(b) > maxGrounds+1000 || len(b) < maxGrounds/2 {
		t.Errorf("grounds of %d bytes", len(b))
	}
}
