package pebblestore

import (
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/byre-messenger/byre/internal/store"
)

// nStripes is how many keys can be locked apart. Two keys share a stripe by
// chance; they then wait for each other's compare-and-apply, never for the disk.
const nStripes = 1024

// stripes are locks over all keys, each key belonging to one by its hash.
type stripes struct {
	seed  maphash.Seed
	locks [nStripes]sync.Mutex
}

// stripeSet is a set of stripes, one bit each.
type stripeSet [nStripes / 64]uint64

func (s *stripeSet) add(n uint64) { s[n/64] |= 1 << (n % 64) }

// of returns the stripes of all keys that b requires or writes one by one.
// Ranges need none: they never cover a required key.
func (s *stripes) of(b *store.Batch) (set stripeSet) {
	for _, g := range b.Guards() {
		set.add(maphash.Bytes(s.seed, g.Key) % nStripes)
	}
	for _, op := range b.Ops() {
		if op.Kind != store.OpDeleteRange {
			set.add(maphash.Bytes(s.seed, op.Key) % nStripes)
		}
	}
	return set
}

// lock takes the stripes of set in ascending order, so that no two callers wait
// for each other.
func (s *stripes) lock(set stripeSet) {
	for i, word := range set {
		for ; word != 0; word &= word - 1 {
			s.locks[i*64+bits.TrailingZeros64(word)].Lock()
		}
	}
}

func (s *stripes) unlock(set stripeSet) {
	for i, word := range set {
		for ; word != 0; word &= word - 1 {
			s.locks[i*64+bits.TrailingZeros64(word)].Unlock()
		}
	}
}
