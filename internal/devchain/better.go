package devchain

import "bytes"

// Relation is how two chains of one account stand to each other.
type Relation uint8

// The relations; a fork is the only one that calls for an alarm.
const (
	// Same: the two are equal.
	Same Relation = iota + 1
	// Extends: the first goes on where the second ends.
	Extends
	// Extended: the second goes on where the first ends.
	Extended
	// Recovered: they part, and one side does so by the recovery key.
	Recovered
	// Forked: they part, and nothing but their hashes decides between them:
	// two devices, or two holders of the recovery key, contradict each other.
	Forked
	// Foreign: they belong to different accounts.
	Foreign
)

// Better returns the chain that holds, and how b stands to a. The order is
// total, so that everybody who has seen the same chains, in whatever order,
// holds the same one: where two chains part, an entry of the recovery key goes
// before one of a device, and the lower hash before the higher; a chain goes
// before its own beginning. (Length does not decide between forks: a rule that
// mixes it with rank is not transitive. ADR 4.)
func Better(a, b Chain) (Chain, Relation) {
	for i := range min(len(a.steps), len(b.steps)) {
		x, y := a.steps[i], b.steps[i]
		switch {
		case x.hash == y.hash:
			continue
		case i == 0:
			return a, Foreign
		case x.recovery && !y.recovery:
			return a, Recovered
		case y.recovery && !x.recovery:
			return b, Recovered
		case bytes.Compare(x.hash[:], y.hash[:]) < 0:
			return a, Forked
		default:
			return b, Forked
		}
	}
	switch {
	case len(a.steps) > len(b.steps):
		return a, Extended
	case len(a.steps) < len(b.steps):
		return b, Extends
	}
	return a, Same
}
