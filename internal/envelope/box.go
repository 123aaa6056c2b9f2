package envelope

import (
	"crypto/hpke"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/secret"
)

// encSize is the encapsulated key of MLKEM768-X25519: 1,088 and 32 bytes
// (draft-ietf-hpke-pq).
const encSize = 1088 + 32

// boxOverhead is what a box adds to what is in it, before padding.
const boxOverhead = encSize + tagSize

var boxInfo = []byte("byre/1 box")

// BoxKey is a device's private box key. It can't be printed.
type BoxKey struct{ key hpke.PrivateKey }

// NewBoxKey returns a random key.
func NewBoxKey() (BoxKey, error) {
	k, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return BoxKey{}, fmt.Errorf("box key: %w", err)
	}
	return BoxKey{k}, nil
}

// BoxKeyFrom restores a key from its private bytes.
func BoxKeyFrom(private secret.Bytes) (BoxKey, error) {
	k, err := hpke.MLKEM768X25519().NewPrivateKey(private.Reveal())
	if err != nil {
		return BoxKey{}, fmt.Errorf("box key: %w", err)
	}
	return BoxKey{k}, nil
}

// Private returns the private bytes, for the sealed home alone.
func (k BoxKey) Private() (secret.Bytes, error) {
	b, err := k.key.Bytes()
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("box key: %w", err)
	}
	return secret.New(b), nil
}

// Public returns the public key (1,216 bytes).
func (k BoxKey) Public() []byte { return k.key.PublicKey().Bytes() }

// String hides the key from fmt.
func (BoxKey) String() string { return "[box key]" }

// GoString hides the key from %#v.
func (BoxKey) GoString() string { return "[box key]" }

// IsBoxKey reports whether a box can be sealed to a public key.
func IsBoxKey(public []byte) bool {
	_, err := hpke.MLKEM768X25519().NewPublicKey(public)
	return err == nil
}

// SealBox seals bytes to the device that owns a public box key. The result has
// the size of a handshake envelope and looks like one.
func SealBox(public, plaintext []byte) ([]byte, error) {
	pub, err := hpke.MLKEM768X25519().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("box key of the receiver: %w", err)
	}
	size, err := fit(Handshake, len(plaintext), boxOverhead)
	if err != nil {
		return nil, err
	}
	return hpke.Seal(pub, hpke.HKDFSHA256(), hpke.AES256GCM(), boxInfo, pad(plaintext, size-boxOverhead))
}

// Open opens a box that was sealed to k.
func (k BoxKey) Open(envelope []byte) ([]byte, error) {
	if !slices.Contains(sizes[:], len(envelope)) || len(envelope) <= boxOverhead {
		return nil, ErrOpen
	}
	padded, err := hpke.Open(k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), boxInfo, envelope)
	if err != nil {
		return nil, ErrOpen
	}
	return unpad(padded)
}
