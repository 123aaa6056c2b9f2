package past

import (
	"bytes"
	"cmp"
	"math"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/wire"
)

// Records of several devices may ask for one place. What stands where follows from
// what is there, and not from the order in which it came: from the newest place to
// the oldest, the records in the order of (place asked for, id), each as near to its
// place as those above it leave room.

// insert puts a record where it belongs and moves those down for which it leaves no
// room.
func (m merging) insert(x *entry, place uint64) error {
	for position := ^place; position < math.MaxUint64; position++ {
		there, err := m.at(position)
		if err != nil {
			return err
		}
		if there == nil {
			m.stand(x, position)
			return nil
		}
		if other := wants(there, position); cmp.Or(cmp.Compare(place, other), bytes.Compare(x.id[:], there.id[:])) > 0 {
			m.stand(x, position)
			x, place = there, other
		}
	}
	return nil // before all time: places are not that low
}

// wants is the place that a record asks for. Of what is gone no more is known than
// where it stands.
func wants(x *entry, position uint64) uint64 {
	if x.rec.Place != 0 {
		return x.rec.Place
	}
	return ^position
}

// lift takes a record away and moves those up that it left no room.
func (m merging) lift(position uint64) error {
	for {
		next, err := m.at(position + 1) // of none is the position the last
		if err != nil {
			return err
		}
		if next == nil || wants(next, position+1) < ^position {
			m.tx.Delete(m.home.Key(home.Message, m.room.ID[:]).At(position))
			return nil
		}
		m.stand(next, position)
		position++
	}
}

// stand writes a record to a position, and what finds it there.
func (m merging) stand(x *entry, position uint64) {
	at := &wire.IndexRecord{Room: m.room.ID[:], Position: position}
	m.tx.Put(m.home.Key(home.Message, m.room.ID[:]).At(position), x.rec)
	m.tx.Put(m.home.Key(home.Index, x.id[:]), at)
	if x.seq != 0 {
		m.tx.Put(m.home.Key(home.Number, m.room.ID[:], x.device[:]).At(x.seq), at)
	}
}
