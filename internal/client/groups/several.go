package groups

import (
	"iter"
	"math"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
)

// Entry is a group, or what a caller keeps around one. A conversation has several
// where two began it at once, or somebody could not follow.
type Entry interface{ entry() *Group }

func (g *Group) entry() *Group { return g }

// Sending returns the first group that can be sent in, or the zero value.
func Sending[E Entry](list []E) (first E) {
	for _, g := range list {
		if g.entry().Usable() {
			return g
		}
	}
	return first
}

// Usable is how many groups can be sent in.
func Usable[E Entry](list []E) (n int) {
	for _, g := range list {
		if g.entry().Usable() {
			n++
		}
	}
	return n
}

// Stuck reports whether a group must be resolved first and can't be now.
func Stuck[E Entry](list []E) bool {
	for _, g := range list {
		if g.entry().Unsure() && !g.entry().Rec.Over {
			return true
		}
	}
	return false
}

// Active is when a device was last heard in any of them, or added.
func Active[E Entry](list []E, d ident.DeviceID) (at time.Time) {
	for _, g := range list {
		if x := g.entry().Active(d); x.After(at) {
			at = x
		}
	}
	return at
}

// Lost reports whether this device can't follow the last group any more, and
// returns the one that it could follow last. One from which it was taken out is
// none that it lost, and hides none: whoever is a member takes nobody's word for
// where another group of the room stands.
func Lost[E Entry](list []E) (last E, lost bool) {
	for _, x := range list {
		g := x.entry()
		if g.Usable() || g.Unsure() && !g.Rec.Over {
			var none E
			return none, false
		}
		if g.Rec.Over && !g.Rec.Removed && (!lost || g.Rec.SureAt > last.entry().Rec.SureAt) {
			last, lost = x, true
		}
	}
	return last, lost
}

// Oldest is the lowest number of this device's own leaves in the groups that it
// follows; without any it is the highest that there is.
func Oldest[E Entry](all iter.Seq[E]) uint64 {
	n := uint64(math.MaxUint64)
	for x := range all {
		if g := x.entry(); !g.Rec.Over {
			n = min(n, g.Number())
		}
	}
	return n
}

// Owner finds whose a device is that is a member of any of them.
func Owner[E Entry](list []E, d ident.DeviceID) (ident.AccountID, bool) {
	for _, g := range list {
		for _, m := range g.entry().Members {
			if m.Device == d {
				return m.Account, true
			}
		}
	}
	return ident.AccountID{}, false
}

// Missing returns the accounts but me of which no device has done something.
func Missing[E Entry](list []E, accounts []ident.AccountID, me ident.AccountID, did func(ident.DeviceID) bool) []ident.AccountID {
	done := map[ident.AccountID]bool{me: true}
	for _, g := range list {
		for _, m := range g.entry().Members {
			done[m.Account] = done[m.Account] || did(m.Device)
		}
	}
	return slices.DeleteFunc(slices.Clone(accounts), func(a ident.AccountID) bool { return done[a] })
}
