package ciphersuite

import (
	"crypto/sha256"
	"crypto/sha512"

	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// StepRatchet replaces sec, the ratchet secret of generation, by the next one:
// DeriveTreeSecret(sec, "secret", generation, KDF.Nh) of RFC 9420 9.1.
//
// A message may name a generation 1,000 ahead, so this is the one derivation
// whose cost an attacker chooses. It is HKDF-Expand with one block of output,
// which is HMAC(sec, info || 0x01) (RFC 5869 2.3), with HMAC (RFC 2104) written
// out on the stack: crypto/hmac sets up two hash states on the heap for every
// key, and here each step has its own. A test holds it equal to
// [Suite.DeriveTreeSecret].
func (s Suite) StepRatchet(sec []byte, generation uint32) {
	const ipad, opad = 0x36, 0x5c
	var buf [2 * sha512.BlockSize]byte // one block of padded key, then the message
	defer clear(buf[:])
	block := sha256.BlockSize
	if s.p.hashSize == sha512.Size384 {
		block = sha512.BlockSize
	}
	copy(buf[:block], sec)
	for i := range block {
		buf[i] ^= ipad
	}
	const label = labelPrefix + "secret"
	info := syntax.AppendUint16(buf[:block], uint16(s.p.hashSize)) //nolint:gosec // 32 or 48
	info = append(info, byte(len(label)))
	info = append(info, label...)
	info = append(info, 4) // the context: a generation in four bytes
	info = syntax.AppendUint32(info, generation)
	info = append(info, 1) // the number of the block of output
	n := len(info)
	s.sumInto(buf[block:], buf[:n])
	for i := range block {
		buf[i] ^= ipad ^ opad
	}
	s.sumInto(sec, buf[:block+s.p.hashSize])
}

// sumInto writes the hash of b to dst. It keeps both off the heap.
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
