package devchain

import "bytes"

// Relation is how a second chain of one account stands to a first.
type Relation uint8

// The relations. Forked and Contested call for an alarm.
const (
	// Same: the two are equal.
	Same Relation = iota + 1
	// Extends: the second goes on where the first ends.
	Extends
	// Extended: the first goes on where the second ends.
	Extended
	// Recovered: they part, and the second's recovery entry voids the first.
	Recovered
	// Voided: they part, and the first's recovery entry voids the second.
	Voided
	// Forked: they part, and no recovery entry decides between them.
	Forked
	// Contested: two recovery entries follow the same one, and nobody can tell
	// owner from thief.
	Contested
	// Foreign: they belong to different accounts.
	Foreign
)

// Relate tells how b stands to a.
func Relate(a, b Chain) Relation {
	n := a.shared(b)
	switch {
	case n == 0:
		return Foreign
	case n == len(a.steps) && n == len(b.steps):
		return Same
	case n == len(a.steps):
		return Extends
	case n == len(b.steps):
		return Extended
	case a.line[0].hash != b.line[0].hash:
		return Forked // what devices set on two branches says nothing of the other
	}
	m := 0
	for m < min(len(a.line), len(b.line)) && a.line[m].hash == b.line[m].hash {
		m++
	}
	switch {
	case m < len(a.line) && m < len(b.line):
		return Contested
	case m < len(b.line):
		return Recovered
	case m < len(a.line):
		return Voided
	}
	return Forked
}

// shared is how many entries two chains begin with alike.
func (c Chain) shared(other Chain) int {
	n := 0
	for n < min(len(c.steps), len(other.steps)) && c.steps[n].hash == other.steps[n].hash {
		n++
	}
	return n
}

// before orders chains that part, so that everybody who has seen the same ones
// shows the same one: at the first entry where they differ the lower hash goes
// first. Nothing is admitted by it (ADR 10).
func (c Chain) before(other Chain) bool {
	n := c.shared(other)
	return bytes.Compare(c.steps[n].hash[:], other.steps[n].hash[:]) < 0
}
