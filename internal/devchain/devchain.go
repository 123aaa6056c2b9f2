// Package devchain is the signed chain of an account's devices: who may speak
// for the account, decided by signatures alone. It is pure; a [Chain] is a value
// that never changes, and may be read concurrently.
//
// An account has no shared secret. Its id is the hash of the first entry, each
// later entry is signed by a device that is active at its parent, and the
// recovery key outranks the devices. Specification: docs/spec/chain.md.
package devchain

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// Limits of a chain.
const (
	MaxDevices = 20   // active at a time
	MaxEntries = 1000 // from genesis to head
	// MaxEntrySize bounds one entry in bytes: two post-quantum keys would fit.
	MaxEntrySize = 4096
)

const (
	algorithmEd25519 = 1    // ChainEntry.algorithm
	algorithmsV1     = 1    // DeviceKeys.algorithms: Ed25519 and MLKEM768-X25519
	boxKeySize       = 1216 // MLKEM768-X25519 public key, draft-ietf-hpke-pq
	saltSize         = 16
)

// ErrInvalid says that an entry does not follow from the chain before it. The
// text tells which rule of docs/spec/chain.md it breaks.
var ErrInvalid = errors.New("device chain does not hold")

// Hash names an entry: the SHA-256 of its signed bytes in a context.
type Hash [sha256.Size]byte

// Device is one device of the account as its chain tells it.
type Device struct {
	ID ident.DeviceID
	// Keys are the device's public keys. Callers must not change them.
	Keys *wire.DeviceKeys
	// Active is false once the device was removed.
	Active bool
	// Since is the height of the entry that introduced the device.
	Since uint64
}

// Chain is a verified chain from its genesis to its head. The zero value is no
// chain; [Verify] and [Chain.Extend] make them.
type Chain struct {
	steps    []step
	devices  []Device // in the order of their introduction, removed ones included
	recovery []byte   // empty: the account has no recovery key
}

// step is one verified entry.
type step struct {
	hash     Hash
	recovery bool // signed by the recovery key
	signed   wire.SignedEntry
}

// ID is the account's id: the hash of the genesis entry.
func (c Chain) ID() ident.AccountID { return ident.AccountID(c.steps[0].hash) }

// Len is the number of entries.
func (c Chain) Len() uint64 { return uint64(len(c.steps)) }

// Head is the hash of the last entry.
func (c Chain) Head() Hash { return c.steps[len(c.steps)-1].hash }

// Recovery is the public recovery key, empty if the account has none.
func (c Chain) Recovery() []byte { return bytes.Clone(c.recovery) }

// Wire returns the chain as it travels. Callers must not change the entries.
func (c Chain) Wire() *wire.Chain {
	out := &wire.Chain{}
	for _, s := range c.steps {
		out.Entries = append(out.Entries, s.signed)
	}
	return out
}

// Devices returns the active devices in the order of their introduction.
func (c Chain) Devices() []Device {
	return slices.DeleteFunc(slices.Clone(c.devices), func(d Device) bool { return !d.Active })
}

// Device returns a device that is or was one of the account's.
func (c Chain) Device(id ident.DeviceID) (Device, bool) {
	i := slices.IndexFunc(c.devices, func(d Device) bool { return d.ID == id })
	if i < 0 {
		return Device{}, false
	}
	return c.devices[i], true
}

// Contains reports whether the chain passed through an entry at a height, as a
// member's leaf claims it.
func (c Chain) Contains(length uint64, head Hash) bool {
	return length > 0 && length <= c.Len() && c.steps[length-1].hash == head
}

// Verify checks a whole chain, the first entry being the genesis. It keeps no
// reference to the bytes it was given.
func Verify(chain *wire.Chain) (Chain, error) {
	if len(chain.Entries) == 0 {
		return Chain{}, fmt.Errorf("%w: it is empty", ErrInvalid)
	}
	var c Chain
	for i, e := range chain.Entries {
		next, err := c.Extend(e)
		if err != nil {
			return Chain{}, fmt.Errorf("entry %d: %w", i, err)
		}
		if len(next.steps) != i+1 {
			return Chain{}, fmt.Errorf("entry %d: %w: it voids others, which must be left out", i, ErrInvalid)
		}
		c = next
	}
	return c, nil
}

// Extend returns the chain after one more entry. An entry of the recovery key
// may name an earlier parent: the entries after that one are then gone from the
// chain that is returned. c itself stays as it is.
func (c Chain) Extend(signed wire.SignedEntry) (Chain, error) {
	if len(signed.Entry) > MaxEntrySize {
		return c, fmt.Errorf("%w: an entry has at most %d bytes", ErrInvalid, MaxEntrySize)
	}
	signed = wire.SignedEntry{Entry: bytes.Clone(signed.Entry), Signature: bytes.Clone(signed.Signature)}
	var e wire.ChainEntry
	if err := e.Parse(signed.Entry); err != nil {
		return c, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !bytes.Equal(e.Append(nil), signed.Entry) {
		return c, fmt.Errorf("%w: the entry has parts this byre does not know; a newer byre may read it", ErrInvalid)
	}
	if e.Algorithm != algorithmEd25519 {
		return c, fmt.Errorf("%w: signature algorithm %d is not known; a newer byre may know it", ErrInvalid, e.Algorithm)
	}
	if len(c.steps) == 0 {
		return begin(&e, signed)
	}
	base, err := c.parent(&e)
	if err != nil {
		return c, err
	}
	if err := base.authorise(&e, signed); err != nil {
		return c, err
	}
	next, err := base.apply(&e)
	if err != nil {
		return c, err
	}
	next.steps = append(slices.Clip(base.steps), step{EntryHash(signed.Entry), len(e.Signer) == 0, signed})
	return next, nil
}

// EntryHash returns the hash of an entry's signed bytes.
func EntryHash(entry []byte) Hash {
	return sha256.Sum256(append([]byte("byre/1 entry\x00"), entry...))
}

// DeviceID returns the id that belongs to keys.
func DeviceID(keys *wire.DeviceKeys) ident.DeviceID {
	sum := sha256.Sum256(keys.Append([]byte("byre/1 device\x00")))
	return ident.DeviceID(sum[:ident.DeviceSize])
}

// begin verifies a genesis entry.
func begin(e *wire.ChainEntry, signed wire.SignedEntry) (Chain, error) {
	g, ok := e.Action.(*wire.Genesis)
	switch {
	case !ok || e.Height != 0 || len(e.Parent) != 0:
		return Chain{}, fmt.Errorf("%w: the first entry is no genesis", ErrInvalid)
	case len(g.Salt) != saltSize:
		return Chain{}, fmt.Errorf("%w: the genesis salt has not %d bytes", ErrInvalid, saltSize)
	case len(g.Recovery) != 0 && len(g.Recovery) != sign.PublicSize:
		return Chain{}, fmt.Errorf("%w: the recovery key has not %d bytes", ErrInvalid, sign.PublicSize)
	}
	c, err := Chain{recovery: g.Recovery}.introduce(g.Device, 0)
	if err != nil {
		return Chain{}, err
	}
	d := c.devices[0]
	if !bytes.Equal(e.Signer, d.ID[:]) {
		return Chain{}, fmt.Errorf("%w: the genesis is not signed by its device", ErrInvalid)
	}
	if err := sign.Verify(d.Keys.Chain, sign.Chain, signed.Signature, signed.Entry); err != nil {
		return Chain{}, fmt.Errorf("%w: genesis: %w", ErrInvalid, err)
	}
	c.steps = []step{{hash: EntryHash(signed.Entry), signed: signed}}
	return c, nil
}

// parent returns the chain up to and with the entry that e names as its parent.
func (c Chain) parent(e *wire.ChainEntry) (Chain, error) {
	if e.Height == 0 || e.Height > c.Len() || !bytes.Equal(c.steps[e.Height-1].hash[:], e.Parent) {
		return c, fmt.Errorf("%w: the entry's parent is not in the chain", ErrInvalid)
	}
	if e.Height == c.Len() {
		if c.Len() >= MaxEntries {
			return c, fmt.Errorf("%w: it has %d entries already", ErrInvalid, MaxEntries)
		}
		return c, nil
	}
	if len(e.Signer) != 0 {
		return c, fmt.Errorf("%w: only the recovery key may go back to an earlier entry", ErrInvalid)
	}
	return c.truncate(e.Height)
}

// truncate replays the first n entries; they were verified before, so that only
// their effect is computed again.
func (c Chain) truncate(n uint64) (Chain, error) {
	var out Chain
	for i, s := range c.steps[:n] {
		var e wire.ChainEntry
		if err := e.Parse(s.signed.Entry); err != nil {
			return c, err
		}
		var err error
		if g, ok := e.Action.(*wire.Genesis); ok && i == 0 {
			out, err = Chain{recovery: g.Recovery}.introduce(g.Device, 0)
		} else {
			out, err = out.apply(&e)
		}
		if err != nil {
			return c, err
		}
		out.steps = c.steps[: i+1 : i+1]
	}
	return out, nil
}
