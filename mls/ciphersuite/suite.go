// Package ciphersuite holds the cryptography of MLS: everything RFC 9420
// section 5 defines over a cipher suite, and nothing of the protocol above it.
//
// A [Suite] is a small comparable value. Secrets go in and out as
// [secret.Bytes]; public keys, ciphertexts and signatures are plain bytes, so
// that no structure above depends on a particular KEM.
//
// All methods are safe for concurrent use.
package ciphersuite

import (
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
)

// ID is the number of a cipher suite on the wire (RFC 9420 17.1).
type ID uint16

// The suites this package implements.
const (
	// X25519_AES128GCM_SHA256_Ed25519 is RFC 9420's mandatory suite.
	X25519_AES128GCM_SHA256_Ed25519 ID = 0x0001
	// P256_AES128GCM_SHA256_P256 serves interoperation. Browsers go without it.
	P256_AES128GCM_SHA256_P256 ID = 0x0002
	// X25519_CHACHA20POLY1305_SHA256_Ed25519 is there once [UseChaCha20Poly1305] was
	// called, which package chacha does: Go's standard library keeps that AEAD to
	// itself.
	X25519_CHACHA20POLY1305_SHA256_Ed25519 ID = 0x0003
	// MLKEM768X25519_AES256GCM_SHA384_Ed25519 keeps what is said today from a
	// quantum computer of tomorrow: its KEM is hybrid (HPKE 0x647a). Its
	// signatures are classical. It has the structure of
	// draft-ietf-mls-pq-ciphersuites under a number of RFC 9420's private range,
	// to be moved when the draft's numbers are assigned.
	MLKEM768X25519_AES256GCM_SHA384_Ed25519 ID = 0xf001

	// Default is the suite of new groups (docs/adr/0002-default-suite.md).
	Default = MLKEM768X25519_AES256GCM_SHA384_Ed25519
)

// ErrUnsupported is returned by [Lookup] for a suite this program lacks.
var ErrUnsupported = errors.New("cipher suite not supported")

// String names the suite.
func (id ID) String() string {
	if s, err := Lookup(id); err == nil {
		return s.p.name
	}
	return fmt.Sprintf("suite 0x%04x", uint16(id))
}

// Supported reports whether this program has id.
func (id ID) Supported() bool { _, err := Lookup(id); return err == nil }

// Suite is a cipher suite. Two Suites are equal (==) when their IDs are. The
// zero Suite is only good for [Suite.Valid].
type Suite struct{ p *params }

type params struct {
	id         ID
	name       string
	newHash    func() hash.Hash
	hash       func([]byte) []byte
	hashSize   int
	keySize    int
	aead       func(key []byte) (cipher.AEAD, error) // nil: chacha's, when there is one
	kem        kem
	signatures scheme
}

const nonceSize = 12 // Nn of every AEAD here

var suites = append([]*params{
	{
		id: X25519_AES128GCM_SHA256_Ed25519, name: "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
		newHash: sha256.New, hash: sum256, hashSize: sha256.Size, keySize: 16, aead: gcm,
		kem:        hpkeKEM{hpke.DHKEM(ecdh.X25519()), hpke.HKDFSHA256(), hpke.AES128GCM(), 32, 32, 32},
		signatures: ed25519Scheme{},
	},
	{
		id: X25519_CHACHA20POLY1305_SHA256_Ed25519, name: "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
		newHash: sha256.New, hash: sum256, hashSize: sha256.Size, keySize: 32,
		kem:        hpkeKEM{hpke.DHKEM(ecdh.X25519()), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), 32, 32, 32},
		signatures: ed25519Scheme{},
	},
	{
		id: MLKEM768X25519_AES256GCM_SHA384_Ed25519, name: "MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519",
		newHash: sha512.New384, hash: sum384, hashSize: sha512.Size384, keySize: 32, aead: gcm,
		kem:        hpkeKEM{hpke.MLKEM768X25519(), hpke.HKDFSHA384(), hpke.AES256GCM(), 1216, 1120, 32},
		signatures: ed25519Scheme{},
	},
}, interop...)

func sum256(b []byte) []byte { h := sha256.Sum256(b); return h[:] }
func sum384(b []byte) []byte { h := sha512.Sum384(b); return h[:] }

// Lookup returns the suite with this id, or [ErrUnsupported].
func Lookup(id ID) (Suite, error) {
	for _, p := range suites {
		if p.id == id && p.usable() {
			return Suite{p}, nil
		}
	}
	return Suite{}, fmt.Errorf("%w: 0x%04x", ErrUnsupported, uint16(id))
}

// All returns every suite this program has.
func All() []Suite {
	var all []Suite
	for _, p := range suites {
		if p.usable() {
			all = append(all, Suite{p})
		}
	}
	return all
}

// Valid reports whether s is a suite at all, not the zero Suite.
func (s Suite) Valid() bool { return s.p != nil }

// ID returns the suite's number.
func (s Suite) ID() ID { return s.p.id }

// HashSize returns the output size of the hash and of the KDF in bytes (KDF.Nh).
func (s Suite) HashSize() int { return s.p.hashSize }

// KeySize returns the AEAD's key size in bytes (AEAD.Nk).
func (s Suite) KeySize() int { return s.p.keySize }

// NonceSize returns the AEAD's nonce size in bytes (AEAD.Nn).
func (s Suite) NonceSize() int { return nonceSize }
