package seal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
)

// Held is a record that the engine holds.
type Held struct {
	Owner  Owner
	Handle Handle
	// Segment is what [Segment] says of it; 0 if that is not known.
	Segment uint32
}

// ReadMark returns the mark of a snapshot, for [Mark.Resume]; the zero Mark if
// there is no snapshot.
func ReadMark(state secret.Bytes) (Mark, error) {
	if state.Len() == 0 {
		return Mark{}, nil
	}
	r := reader{b: state.Reveal()}
	m := r.head()
	if r.bad {
		return Mark{}, errSnapshot
	}
	return m, nil
}

var errSnapshot = errors.New("a snapshot of keys does not parse")

// Recover returns the keys of a snapshot at now: those of records that are held,
// and no others. Without a snapshot (no bytes) there are none. The chains of
// earlier processes open and never seal; before anything can be sealed a first
// [Keys.Snapshot] has to be durable and adopted. A held record whose key is gone
// answers [ErrForgotten]. The order of held does not matter.
//
// What is due at now is dropped first.
func Recover(retention time.Duration, state secret.Bytes, now Mark, held iter.Seq2[Held, error]) (*Keys, error) {
	if retention < MinRetention || retention > MaxRetention {
		return nil, fmt.Errorf("retention is %v: choose between %v and %v", retention, MinRetention, MaxRetention)
	}
	k := &Keys{retention: retention}
	k.roots.nextID = 1
	for i := range k.shards {
		k.shards[i].owners = map[Owner][]*chain{}
	}
	// What is held is read before, and outside of what is erased: whoever reads
	// it works with files.
	kept, above, err := gather(held)
	if err != nil {
		return nil, err
	}
	secret.Do(func() {
		earlier, e := k.decode(state)
		if err = e; err != nil {
			return
		}
		k.tick(now)
		k.roots.mark = now
		k.roots.nextID = max(k.roots.nextID, above)
		k.keep(kept, earlier)
		for _, s := range k.roots.segments {
			s.dry()
		}
	})
	if err != nil {
		return nil, err
	}
	k.changes.Add(1) // what was not kept still opens with the snapshot
	return k, nil
}

// place is one chain of one owner.
type place struct {
	owner Owner
	born  birth
}

// gather returns which keys of each chain are held, and a number above every
// segment that a held record knows: also when the key is gone no handle may be
// given twice, and no segment may be taken for one that is dead.
func gather(held iter.Seq2[Held, error]) (kept map[place][]uint16, above uint32, err error) {
	kept = map[place][]uint16{}
	for h, err := range held {
		if err != nil {
			return nil, 0, fmt.Errorf("read what is held: %w", err)
		}
		born := h.Handle.born()
		above = max(above, born.segment+1, h.Segment+1)
		at := place{h.Owner, born}
		kept[at] = append(kept[at], h.Handle.n())
	}
	return kept, above, nil
}

// keep destroys every key but those of records that are held, and derives those
// of chains that began after the snapshot; earlier ones, if it was.
func (k *Keys) keep(kept map[place][]uint16, earlier bool) {
	newest := uint32(0)
	if n := len(k.roots.segments); n > 0 {
		newest = k.roots.segments[n-1].id
	}
	for at, ns := range kept {
		s := &k.shards[at.owner[0]]
		c := s.chain(at.owner, at.born)
		if c == nil {
			if c = k.roots.begin(at.owner, at.born); c == nil {
				continue
			}
			c.earlier = earlier
			s.owners[at.owner] = append(s.owners[at.owner], c)
		}
		if c.sealing {
			c.last = newest // it went on, nobody knows until when
		}
		slices.Sort(ns)
		c.keep(slices.Compact(ns))
	}
	for i := range k.shards {
		s := &k.shards[i]
		for owner, chains := range s.owners {
			for _, c := range slices.Clone(chains) {
				if _, ok := kept[place{owner, c.born}]; !ok || c.empty() {
					s.drop(owner, c)
				}
			}
		}
	}
}

// begin derives a chain that began after the snapshot was taken, or returns nil.
func (r *roots) begin(owner Owner, born birth) *chain {
	s := r.segment(born.segment)
	if s == nil || s.source == nil || born.step < s.step {
		return nil
	}
	c := *s.source
	for range born.step - s.step {
		derive(&c, &c, labelTurn, nil)
	}
	derive(&c, &c, labelChain, owner[:])
	begun := newChain(born, &c)
	clear(c[:])
	return begun
}

// decode reads a snapshot into empty keys, and reports whether it is of version 1.
func (k *Keys) decode(state secret.Bytes) (earlier bool, err error) {
	if state.Len() == 0 {
		return false, nil
	}
	r := reader{b: state.Reveal()}
	k.roots.mark = r.head()
	k.roots.nextID = max(k.roots.nextID, r.u32())
	for n := r.u32(); n > 0 && !r.bad; n-- {
		s := &segment{id: r.u32(), opened: r.ms()}
		r.key(&s.secret)
		if r.u8()&hasSource != 0 {
			s.step, s.source = r.u16(), new(key)
			r.key(s.source)
		}
		if r.bad = r.bad || k.roots.segment(s.id) != nil; !r.bad {
			k.roots.add(s)
		}
	}
	for len(r.b) > 0 && !r.bad {
		owner, c := r.chain()
		s := &k.shards[owner[0]]
		if s.chain(owner, c.born) != nil || c.tail > c.head || c.head > MaxChain {
			r.bad = true
		}
		s.owners[owner] = append(s.owners[owner], c)
	}
	if r.bad {
		return false, errSnapshot
	}
	return r.version == earlierVersion, nil
}

// reader takes a snapshot apart. Past the end it is bad, and reads zeros.
type reader struct {
	b       []byte
	bad     bool
	version byte
}

func (r *reader) head() Mark {
	if r.version = r.u8(); r.version != version && r.version != earlierVersion {
		r.bad = true
	}
	return Mark{Elapsed: r.ms(), Wall: time.UnixMilli(int64(r.u64()))} //nolint:gosec // written from an int64
}

func (r *reader) chain() (owner Owner, c *chain) {
	copy(owner[:], r.take(OwnerSize))
	c = &chain{born: birth{r.u32(), r.u16()}, last: r.u32()}
	flags := r.u8()
	c.sealing, c.earlier = flags&isOpen != 0, flags&isOlder != 0 || r.version == earlierVersion
	if flags&hasTail != 0 {
		c.tail = r.u32()
		if c.head = c.tail; !c.sealing {
			c.head = r.u32()
		}
		r.key(&c.atTail)
		c.near, c.atNear = c.tail, c.atTail
	}
	n := int(r.u32())
	if n > len(r.b)/skippedSize {
		r.bad = true
		return owner, c
	}
	c.skipped = make([]skipped, n)
	for i := range c.skipped {
		c.skipped[i].n = r.u16()
		r.key(&c.skipped[i].key)
		if i > 0 && c.skipped[i].n <= c.skipped[i-1].n {
			r.bad = true
		}
	}
	if c.tail == c.head && !c.sealing {
		c.tail, c.head = MaxChain, MaxChain // it has skipped keys alone
	}
	return owner, c
}

func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.b, r.bad = nil, true
		return make([]byte, n)
	}
	got := r.b[:n]
	r.b = r.b[n:]
	return got
}

func (r *reader) u8() byte    { return r.take(1)[0] }
func (r *reader) u16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }
func (r *reader) key(k *key)  { copy(k[:], r.take(len(k))) }
func (r *reader) ms() time.Duration {
	return time.Duration(r.u64()) * time.Millisecond //nolint:gosec // written from a Duration
}
