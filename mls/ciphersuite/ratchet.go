package ciphersuite

import (
	"crypto/sha256"
	"crypto/sha512"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// DeriveTreeSecret is ExpandWithLabel with a generation as context (RFC 9420
// 9.1), for n of at most the hash's size.
func (s Suite) DeriveTreeSecret(sec secret.Bytes, label string, generation uint32, n int) secret.Bytes {
	out := make([]byte, n)
	secret.Do(func() { s.treeSecret(out, sec.Reveal(), label, generation) })
	return secret.New(out)
}

// StepRatchet replaces sec, the ratchet secret of generation, by the next one:
// DeriveTreeSecret(sec, "secret", generation, KDF.Nh). It does not allocate.
func (s Suite) StepRatchet(sec []byte, generation uint32) {
	secret.Do(func() { s.treeSecret(sec, sec, "secret", generation) })
}

// treeSecret writes DeriveTreeSecret(sec, label, generation, len(out)) to out,
// which may be sec.
//
// A message may name a generation 1,000 ahead, so this is the one derivation
// whose cost an attacker chooses, and every message needs it three times. It is
// HKDF-Expand with one block of output, which is HMAC(sec, info || 0x01)
// (RFC 5869 2.3), with HMAC (RFC 2104) written out on the stack: crypto/hmac sets
// up two hash states on the heap for every key, and here nearly each call has its
// own. A test holds it equal to [Suite.ExpandWithLabel], which is crypto/hkdf.
func (s Suite) treeSecret(out, sec []byte, label string, generation uint32) {
	const ipad, opad = 0x36, 0x5c
	block := sha256.BlockSize
	if s.p.hashSize == sha512.Size384 {
		block = sha512.BlockSize
	}
	if len(out) > s.p.hashSize || len(sec) > block || len(label) > 32 {
		panic("ciphersuite: tree secret out of bounds")
	}
	var buf [2 * sha512.BlockSize]byte // one block of padded key, then the message
	defer clear(buf[:])
	copy(buf[:block], sec)
	for i := range block {
		buf[i] ^= ipad
	}
	m := syntax.AppendUint16(buf[:block], uint16(len(out))) //nolint:gosec // at most the hash's size
	m = append(m, byte(len(labelPrefix)+len(label)))        //nolint:gosec // checked above: at most 40
	m = append(m, labelPrefix...)
	m = append(m, label...)
	m = append(m, 4) // the context: a generation in four bytes
	m = syntax.AppendUint32(m, generation)
	m = append(m, 1) // the number of the block of output
	s.sumInto(buf[block:block+s.p.hashSize], m)
	for i := range block {
		buf[i] ^= ipad ^ opad
	}
	s.sumInto(out, buf[:block+s.p.hashSize])
}

// sumInto writes the head of the hash of b to dst. It keeps both off the heap.
func (s Suite) sumInto(dst, b []byte) {
	switch s.p.hashSize {
	case sha256.Size:
		sum := sha256.Sum256(b)
		copy(dst, sum[:])
	case sha512.Size384:
		sum := sha512.Sum384(b)
		copy(dst, sum[:])
	default:
		panic("ciphersuite: ratchet of an unknown hash")
	}
}
