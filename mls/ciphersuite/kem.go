package ciphersuite

import (
	"crypto/hpke"
	"errors"
	"fmt"
	"sync"

	"github.com/byre-messenger/byre/internal/secret"
)

// ErrKey is returned for key bytes that are not a key of the suite.
var ErrKey = errors.New("not a key of this cipher suite")

// kem is all that MLS asks of a KEM, with HPKE around it. Public keys are
// opaque bytes. An implementation is safe for concurrent use.
type kem interface {
	// generate returns a fresh key pair, derive the one that ikm determines.
	generate() (PrivateKey, []byte, error)
	derive(ikm []byte) (PrivateKey, []byte, error)
	// check returns an error unless b is a well-formed public key.
	check(pub []byte) error
	parse(priv []byte) (PrivateKey, error)
	// sender and recipient set up single-use HPKE base-mode contexts.
	sender(pub, info []byte) (enc []byte, ctx *hpke.Sender, err error)
	recipient(enc []byte, priv PrivateKey, info []byte) (*hpke.Recipient, error)
}

// PrivateKey is a KEM private key. It can't be printed or compared. The zero
// PrivateKey is "none": see [PrivateKey.Valid].
type PrivateKey struct{ get func() *privateKey }

type privateKey struct {
	mu     sync.Mutex
	kem    hpke.KEM
	raw    []byte
	parsed hpke.PrivateKey // made on first use: it costs a scalar multiplication
}

// Valid reports whether k holds a key that was not wiped.
func (k PrivateKey) Valid() bool { return k.get != nil && k.get().raw != nil }

// Bytes returns a copy of the key in HPKE's SerializePrivateKey form.
func (k PrivateKey) Bytes() secret.Bytes {
	if !k.Valid() {
		return secret.Bytes{}
	}
	return secret.New(append([]byte(nil), k.get().raw...))
}

// Clone returns an independent copy, so that one may be wiped and the other used.
func (k PrivateKey) Clone() PrivateKey {
	if !k.Valid() {
		return PrivateKey{}
	}
	old := k.get()
	old.mu.Lock()
	defer old.mu.Unlock()
	return newPrivateKey(old.kem, append([]byte(nil), old.raw...), old.parsed)
}

// Wipe erases the key; every copy of this value is "none" afterwards.
func (k PrivateKey) Wipe() {
	if k.get == nil {
		return
	}
	p := k.get()
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.raw)
	p.raw, p.parsed = nil, nil
}

// String hides the key from fmt.
func (PrivateKey) String() string { return "[secret]" }

// GoString hides the key from %#v.
func (PrivateKey) GoString() string { return "[secret]" }

func newPrivateKey(k hpke.KEM, raw []byte, parsed hpke.PrivateKey) PrivateKey {
	p := &privateKey{kem: k, raw: raw, parsed: parsed}
	return PrivateKey{func() *privateKey { return p }}
}

func (k PrivateKey) key() (hpke.PrivateKey, error) {
	if k.get == nil {
		return nil, ErrKey
	}
	p := k.get()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.raw == nil {
		return nil, ErrKey
	}
	if p.parsed == nil {
		parsed, err := p.kem.NewPrivateKey(p.raw)
		if err != nil {
			return nil, ErrKey
		}
		p.parsed = parsed
	}
	return p.parsed, nil
}

// PublicKey returns the public key of k.
func (k PrivateKey) PublicKey() ([]byte, error) {
	p, err := k.key()
	if err != nil {
		return nil, err
	}
	return p.PublicKey().Bytes(), nil
}

// hpkeKEM is a [kem] of crypto/hpke.
type hpkeKEM struct {
	hpke.KEM
	kdf                        hpke.KDF
	aead                       hpke.AEAD
	pubSize, encSize, privSize int
}

func (h hpkeKEM) generate() (PrivateKey, []byte, error) { return h.pair(h.GenerateKey()) }

func (h hpkeKEM) derive(ikm []byte) (PrivateKey, []byte, error) { return h.pair(h.DeriveKeyPair(ikm)) }

func (h hpkeKEM) pair(k hpke.PrivateKey, err error) (PrivateKey, []byte, error) {
	if err != nil {
		return PrivateKey{}, nil, fmt.Errorf("key pair: %w", err)
	}
	raw, err := k.Bytes()
	if err != nil {
		return PrivateKey{}, nil, fmt.Errorf("key pair: %w", err)
	}
	return newPrivateKey(h.KEM, raw, k), k.PublicKey().Bytes(), nil
}

func (h hpkeKEM) check(pub []byte) error {
	if _, err := h.public(pub); err != nil {
		return err
	}
	return nil
}

func (h hpkeKEM) public(pub []byte) (hpke.PublicKey, error) {
	if len(pub) != h.pubSize {
		return nil, fmt.Errorf("%w: public key of %d bytes, want %d", ErrKey, len(pub), h.pubSize)
	}
	k, err := h.NewPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: malformed public key", ErrKey)
	}
	return k, nil
}

func (h hpkeKEM) parse(priv []byte) (PrivateKey, error) {
	if len(priv) != h.privSize {
		return PrivateKey{}, fmt.Errorf("%w: private key of %d bytes, want %d", ErrKey, len(priv), h.privSize)
	}
	return newPrivateKey(h.KEM, append([]byte(nil), priv...), nil), nil
}

func (h hpkeKEM) sender(pub, info []byte) ([]byte, *hpke.Sender, error) {
	k, err := h.public(pub)
	if err != nil {
		return nil, nil, err
	}
	return hpke.NewSender(k, h.kdf, h.aead, info)
}

func (h hpkeKEM) recipient(enc []byte, priv PrivateKey, info []byte) (*hpke.Recipient, error) {
	if len(enc) != h.encSize {
		return nil, ErrDecrypt
	}
	k, err := priv.key()
	if err != nil {
		return nil, err
	}
	r, err := hpke.NewRecipient(enc, k, h.kdf, h.aead, info)
	if err != nil {
		return nil, ErrDecrypt
	}
	return r, nil
}
