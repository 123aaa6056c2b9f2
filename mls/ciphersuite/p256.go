//go:build !js

package ciphersuite

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// interop are suites that no group of the product uses. In a browser they would
// be a tenth of what is downloaded.
var interop = []*params{
	{
		id: P256_AES128GCM_SHA256_P256, name: "MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
		newHash: sha256.New, hash: sum256, hashSize: sha256.Size, keySize: 16, aead: gcm,
		kem:        hpkeKEM{hpke.DHKEM(ecdh.P256()), hpke.HKDFSHA256(), hpke.AES128GCM(), 65, 65, 32},
		signatures: p256Scheme{},
	},
}

type p256Scheme struct{}

func (p p256Scheme) generate() (signingKey, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return signingKey{}, fmt.Errorf("signature key: %w", err)
	}
	return p.wrap(k)
}

func (p256Scheme) wrap(k *ecdsa.PrivateKey) (signingKey, error) {
	raw, err := k.Bytes()
	if err != nil {
		return signingKey{}, ErrKey
	}
	pub, err := k.PublicKey.Bytes()
	if err != nil {
		return signingKey{}, ErrKey
	}
	return signingKey{signer: k, raw: raw, pub: pub, digest: func(m []byte) ([]byte, crypto.Hash) {
		h := sha256.Sum256(m)
		return h[:], crypto.SHA256
	}}, nil
}

func (p p256Scheme) parse(raw []byte) (signingKey, error) {
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return signingKey{}, ErrKey
	}
	return p.wrap(k)
}

func (p256Scheme) check(pub []byte) error {
	if _, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), pub); err != nil {
		return fmt.Errorf("%w: malformed signature key", ErrKey)
	}
	return nil
}

func (p256Scheme) verify(pub, message, signature []byte) bool {
	k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), pub)
	if err != nil {
		return false
	}
	h := sha256.Sum256(message)
	return ecdsa.VerifyASN1(k, h[:], signature)
}
