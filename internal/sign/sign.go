// Package sign makes and checks byre's own Ed25519 signatures, each in a named
// context, so that a signature made for one purpose never serves another. (What
// MLS signs has labels of its own, RFC 9420 5.1.2.)
package sign

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"slices"

	"github.com/byre-messenger/byre/internal/secret"
)

// Context says what a signature is for. The bytes signed are "byre/1 ", the
// context, a zero byte and the payload.
type Context string

// The contexts of version 1; docs/spec names what each one covers.
const (
	SignIn  Context = "sign-in" // a device opens a session
	Server  Context = "server"  // the relay proves its identity in a session
	Chain   Context = "chain"   // an entry of a device chain
	Consent Context = "consent" // a new device agrees to be added
)

// Sizes in bytes (RFC 8032 5.1).
const (
	PublicSize    = ed25519.PublicKeySize
	SignatureSize = ed25519.SignatureSize
	SeedSize      = ed25519.SeedSize
)

// ErrBad says that a signature does not hold. Every cause looks alike.
var ErrBad = errors.New("signature does not hold")

// Key is a private key. It can't be printed; the zero value can't sign.
type Key struct{ pair secret.Bytes } // the seed and the public key, as crypto/ed25519 has them

// NewKey returns a random key.
func NewKey() Key {
	seed := make([]byte, SeedSize)
	_, _ = rand.Read(seed) // never fails
	return fromSeed(seed)
}

// KeyFromSeed returns the key of a seed of [SeedSize] bytes and takes ownership
// of it.
func KeyFromSeed(seed []byte) (Key, error) {
	if len(seed) != SeedSize {
		return Key{}, errors.New("sign: a seed has 32 bytes")
	}
	return fromSeed(seed), nil
}

// fromSeed makes the pair once: the public half costs as much as a signature.
func fromSeed(seed []byte) Key {
	pair := ed25519.NewKeyFromSeed(seed)
	clear(seed)
	return Key{secret.New(pair)}
}

// Seed returns the private seed, for the sealed home alone.
func (k Key) Seed() secret.Bytes {
	if k.pair.Len() == 0 {
		return secret.Bytes{}
	}
	return secret.New(k.pair.Reveal()[:SeedSize:SeedSize])
}

// Public returns the public key.
func (k Key) Public() []byte { return slices.Clone(k.pair.Reveal()[SeedSize:]) }

// Sign signs the parts, one behind the other. Parts of variable size must be
// told apart by the caller's format.
func (k Key) Sign(c Context, parts ...[]byte) []byte {
	return ed25519.Sign(k.pair.Reveal(), payload(c, parts))
}

// Verify returns [ErrBad] unless sig is public's signature of the parts.
func Verify(public []byte, c Context, sig []byte, parts ...[]byte) error {
	if len(public) != PublicSize || len(sig) != SignatureSize || !ed25519.Verify(public, payload(c, parts), sig) {
		return ErrBad
	}
	return nil
}

func payload(c Context, parts [][]byte) []byte {
	head := append([]byte("byre/1 "+c), 0)
	return slices.Concat(append([][]byte{head}, parts...)...)
}
