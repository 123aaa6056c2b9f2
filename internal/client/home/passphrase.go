package home

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"

	"golang.org/x/crypto/argon2"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
)

// Cost is what one try of a passphrase costs: the parameters of Argon2id.
type Cost struct {
	memory uint32 // KiB
	time   uint32
	lanes  uint32
}

// defaultCost is the second recommended choice of RFC 9106 section 4 with one
// lane, as a browser has one thread.
var defaultCost = Cost{memory: 64 << 10, time: 3, lanes: 1}

// WeakCostForTests makes a passphrase cheap to try. Nothing but a test may use
// it.
func WeakCostForTests() Cost { return Cost{memory: 8, time: 1, lanes: 1} }

// Bounds of what a header may ask for, so that a damaged one can't exhaust the
// machine.
const (
	maxMemory = 1 << 20 // KiB
	maxTime   = 64
	maxLanes  = 16
)

// Parameters are how a cost is written down: KiB, passes and lanes.
func (c Cost) Parameters() (memory, time, lanes uint32) {
	if c == (Cost{}) {
		c = defaultCost
	}
	return c.memory, c.time, c.lanes
}

// Stretch derives a key of 32 bytes from a passphrase (Argon2id, RFC 9106). The
// parameters come from where anybody may have written them, and are held to bounds.
func Stretch(passphrase secret.Bytes, salt []byte, memory, time, lanes uint32) (secret.Bytes, error) {
	if memory == 0 || memory > maxMemory || time == 0 || time > maxTime || lanes == 0 || lanes > maxLanes {
		return secret.Bytes{}, errors.New("passphrase parameters are out of bounds")
	}
	return secret.New(argon2.IDKey(passphrase.Reveal(), salt, time, memory, uint8(lanes), rootSize)), nil
}

// passphraseKey derives the key that wraps the root.
func passphraseKey(h *wire.HomeHeader, passphrase secret.Bytes) (secret.Bytes, error) {
	key, err := Stretch(passphrase, h.Salt, h.Memory, h.Time, h.Lanes)
	if err != nil {
		return key, errors.Join(ErrDamaged, err)
	}
	return key, nil
}

// wrap seals the root key under key, bound to the header's other fields.
func wrap(key, root secret.Bytes, h *wire.HomeHeader) []byte {
	aead := gcm(key)
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return aead.Seal(nonce, nonce, root.Reveal(), wrapContext(h))
}

func unwrap(key secret.Bytes, sealed []byte, h *wire.HomeHeader) (secret.Bytes, error) {
	if key.Len() != rootSize {
		return secret.Bytes{}, ErrPassphrase
	}
	aead := gcm(key)
	if len(sealed) < aead.NonceSize() {
		return secret.Bytes{}, ErrDamaged
	}
	root, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], wrapContext(h))
	if err != nil {
		return secret.Bytes{}, ErrPassphrase
	}
	return secret.New(root), nil
}

// wrapContext is the header without the wrapped keys, as version 1 wrote it: a
// home that is moved forward keeps its wrappings.
func wrapContext(h *wire.HomeHeader) []byte {
	bare := *h
	bare.Version, bare.ByPassphrase, bare.ByKeyring, bare.Moved = 1, nil, nil, nil
	return bare.Append([]byte("byre/1 home\x00"))
}

// gcm returns AES-256-GCM under a key of 32 bytes.
func gcm(key secret.Bytes) cipher.AEAD {
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		panic("home: key of a wrong size") // a bug: all callers hold 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("home: no GCM") // never: AES has blocks of 16 bytes
	}
	return aead
}
