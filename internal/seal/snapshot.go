package seal

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
)

// A snapshot's bytes (docs/spec/seal.md, Snapshot), numbers big-endian:
//
//	snapshot = version(1) elapsed(8, ms) wall(8, unix ms) next segment(4)
//	           count(4) segment... chain...
//	segment  = id(4) opened(8, ms) secret(32) flags(1) [step(2) source(32)]
//	chain    = owner(16) segment(4) step(2) last(4) flags(1)
//	           [tail(4) [head(4)] chain key(32)] count(4) (n(2) key(32))...
const (
	version = 2

	hasSource = 1 << 0 // of a segment

	hasTail = 1 << 0 // of a chain: tail and chain key are there
	isOpen  = 1 << 1 // of a chain: it goes on, and has no head
	isOlder = 1 << 2 // of a chain: it came from a snapshot of version 1

	headSize      = 1 + 8 + 8 + 4 + 4
	segmentFixed  = 4 + 8 + 32 + 1
	sourceSize    = 2 + 32
	chainFixed    = OwnerSize + 4 + 2 + 4 + 1 + 4
	tailSize      = 4 + 32
	skippedSize   = 2 + 32
	flagsAt       = OwnerSize + 4 + 2 + 4 // of a chain
	snapshotSlack = 4096
)

// Snapshot returns what a checkpoint has to make durable at now: everything that
// [Recover] needs to open what lives, sealed before or after, and nothing that
// opens what was forgotten before the call. The bytes are secret, and the
// caller's: he wipes them.
//
// Sealing, opening and forgetting go on meanwhile, but for the shard that is
// being read. When the snapshot is durable the caller calls [Keys.Adopt]; when
// it failed he may take another.
func (k *Keys) Snapshot(now Mark) (secret.Bytes, error) {
	k.turning.Lock()
	defer k.turning.Unlock()
	var state []byte
	var err error
	secret.Do(func() {
		b := &buffer{make([]byte, 0, k.size+k.size/8+snapshotSlack)}
		k.begun.Store(k.changes.Load())
		// 1. The source steps. A chain that begins from now on begins at the
		// new step, which the snapshot has; the one before begins nothing more.
		k.roots.mu.Lock()
		k.tick(now)
		if err = k.roots.turn(); err != nil {
			k.roots.mu.Unlock()
			return
		}
		k.roots.encode(b)
		var at birth
		if c := k.roots.current; c != nil {
			at = birth{c.id, c.step}
		}
		live := make(map[uint32]bool, len(k.roots.segments))
		for _, s := range k.roots.segments {
			live[s.id] = true
		}
		k.roots.mu.Unlock()
		// 2. So every chain of an earlier step stands in the shards by now, or
		// is put there before its shard's lock is let go.
		for i := range k.shards {
			k.shards[i].encode(b, at, live)
		}
		state = b.b
	})
	if err != nil {
		return secret.Bytes{}, err
	}
	k.size = len(state)
	return secret.New(state), nil
}

func (r *roots) encode(b *buffer) {
	b.room(headSize + len(r.segments)*(segmentFixed+sourceSize))
	b.b = append(b.b, version)
	b.ms(r.mark.Elapsed)
	b.u64(uint64(r.mark.Wall.UnixMilli()))
	b.u32(r.nextID)
	b.u32(uint32(len(r.segments))) //nolint:gosec // a few
	for _, s := range r.segments {
		b.u32(s.id)
		b.ms(s.opened)
		b.b = append(b.b, s.secret[:]...)
		if s.source == nil {
			b.b = append(b.b, 0)
			continue
		}
		b.b = append(b.b, hasSource)
		b.u16(s.step)
		b.b = append(b.b, s.source[:]...)
	}
}

// encode appends the chains of a shard, and drops those that are of no use: dead
// with their last segment, or empty. An empty one that began at the current
// source stays in memory, since that would give the same keys again.
func (s *shard) encode(b *buffer, at birth, live map[uint32]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for owner, chains := range s.owners {
		for _, c := range slices.Backward(chains) {
			switch {
			case !live[c.last], c.empty() && c.born != at:
				s.drop(owner, c)
			case !c.empty():
				c.encode(b, owner)
			}
		}
	}
}

func (c *chain) encode(b *buffer, owner Owner) {
	b.room(chainFixed + tailSize + 4 + len(c.skipped)*skippedSize)
	b.b = append(b.b, owner[:]...)
	b.u32(c.born.segment)
	b.u16(c.born.step)
	b.u32(c.last)
	var flags byte
	if c.sealing {
		flags |= isOpen
	}
	if c.sealing || c.tail < c.head {
		flags |= hasTail
	}
	if c.earlier {
		flags |= isOlder
	}
	b.b = append(b.b, flags)
	if flags&hasTail != 0 {
		b.u32(c.tail)
		if !c.sealing {
			b.u32(c.head)
		}
		b.b = append(b.b, c.atTail[:]...)
	}
	b.u32(uint32(len(c.skipped))) //nolint:gosec // at most MaxChain
	for i := range c.skipped {
		b.u16(c.skipped[i].n)
		b.b = append(b.b, c.skipped[i].key[:]...)
	}
}

// buffer grows without leaving copies behind.
type buffer struct{ b []byte }

func (b *buffer) room(n int) {
	if cap(b.b)-len(b.b) >= n {
		return
	}
	grown := make([]byte, len(b.b), 2*cap(b.b)+n)
	copy(grown, b.b)
	clear(b.b)
	b.b = grown
}

func (b *buffer) u16(v uint16) { b.b = binary.BigEndian.AppendUint16(b.b, v) }
func (b *buffer) u32(v uint32) { b.b = binary.BigEndian.AppendUint32(b.b, v) }
func (b *buffer) u64(v uint64) { b.b = binary.BigEndian.AppendUint64(b.b, v) }
func (b *buffer) ms(d time.Duration) {
	b.u64(uint64(d / time.Millisecond)) //nolint:gosec // never negative
}
