package devchain

import (
	"crypto/rand"
	"fmt"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// Begin signs the genesis of a new account with its first device's chain key.
// recovery is the public recovery key, or empty.
func Begin(keys *wire.DeviceKeys, recovery []byte, key sign.Key) (Chain, error) {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	id := DeviceID(keys)
	return Chain{}.Extend(seal(key, &wire.ChainEntry{
		Signer: id[:],
		Action: &wire.Genesis{Device: keys, Recovery: recovery, Salt: salt},
	}))
}

// Consent returns the new device's agreement to be added at the head of c.
func (c Chain) Consent(keys *wire.DeviceKeys, key sign.Key) []byte {
	id, head := c.ID(), c.Head()
	return key.Sign(sign.Consent, id[:], head[:], keys.Append(nil))
}

// By signs one more step at the head of c: as a device, or with the zero
// [ident.DeviceID] as the recovery key.
func (c Chain) By(signer ident.DeviceID, key sign.Key, action wire.ChainEntryAction) (Chain, error) {
	head := c.Head()
	if signer == (ident.DeviceID{}) {
		return c.Recover(c.Len(), key, action)
	}
	return c.Extend(seal(key, &wire.ChainEntry{Parent: head[:], Height: c.Len(), Signer: signer[:], Action: action}))
}

// Recover signs a recovery entry behind the first length entries of c: what
// followed is void. A device that it adds consents to c as it stood there.
func (c Chain) Recover(length uint64, key sign.Key, action wire.ChainEntryAction) (Chain, error) {
	if length == 0 || length > c.Len() {
		return c, fmt.Errorf("%w: it has no entry %d", ErrInvalid, length)
	}
	parent := c.steps[length-1].hash
	return c.Extend(seal(key, &wire.ChainEntry{Parent: parent[:], Height: length, Action: action, After: c.lineEnd()}))
}

func seal(key sign.Key, e *wire.ChainEntry) wire.SignedEntry {
	e.Algorithm = algorithmEd25519
	b := e.Append(nil)
	return wire.SignedEntry{Entry: b, Signature: key.Sign(sign.Chain, b)}
}
