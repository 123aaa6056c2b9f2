package ciphersuite

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/byre-messenger/byre/internal/secret"
)

// ErrDecrypt is the only thing said about a ciphertext that does not open.
var ErrDecrypt = errors.New("decryption failed")

// Overhead is what [Suite.Seal] adds to a plaintext, in bytes.
const Overhead = 16

func (s Suite) aead(key secret.Bytes) (cipher.AEAD, error) {
	if key.Len() != s.p.keySize {
		return nil, fmt.Errorf("key of %d bytes, want %d", key.Len(), s.p.keySize)
	}
	newAEAD := s.p.aead
	if newAEAD == nil {
		newAEAD = *chacha.Load() // there, or there would be no such Suite
	}
	return newAEAD(key.Reveal())
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("aead key: %w", err)
	}
	return cipher.NewGCM(block)
}

// chacha makes ChaCha20-Poly1305, if the program brought it along.
var chacha atomic.Pointer[func(key []byte) (cipher.AEAD, error)]

// UseChaCha20Poly1305 gives suite 0x0003 its AEAD (RFC 8439, 32-byte keys, 12-byte
// nonces). Call it, through package chacha, before groups are made or loaded: it
// also changes what new leaves say they can do.
func UseChaCha20Poly1305(aead func(key []byte) (cipher.AEAD, error)) { chacha.Store(&aead) }

// usable reports whether the program has all of p.
func (p *params) usable() bool { return p.aead != nil || chacha.Load() != nil }

// Seal appends the encryption of plaintext to dst. A (key, nonce) pair must be
// used once; the caller answers for that.
func (s Suite) Seal(dst []byte, key secret.Bytes, nonce, aad, plaintext []byte) (out []byte, err error) {
	dst = slices.Grow(dst, len(plaintext)+Overhead) // what Do allocates costs more
	secret.Do(func() {
		var a cipher.AEAD
		if a, err = s.aead(key); err != nil {
			return
		}
		if len(nonce) != a.NonceSize() {
			err = fmt.Errorf("nonce of %d bytes, want %d", len(nonce), a.NonceSize())
			return
		}
		out = a.Seal(dst, nonce, plaintext, aad)
	})
	return out, err
}

// Open appends the decryption of ciphertext to dst, or returns [ErrDecrypt].
func (s Suite) Open(dst []byte, key secret.Bytes, nonce, aad, ciphertext []byte) (out []byte, err error) {
	dst = slices.Grow(dst, max(len(ciphertext)-Overhead, 0))
	secret.Do(func() {
		var a cipher.AEAD
		if a, err = s.aead(key); err != nil {
			return
		}
		if len(nonce) != a.NonceSize() {
			err = ErrDecrypt
			return
		}
		if out, err = a.Open(dst, nonce, ciphertext, aad); err != nil {
			out, err = nil, ErrDecrypt
		}
	})
	return out, err
}
