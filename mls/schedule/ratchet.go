package schedule

import (
	"crypto/sha256"
	"slices"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// Kind says which of a sender's ratchets a key comes from (RFC 9420 9.1).
type Kind uint8

// The two ratchets of a sender.
const (
	Handshake Kind = iota
	Application
	kinds = 2
)

const (
	// MaxForward is how many generations a message may be ahead of its sender's
	// ratchet, at most: see [Forward]. Beyond it the message is refused before any
	// derivation.
	MaxForward = 1000
	// MaxSkipped is how many keys of skipped generations a ratchet keeps. One
	// more evicts the oldest.
	MaxSkipped = 256
	// generations is how many a ratchet has: they are numbered in 32 bits.
	generations = uint64(1) << 32
)

// maxForward384 is MaxForward for suites with SHA-384. Where the processor helps
// with SHA-256 alone a derivation costs some 2.5 times as much (measured: 1.4 us
// against 0.57 us).
const maxForward384 = 400

// Forward returns how many generations ahead of its sender's ratchet a message of
// suite s may be. It bounds what one forged message costs to about a millisecond.
func Forward(s ciphersuite.Suite) uint64 {
	if s.HashSize() > sha256.Size {
		return maxForward384
	}
	return MaxForward
}

// ratchet is one hash ratchet (RFC 9420 9.1).
type ratchet struct {
	next    uint64       // generation that secret belongs to
	secret  secret.Bytes // empty when next = generations, or when erased
	skipped []skipped    // ascending by generation
}

// skipped is the key of a generation that later ones overtook.
type skipped struct {
	generation uint32
	key        MessageKey
}

// messageKey derives the key of a generation from its ratchet secret.
func messageKey(s ciphersuite.Suite, sec secret.Bytes, generation uint32) MessageKey {
	return MessageKey{
		Key:   s.DeriveTreeSecret(sec, "key", generation, s.KeySize()),
		Nonce: s.DeriveTreeSecret(sec, "nonce", generation, s.NonceSize()),
	}
}

// step moves r one generation on. The new secret overwrites the old one, which r
// alone holds; after the last generation there is none.
func (r *ratchet) step(s ciphersuite.Suite) {
	if r.next+1 < generations {
		s.StepRatchet(r.secret.Reveal(), uint32(r.next)) //nolint:gosec // below generations
	} else {
		r.secret.Wipe()
		r.secret = secret.Bytes{}
	}
	r.next++
}

// keep adds a skipped key and evicts the oldest beyond the window.
func (r *ratchet) keep(k skipped) {
	r.skipped = append(r.skipped, k)
	if len(r.skipped) > MaxSkipped {
		r.drop(0)
	}
}

// find returns the position of a skipped generation.
func (r *ratchet) find(generation uint32) (int, bool) {
	return slices.BinarySearchFunc(r.skipped, generation, func(k skipped, g uint32) int {
		return int(int64(k.generation) - int64(g))
	})
}

// drop erases the i-th skipped key.
func (r *ratchet) drop(i int) {
	r.skipped[i].key.Wipe()
	r.skipped = slices.Delete(r.skipped, i, i+1)
}

func (r *ratchet) wipe() {
	r.secret.Wipe()
	r.secret = secret.Bytes{}
	for _, k := range r.skipped {
		k.key.Wipe()
	}
	r.skipped = nil
}

func (s *sender) wipe() {
	for k := range s {
		s[k].wipe()
	}
}
