package devchain

import (
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// MaxLines is how many ends of lines of recovery entries a view tells apart.
// Past it nothing is listed: whoever could make as many could as well have
// removed every device (ADR 11).
const MaxLines = 8

// View is all that one viewer has seen of one account: the chain that is held
// and those that contradict it. What it says is a function of the set of chains
// that were learned; neither their order nor their length matters (ADR 10). It
// is a value that never changes.
//
// Of branches that no recovery has voided it keeps the few that matter: at most
// one for each device that they strike and two that show where they part, so
// that nobody can fill it by signing more.
type View struct {
	branches []Chain // the first is held; none is a beginning of another or void
}

// See returns the view of who has seen one chain alone.
func See(c Chain) View { return View{[]Chain{c}} }

// ReadView verifies a view as it is kept: the chain held, and forks as [View.Wire]
// returns them.
func ReadView(held *wire.Chain, forks []wire.Chain) (View, error) {
	c, err := Verify(held)
	if err != nil {
		return View{}, err
	}
	v := See(c)
	for i, f := range forks {
		whole, err := rejoin(c, f)
		if err != nil {
			return View{}, fmt.Errorf("fork %d: %w", i, err)
		}
		if v, err = v.Learn(whole); err != nil {
			return View{}, fmt.Errorf("fork %d: %w", i, err)
		}
	}
	return v, nil
}

// rejoin verifies a fork that has the entries from the first that differs.
func rejoin(held Chain, fork wire.Chain) (Chain, error) {
	if len(fork.Entries) == 0 {
		return Chain{}, fmt.Errorf("%w: it is empty", ErrInvalid)
	}
	e, _, err := parse(fork.Entries[0])
	if err != nil {
		return Chain{}, err
	}
	if e.Height == 0 || e.Height > held.Len() {
		return Chain{}, fmt.Errorf("%w: it parts nowhere from the chain that is held", ErrInvalid)
	}
	whole := &wire.Chain{Line: fork.Line}
	for _, s := range held.steps[:e.Height] {
		whole.Entries = append(whole.Entries, s.signed)
	}
	whole.Entries = append(whole.Entries, fork.Entries...)
	return Verify(whole)
}

// Held is the chain to show and to extend. Whom it names need not be listed.
func (v View) Held() Chain { return v.branches[0] }

// Forked reports whether branches contradict each other: the owner and everybody
// who talks to the account must be told. Only a recovery entry ends it.
func (v View) Forked() bool { return len(v.branches) > 1 }

// Contested reports whether two recovery entries follow the same one. Nothing
// ends that: the account has to be begun anew.
func (v View) Contested() bool {
	for i, a := range v.branches {
		for _, b := range v.branches[i+1:] {
			if Relate(a, b) == Contested {
				return true
			}
		}
	}
	return false
}

// Forks are chains that contradict the one held and each other.
func (v View) Forks() []Chain { return slices.Clone(v.branches[1:]) }

// Wire returns the chain held and the forks, each from the first entry that
// differs from it, with its whole line.
func (v View) Wire() (held *wire.Chain, forks []wire.Chain) {
	for _, f := range v.branches[1:] {
		w := f.Wire()
		w.Entries = w.Entries[f.shared(v.branches[0]):]
		forks = append(forks, *w)
	}
	return v.branches[0].Wire(), forks
}

// Listed returns the devices that speak for the account: those that every
// branch lists and that were listed where the branches part.
func (v View) Listed() []Device {
	if v.burnt() {
		return nil
	}
	base, err := v.branches[0].At(uint64(parting(v.branches))) //nolint:gosec // at most MaxEntries
	if err != nil {
		return nil // it was verified: a bug lists nobody
	}
	return slices.DeleteFunc(base.Devices(), func(d Device) bool {
		return slices.ContainsFunc(v.branches, func(c Chain) bool { return !c.lists(d.ID) })
	})
}

// Lists reports whether a device is one of those that [View.Listed] returns.
func (v View) Lists(id ident.DeviceID) bool {
	return slices.ContainsFunc(v.Listed(), func(d Device) bool { return d.ID == id })
}

// Learn returns the view after one more chain was seen. A chain of another
// account is refused.
func (v View) Learn(c Chain) (View, error) {
	if v.Held().ID() != c.ID() {
		return v, fmt.Errorf("%w: it is of another account", ErrInvalid)
	}
	if v.burnt() {
		return v, nil
	}
	kept := make([]Chain, 0, len(v.branches)+1)
	for _, b := range v.branches {
		switch Relate(b, c) {
		case Same, Extended, Voided:
			return v, nil // nothing that is not known
		case Extends, Recovered:
		case Forked, Contested, Foreign:
			kept = append(kept, b)
		}
	}
	kept = append(kept, c)
	slices.SortFunc(kept, func(a, b Chain) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	return View{prune(kept)}, nil
}

// prune leaves out branches that say nothing more. Only those that share the end
// of their line are held against each other, since the next recovery entry voids
// them together.
func prune(branches []Chain) []Chain {
	ends := map[Hash][]Chain{}
	for _, c := range branches {
		end := Hash(c.lineEnd())
		ends[end] = append(ends[end], c)
	}
	needed := map[Hash]bool{}
	for _, same := range ends {
		for _, c := range telling(same) {
			needed[c.Head()] = true
		}
	}
	return slices.DeleteFunc(branches, func(c Chain) bool { return !needed[c.Head()] })
}

// telling returns the first of some branches, one that parts from it first, and
// one for each other device that is struck.
func telling(branches []Chain) []Chain {
	first := branches[0]
	at := parting(branches)
	out := []Chain{first}
	if i := slices.IndexFunc(branches[1:], func(c Chain) bool { return first.shared(c) == at }); i >= 0 {
		out = append(out, branches[1+i])
	}
	base, err := first.At(uint64(at)) //nolint:gosec // at most MaxEntries
	if err != nil {
		return branches
	}
	for _, d := range base.Devices() {
		strikes := func(c Chain) bool { return !c.lists(d.ID) }
		if slices.ContainsFunc(out, strikes) {
			continue
		}
		if i := slices.IndexFunc(branches, strikes); i >= 0 {
			out = append(out, branches[i])
		}
	}
	return out
}

// parting is how many entries all branches begin with.
func parting(branches []Chain) int {
	n := len(branches[0].steps)
	for _, c := range branches[1:] {
		n = min(n, branches[0].shared(c))
	}
	return n
}

// burnt reports whether the lines have more ends than a view tells apart. Their
// number never falls: an end that is followed gives way to what follows it.
func (v View) burnt() bool {
	ends := map[Hash]bool{}
	for _, c := range v.branches {
		if len(c.recovery) != 0 {
			ends[Hash(c.lineEnd())] = true
		}
	}
	return len(ends) > MaxLines
}

func (c Chain) lists(id ident.DeviceID) bool {
	d, ok := c.Device(id)
	return ok && d.Active
}
