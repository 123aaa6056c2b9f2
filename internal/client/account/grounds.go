package account

import (
	"iter"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// maxGrounds is how many bytes of chains a commit carries: an envelope must
	// hold it. Members read at the directory what did not fit.
	maxGrounds = 96 << 10
	// maxForks is how many forks of an account are read from a commit: each costs
	// the verification of a chain.
	maxForks = 8
)

// Grounds is why a commit takes leaves out: what was seen of their accounts, the
// forks too, so that members who have not seen it judge alike and bring nobody
// back (ADR 10, 17).
func Grounds(views iter.Seq[devchain.View]) []byte {
	var g wire.Grounds
	size := 0
	for v := range views {
		var seen wire.Seen
		seen.Chain, seen.Forks = v.Wire()
		if n := seen.EncodedLen(); size+n <= maxGrounds {
			size += n
			g.Seen = append(g.Seen, seen)
		}
	}
	return g.Append(nil)
}

// ReadGrounds returns the chains of a room's accounts that a commit came with,
// verified. What can't be read is left out: a commit is valid by MLS and the
// room's rules, whatever it says of its grounds.
func ReadGrounds(b []byte, room Room) (out []devchain.Chain) {
	var g wire.Grounds
	if len(b) > 2*maxGrounds || g.Parse(b) != nil {
		return nil
	}
	for _, seen := range g.Seen {
		if seen.Chain == nil || len(seen.Forks) > maxForks { // each fork costs a chain to verify
			continue
		}
		view, err := devchain.ReadView(seen.Chain, seen.Forks)
		if err == nil && room.Has(view.Held().ID()) {
			out = append(append(out, view.Held()), view.Forks()...)
		}
	}
	return out
}
