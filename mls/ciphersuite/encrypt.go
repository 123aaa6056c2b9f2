package ciphersuite

import (
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
)

// Ciphertext is an HPKECiphertext (RFC 9420 7.6).
type Ciphertext struct {
	KEMOutput  []byte
	Ciphertext []byte
}

// GenerateKeyPair returns a fresh KEM key pair.
func (s Suite) GenerateKeyPair() (PrivateKey, []byte, error) { return s.p.kem.generate() }

// DeriveKeyPair returns the KEM key pair that ikm determines (RFC 9180 4).
func (s Suite) DeriveKeyPair(ikm secret.Bytes) (PrivateKey, []byte, error) {
	return s.p.kem.derive(ikm.Reveal())
}

// ParsePrivateKey reads what [PrivateKey.Bytes] wrote. Only the size is checked
// here; a key that is wrong otherwise shows at its first use.
func (s Suite) ParsePrivateKey(b secret.Bytes) (PrivateKey, error) { return s.p.kem.parse(b.Reveal()) }

// CheckPublicKey returns an error wrapping [ErrKey] unless pub is a well-formed
// KEM public key.
func (s Suite) CheckPublicKey(pub []byte) error { return s.p.kem.check(pub) }

// EncryptWithLabel encrypts plaintext to pub (RFC 9420 5.1.3).
func (s Suite) EncryptWithLabel(pub []byte, label string, context, plaintext []byte) (Ciphertext, error) {
	enc, ctx, err := s.p.kem.sender(pub, labelled(label, context))
	if err != nil {
		return Ciphertext{}, fmt.Errorf("encrypt: %w", err)
	}
	ct, err := ctx.Seal(nil, plaintext)
	if err != nil {
		return Ciphertext{}, fmt.Errorf("encrypt: %w", err)
	}
	return Ciphertext{KEMOutput: enc, Ciphertext: ct}, nil
}

// DecryptWithLabel reverses [Suite.EncryptWithLabel], or returns [ErrDecrypt].
func (s Suite) DecryptWithLabel(priv PrivateKey, label string, context []byte, c Ciphertext) (secret.Bytes, error) {
	ctx, err := s.p.kem.recipient(c.KEMOutput, priv, labelled(label, context))
	if err != nil {
		return secret.Bytes{}, err
	}
	pt, err := ctx.Open(nil, c.Ciphertext)
	if err != nil {
		return secret.Bytes{}, ErrDecrypt
	}
	return secret.New(pt), nil
}

// ExportTo sets up an HPKE context to pub with empty info and exports n bytes
// from it: an external init's sending side (RFC 9420 8.3).
func (s Suite) ExportTo(pub []byte, exporterContext string, n int) (kemOutput []byte, out secret.Bytes, err error) {
	enc, ctx, err := s.p.kem.sender(pub, nil)
	if err != nil {
		return nil, secret.Bytes{}, fmt.Errorf("export: %w", err)
	}
	b, err := ctx.Export(exporterContext, n)
	if err != nil {
		return nil, secret.Bytes{}, fmt.Errorf("export: %w", err)
	}
	return enc, secret.New(b), nil
}

// ExportFrom is the receiving side of [Suite.ExportTo].
func (s Suite) ExportFrom(priv PrivateKey, kemOutput []byte, exporterContext string, n int) (secret.Bytes, error) {
	ctx, err := s.p.kem.recipient(kemOutput, priv, nil)
	if err != nil {
		return secret.Bytes{}, err
	}
	b, err := ctx.Export(exporterContext, n)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("export: %w", err)
	}
	return secret.New(b), nil
}
