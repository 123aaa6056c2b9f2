package ciphersuite

import (
	"crypto/hpke"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
)

// Ciphertext is an HPKECiphertext (RFC 9420 7.6).
type Ciphertext struct {
	KEMOutput  []byte
	Ciphertext []byte
}

// GenerateKeyPair returns a fresh KEM key pair.
func (s Suite) GenerateKeyPair() (priv PrivateKey, pub []byte, err error) {
	secret.Do(func() { priv, pub, err = s.p.kem.generate() })
	return priv, pub, err
}

// DeriveKeyPair returns the KEM key pair that ikm determines (RFC 9180 4).
func (s Suite) DeriveKeyPair(ikm secret.Bytes) (priv PrivateKey, pub []byte, err error) {
	secret.Do(func() { priv, pub, err = s.p.kem.derive(ikm.Reveal()) })
	return priv, pub, err
}

// ParsePrivateKey reads what [PrivateKey.Bytes] wrote. Only the size is checked
// here; a key that is wrong otherwise shows at its first use.
func (s Suite) ParsePrivateKey(b secret.Bytes) (priv PrivateKey, err error) {
	secret.Do(func() { priv, err = s.p.kem.parse(b.Reveal()) })
	return priv, err
}

// CheckPublicKey returns an error wrapping [ErrKey] unless pub is a well-formed
// KEM public key.
func (s Suite) CheckPublicKey(pub []byte) error { return s.p.kem.check(pub) }

// EncryptWithLabel encrypts plaintext to pub (RFC 9420 5.1.3).
func (s Suite) EncryptWithLabel(pub []byte, label string, context, plaintext []byte) (c Ciphertext, err error) {
	secret.Do(func() {
		var ctx *hpke.Sender
		if c.KEMOutput, ctx, err = s.p.kem.sender(pub, labelled(label, context)); err == nil {
			c.Ciphertext, err = ctx.Seal(nil, plaintext)
		}
	})
	if err != nil {
		return Ciphertext{}, fmt.Errorf("encrypt: %w", err)
	}
	return c, nil
}

// DecryptWithLabel reverses [Suite.EncryptWithLabel], or returns [ErrDecrypt].
func (s Suite) DecryptWithLabel(priv PrivateKey, label string, context []byte, c Ciphertext) (secret.Bytes, error) {
	var pt []byte
	var err error
	secret.Do(func() {
		var ctx *hpke.Recipient
		if ctx, err = s.p.kem.recipient(c.KEMOutput, priv, labelled(label, context)); err != nil {
			return
		}
		if pt, err = ctx.Open(nil, c.Ciphertext); err != nil {
			err = ErrDecrypt
		}
	})
	if err != nil {
		return secret.Bytes{}, err
	}
	return secret.New(pt), nil
}

// ExportTo sets up an HPKE context to pub with empty info and exports n bytes
// from it: an external init's sending side (RFC 9420 8.3).
func (s Suite) ExportTo(pub []byte, exporterContext string, n int) (kemOutput []byte, out secret.Bytes, err error) {
	var b []byte
	secret.Do(func() {
		var ctx *hpke.Sender
		if kemOutput, ctx, err = s.p.kem.sender(pub, nil); err == nil {
			b, err = ctx.Export(exporterContext, n)
		}
	})
	if err != nil {
		return nil, secret.Bytes{}, fmt.Errorf("export: %w", err)
	}
	return kemOutput, secret.New(b), nil
}

// ExportFrom is the receiving side of [Suite.ExportTo].
func (s Suite) ExportFrom(priv PrivateKey, kemOutput []byte, exporterContext string, n int) (secret.Bytes, error) {
	var b []byte
	var err error
	secret.Do(func() {
		var ctx *hpke.Recipient
		if ctx, err = s.p.kem.recipient(kemOutput, priv, nil); err != nil {
			return
		}
		if b, err = ctx.Export(exporterContext, n); err != nil {
			err = fmt.Errorf("export: %w", err)
		}
	})
	if err != nil {
		return secret.Bytes{}, err
	}
	return secret.New(b), nil
}
