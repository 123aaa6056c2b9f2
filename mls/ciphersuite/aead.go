package ciphersuite

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

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
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		return nil, fmt.Errorf("aead key: %w", err)
	}
	return cipher.NewGCM(block)
}

// Seal appends the encryption of plaintext to dst. A (key, nonce) pair must be
// used once; the caller answers for that.
func (s Suite) Seal(dst []byte, key secret.Bytes, nonce, aad, plaintext []byte) ([]byte, error) {
	a, err := s.aead(key)
	if err != nil {
		return nil, err
	}
	if len(nonce) != a.NonceSize() {
		return nil, fmt.Errorf("nonce of %d bytes, want %d", len(nonce), a.NonceSize())
	}
	return a.Seal(dst, nonce, plaintext, aad), nil
}

// Open appends the decryption of ciphertext to dst, or returns [ErrDecrypt].
func (s Suite) Open(dst []byte, key secret.Bytes, nonce, aad, ciphertext []byte) ([]byte, error) {
	a, err := s.aead(key)
	if err != nil {
		return nil, err
	}
	if len(nonce) != a.NonceSize() {
		return nil, ErrDecrypt
	}
	out, err := a.Open(dst, nonce, ciphertext, aad)
	if err != nil {
		return nil, ErrDecrypt
	}
	return out, nil
}
