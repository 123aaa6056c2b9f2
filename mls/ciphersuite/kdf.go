package ciphersuite

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"hash"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// labelPrefix starts every label of MLS (RFC 9420 5.1.2, 5.1.3, 8).
const labelPrefix = "MLS 1.0 "

// Random returns n fresh random bytes.
func Random(n int) secret.Bytes {
	b := make([]byte, n)
	rand.Read(b) // never fails: it ends the process instead
	return secret.New(b)
}

// Hash returns the hash of b.
func (s Suite) Hash(b []byte) []byte { return s.p.hash(b) }

// NewHash returns a running hash.
func (s Suite) NewHash() hash.Hash { return s.p.newHash() }

// MAC returns the HMAC of data under key (RFC 9420 5.1: the suite's MAC is HMAC
// with its hash).
func (s Suite) MAC(key secret.Bytes, data []byte) []byte {
	tag := make([]byte, 0, s.p.hashSize)
	secret.Do(func() {
		h := hmac.New(s.p.newHash, key.Reveal())
		h.Write(data)
		tag = h.Sum(tag)
	})
	return tag
}

// VerifyMAC reports in constant time whether tag is the MAC of data under key.
func (s Suite) VerifyMAC(key secret.Bytes, data, tag []byte) bool {
	return hmac.Equal(s.MAC(key, data), tag)
}

// Extract is KDF.Extract (RFC 5869). Both arguments may be empty.
func (s Suite) Extract(salt, ikm secret.Bytes) secret.Bytes {
	var prk []byte
	secret.Do(func() {
		var err error
		if prk, err = hkdf.Extract(s.p.newHash, ikm.Reveal(), salt.Reveal()); err != nil {
			// Only a FIPS-only build refuses, and it would refuse every key.
			panic("ciphersuite: extract: " + err.Error())
		}
	})
	return secret.New(prk)
}

// ExpandWithLabel derives n bytes from sec (RFC 9420 8):
// KDF.Expand(sec, KDFLabel{n, "MLS 1.0 " + label, context}, n).
func (s Suite) ExpandWithLabel(sec secret.Bytes, label string, context []byte, n int) secret.Bytes {
	info := make([]byte, 0, 2+8+len(labelPrefix)+len(label)+len(context))
	info = syntax.AppendUint16(info, uint16(n)) //nolint:gosec // n is a key, nonce or hash size; hkdf refuses what is larger
	info = appendLabel(info, label)
	info = syntax.AppendVector(info, context)
	var out []byte
	secret.Do(func() {
		var err error
		if out, err = hkdf.Expand(s.p.newHash, sec.Reveal(), string(info), n); err != nil { // n > 255 hashes: a bug of the caller
			panic("ciphersuite: expand: " + err.Error())
		}
	})
	return secret.New(out)
}

// DeriveSecret is ExpandWithLabel with an empty context and the hash's size
// (RFC 9420 8).
func (s Suite) DeriveSecret(sec secret.Bytes, label string) secret.Bytes {
	return s.ExpandWithLabel(sec, label, nil, s.p.hashSize)
}

// RefHash returns the hash that names value (RFC 9420 5.2). Label is whole, as
// in "MLS 1.0 KeyPackage Reference": no prefix is added.
func (s Suite) RefHash(label string, value []byte) []byte {
	b := make([]byte, 0, 8+len(label)+len(value))
	b = syntax.AppendVector(b, []byte(label))
	b = syntax.AppendVector(b, value)
	return s.p.hash(b)
}

func appendLabel(b []byte, label string) []byte {
	return syntax.AppendVectorFunc(b, func(b []byte) []byte {
		return append(append(b, labelPrefix...), label...)
	})
}

// labelled returns {"MLS 1.0 " + label, content}: SignContent and EncryptContext
// (RFC 9420 5.1.2, 5.1.3).
func labelled(label string, content []byte) []byte {
	b := make([]byte, 0, 8+len(labelPrefix)+len(label)+len(content))
	return syntax.AppendVector(appendLabel(b, label), content)
}
