package seal

import (
	"cmp"
	"slices"
)

// MaxChain is how many keys a chain gives.
const MaxChain = 1 << 16

// birth is where a chain began: the segment and the step of its source.
type birth struct {
	segment uint32
	step    uint16
}

// chain is the keys of one owner that began at one source. It can compute the
// keys of n in [tail, head) from the chain key at its tail, and holds those in
// skipped one by one; every other key of it is gone, or not yet born.
//
// The rule that forgetting rests on: no chain key at p <= n survives
// forget(n), since it would give key n again.
type chain struct {
	born birth
	// last is the newest segment in which a record was sealed; with it all
	// records of the chain are dead.
	last uint32

	tail, head uint32
	atTail     key // unless tail == head and the chain is closed
	skipped    []skipped

	// sealing chains give more keys; those of an earlier process, and full
	// ones, are closed and only open.
	sealing bool
	atHead  key // if sealing

	// near is a place from which reading goes on; tail <= near <= head.
	near   uint32
	atNear key

	earlier bool // of a snapshot of version 1 (earlier.go); only opens
}

// skipped is the key of an n below the tail that still lives.
type skipped struct {
	n   uint16
	key key
}

// newChain returns the chain that begins with the key c.
func newChain(born birth, c *key) *chain {
	return &chain{born: born, sealing: true, atTail: *c, atHead: *c, atNear: *c}
}

// take sets out to the next key. It is false if there is none.
func (c *chain) take(out *key) (n uint16, ok bool) {
	if !c.sealing || c.head == MaxChain {
		return 0, false
	}
	n = uint16(c.head) //nolint:gosec // below MaxChain
	c.step(&c.atHead, out, &c.atHead)
	if c.head++; c.head == MaxChain {
		c.close()
	}
	return n, true
}

// find sets out to key n. It is false if that is forgotten or was never given.
func (c *chain) find(n uint16, out *key) bool {
	at := uint32(n)
	if at >= c.head {
		return false
	}
	if at < c.tail {
		i, ok := c.search(n)
		if ok {
			*out = c.skipped[i].key
		}
		return ok
	}
	if at < c.near {
		c.near, c.atNear = c.tail, c.atTail
	}
	for ; c.near < at; c.near++ {
		c.step(&c.atNear, out, &c.atNear)
	}
	var next key
	c.step(&next, out, &c.atNear)
	clear(next[:])
	return true
}

// forget destroys key n, and reports whether it was there.
func (c *chain) forget(n uint16) bool {
	at := uint32(n)
	if at >= c.head {
		return false
	}
	if at < c.tail {
		i, ok := c.search(n)
		if ok {
			c.unskip(i)
		}
		return ok
	}
	c.skipTo(at)
	var gone key
	c.step(&c.atTail, &gone, &c.atTail)
	clear(gone[:])
	c.tail++
	if c.near < c.tail {
		c.near, c.atNear = c.tail, c.atTail
	}
	if c.empty() && !c.sealing {
		c.wipe()
	}
	return true
}

// skipTo moves the tail to n and keeps the keys between one by one. The caller
// moves near.
func (c *chain) skipTo(n uint32) {
	if n > c.tail {
		c.room(int(n - c.tail))
	}
	for ; c.tail < n; c.tail++ {
		c.skipped = append(c.skipped, skipped{n: uint16(c.tail)}) //nolint:gosec // below head
		c.step(&c.atTail, &c.skipped[len(c.skipped)-1].key, &c.atTail)
	}
}

// room makes room for more skipped keys, and leaves no copy of those there are.
func (c *chain) room(more int) {
	if cap(c.skipped)-len(c.skipped) >= more {
		return
	}
	grown := make([]skipped, len(c.skipped), len(c.skipped)+max(more, len(c.skipped)/2))
	copy(grown, c.skipped)
	clear(c.skipped)
	c.skipped = grown
}

func (c *chain) search(n uint16) (int, bool) {
	return slices.BinarySearchFunc(c.skipped, n, func(s skipped, n uint16) int { return cmp.Compare(s.n, n) })
}

// unskip takes out a skipped key; mostly it is the first.
func (c *chain) unskip(i int) {
	if i == 0 {
		clear(c.skipped[:1])
		c.skipped = c.skipped[1:]
	} else {
		c.skipped = slices.Delete(c.skipped, i, i+1) // clears what it vacates
	}
	if len(c.skipped) == 0 {
		c.skipped = nil
	}
}

// keep destroys every key but those of held, which is in ascending order. What
// is not computable by then never is again.
func (c *chain) keep(held []uint16) {
	if c.sealing {
		// How far the chain had gone nobody knows: a key above the last one
		// held may be of a record that was forgotten. So no chain key stays.
		kept := chain{born: c.born, last: c.last, earlier: c.earlier, skipped: make([]skipped, 0, len(held))}
		c.head = MaxChain
		var k key
		for _, n := range held {
			if c.find(n, &k) {
				kept.skipped = append(kept.skipped, skipped{n, k})
			}
		}
		clear(k[:])
		c.wipe()
		kept.tail, kept.head = MaxChain, MaxChain
		*c = kept
		return
	}
	for i, s := range slices.Backward(c.skipped) {
		if _, ok := slices.BinarySearch(held, s.n); !ok {
			c.unskip(i)
		}
	}
	for n := c.tail; n < c.head; n++ {
		if _, ok := slices.BinarySearch(held, uint16(n)); !ok { //nolint:gosec // below MaxChain
			c.forget(uint16(n)) //nolint:gosec // below MaxChain
		}
	}
}

// close ends the giving of keys.
func (c *chain) close() {
	c.sealing = false
	clear(c.atHead[:])
	if c.tail == c.head {
		clear(c.atTail[:])
		clear(c.atNear[:])
	}
}

// empty reports whether no key lives.
func (c *chain) empty() bool { return c.tail == c.head && len(c.skipped) == 0 }

// live is how many keys live.
func (c *chain) live() int { return int(c.head-c.tail) + len(c.skipped) }

// wipe destroys all of it.
func (c *chain) wipe() {
	clear(c.skipped[:cap(c.skipped)])
	*c = chain{born: c.born, last: c.last, earlier: c.earlier}
}
