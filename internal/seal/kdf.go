package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
)

// key is a secret of 32 bytes. It stays inside this package, behind pointers
// that fmt does not follow, and is cleared where it ends.
type key [sha256.Size]byte

// What is derived, and from what (docs/spec/seal.md, Keys).
const (
	labelTurn     = "byre/1 seal turn"     // source -> the next source
	labelChain    = "byre/1 seal chain"    // source, owner -> first chain key
	labelNext     = "byre/1 seal next"     // chain key -> the next chain key
	labelKey      = "byre/1 seal key"      // chain key -> key n
	labelRecord   = "byre/1 seal record"   // key n, segment secret -> record key
	labelWithdraw = "byre/1 seal withdraw" // message secret, device -> withdraw handle
)

// derive sets out to HKDF-Expand-SHA-256(from, label || more, 32) (RFC 5869
// 2.3); out and from may be the same. label and more have at most 64 bytes
// together.
//
// It is written out, and not left to crypto/hkdf, because that leaves copies of
// from on the heap at each call; here all of it stands on the stack and is
// cleared. TestDeriveIsHKDF holds it to crypto/hkdf.
func derive(out, from *key, label string, more []byte) {
	const block = sha256.BlockSize
	var inner [block + 64 + 1]byte
	var outer [block + sha256.Size]byte
	for i := range block {
		inner[i], outer[i] = 0x36, 0x5c // RFC 2104 2: ipad, opad
	}
	for i, b := range from {
		inner[i] ^= b
		outer[i] ^= b
	}
	n := block + copy(inner[block:], label)
	n += copy(inner[n:block+64], more)
	inner[n] = 1
	sum := sha256.Sum256(inner[:n+1])
	copy(outer[block:], sum[:])
	*out = sha256.Sum256(outer[:])
	clear(inner[:])
	clear(outer[:])
	clear(sum[:])
}

// gcm is AES-256-GCM under k.
func gcm(k []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead, nil
}

// nonced is AES-256-GCM under k that puts 12 random bytes of nonce before what
// it seals.
func nonced(k []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead, nil
}
