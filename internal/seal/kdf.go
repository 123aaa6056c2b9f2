package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
)

// key is a secret of 32 bytes. It stays inside this package, behind pointers
// that fmt does not follow, and is cleared where it ends.
type key [sha256.Size]byte

// What is derived, and from what (docs/spec/seal.md, Keys).
const (
	labelTurn     = "byre/1 seal turn"     // source -> the next source
	labelChain    = "byre/1 seal chain"    // source, owner -> first chain key
	labelRecord   = "byre/1 seal record"   // key n, segment secret -> record key
	labelWithdraw = "byre/1 seal withdraw" // message secret, device -> withdraw handle

	nonceStep = "byre/1 chain" // chain key -> the next chain key, key n
)

// RFC 2104 2.
const (
	ipad = "\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36" + "\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36" +
		"\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36" + "\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36\x36"
	opad = "\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c" + "\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c" +
		"\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c" + "\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c\x5c"
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
	copy(inner[:], ipad)
	copy(outer[:], opad)
	subtle.XORBytes(inner[:], inner[:], from[:])
	subtle.XORBytes(outer[:], outer[:], from[:])
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

// step sets next to the chain key behind from and out to the key of from's
// place: the two halves of one block of ChaCha20 (RFC 8439 2.3, counter 0) under
// from. next and from may be the same; out is neither.
//
// It is the generator of Bellare and Yee (Forward-Security in Private-Key
// Cryptography, CT-RSA 2003, 2.2), with the block that fast key erasure takes
// for it (Bernstein, Fast-key-erasure random-number generators, 2017).
func step(next, out, from *key) {
	var block [64]byte
	stream, err := chacha20.NewUnauthenticatedCipher(from[:], []byte(nonceStep))
	if err != nil {
		panic(err) // sizes are those it wants
	}
	stream.XORKeyStream(block[:], block[:])
	copy(next[:], block[:])
	copy(out[:], block[len(next):])
	*stream = chacha20.Cipher{}
	clear(block[:])
}

// cipherOf is what a record is sealed with: ChaCha20-Poly1305 (RFC 8439 2.8)
// under its key. Of a key that is used once, AES would cost more to begin than
// to encrypt with.
func cipherOf(k *key) (cipher.AEAD, error) {
	aead, err := chacha20poly1305.New(k[:])
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
