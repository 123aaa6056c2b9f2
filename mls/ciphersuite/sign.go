package ciphersuite

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
)

// ErrSignature is returned for a signature that does not hold.
var ErrSignature = errors.New("signature does not hold")

// scheme is a signature scheme. Public keys are in their MLS form (RFC 9420 5.1.1).
type scheme interface {
	generate() (signingKey, error)
	parse(raw []byte) (signingKey, error)
	check(pub []byte) error
	verify(pub, message, signature []byte) bool
}

type signingKey struct {
	signer crypto.Signer
	raw    []byte // what parse takes
	pub    []byte
	digest func([]byte) ([]byte, crypto.Hash)
}

// SigningKey is a signature private key. It can't be printed or compared. The
// zero SigningKey is "none".
type SigningKey struct{ get func() signingKey }

// Valid reports whether k holds a key.
func (k SigningKey) Valid() bool { return k.get != nil }

// Public returns the public key in its MLS form, nil if k is none.
func (k SigningKey) Public() []byte {
	if k.get == nil {
		return nil
	}
	return k.get().pub
}

// Bytes returns a copy of the private key: the seed of Ed25519, the scalar of
// ECDSA. [Suite.ParseSigningKey] reads it.
func (k SigningKey) Bytes() secret.Bytes {
	if k.get == nil {
		return secret.Bytes{}
	}
	return secret.New(append([]byte(nil), k.get().raw...))
}

// String hides the key from fmt.
func (SigningKey) String() string { return "[secret]" }

// GoString hides the key from %#v.
func (SigningKey) GoString() string { return "[secret]" }

// GenerateSigningKey returns a fresh signature key.
func (s Suite) GenerateSigningKey() (SigningKey, error) {
	return wrapSigning(s.p.signatures.generate())
}

// ParseSigningKey reads what [SigningKey.Bytes] wrote.
func (s Suite) ParseSigningKey(b secret.Bytes) (SigningKey, error) {
	return wrapSigning(s.p.signatures.parse(b.Reveal()))
}

func wrapSigning(k signingKey, err error) (SigningKey, error) {
	if err != nil {
		return SigningKey{}, err
	}
	return SigningKey{func() signingKey { return k }}, nil
}

// CheckSignatureKey returns an error wrapping [ErrKey] unless pub is a
// well-formed signature public key.
func (s Suite) CheckSignatureKey(pub []byte) error { return s.p.signatures.check(pub) }

// SignWithLabel signs content under label (RFC 9420 5.1.2).
func (s Suite) SignWithLabel(k SigningKey, label string, content []byte) ([]byte, error) {
	if k.get == nil {
		return nil, ErrKey
	}
	sk := k.get()
	m, h := sk.digest(labelled(label, content))
	sig, err := sk.signer.Sign(rand.Reader, m, h)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return sig, nil
}

// VerifyWithLabel returns [ErrSignature] unless signature is pub's signature of
// content under label.
func (s Suite) VerifyWithLabel(pub []byte, label string, content, signature []byte) error {
	if !s.p.signatures.verify(pub, labelled(label, content), signature) {
		return ErrSignature
	}
	return nil
}

type ed25519Scheme struct{}

func (e ed25519Scheme) generate() (signingKey, error) {
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		return signingKey{}, fmt.Errorf("signature key: %w", err)
	}
	return e.wrap(k), nil
}

func (ed25519Scheme) wrap(k ed25519.PrivateKey) signingKey {
	return signingKey{
		signer: k, raw: k.Seed(), pub: k[ed25519.SeedSize:],
		digest: func(m []byte) ([]byte, crypto.Hash) { return m, 0 },
	}
}

func (e ed25519Scheme) parse(raw []byte) (signingKey, error) {
	if len(raw) != ed25519.SeedSize {
		return signingKey{}, fmt.Errorf("%w: seed of %d bytes", ErrKey, len(raw))
	}
	return e.wrap(ed25519.NewKeyFromSeed(raw)), nil
}

func (ed25519Scheme) check(pub []byte) error {
	if len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: signature key of %d bytes", ErrKey, len(pub))
	}
	return nil
}

func (ed25519Scheme) verify(pub, message, signature []byte) bool {
	return len(pub) == ed25519.PublicKeySize && ed25519.Verify(pub, message, signature)
}
