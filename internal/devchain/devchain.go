// Package devchain is the signed chain of an account's devices: who may speak
// for the account, decided by signatures alone. It is pure; a [Chain] is a value
// that never changes, and may be read concurrently.
//
// An account has no shared secret. Its id is the hash of the first entry, each
// later entry is signed by a device that is active at its parent, and the
// recovery key outranks the devices. Whoever judges an account holds all chains
// of it that were seen in a [View]: a device counts if every one of them that no
// recovery has voided lists it. Specification: docs/spec/chain.md.
package devchain

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Limits of a chain.
const (
	MaxDevices = 20   // active at a time
	MaxEntries = 1000 // from genesis to head, and those of its line that lie off it
	// MaxEntrySize bounds one entry in bytes: two post-quantum keys would fit.
	MaxEntrySize = 4096
)

const (
	algorithmEd25519 = 1    // ChainEntry.algorithm
	algorithmsV1     = 1    // DeviceKeys.algorithms: Ed25519 and MLKEM768-X25519
	boxKeySize       = 1216 // MLKEM768-X25519 public key, draft-ietf-hpke-pq
	saltSize         = 16
)

var (
	// ErrInvalid says that an entry does not follow from the chain before it. The
	// text tells which rule of docs/spec/chain.md it breaks.
	ErrInvalid = errors.New("device chain does not hold")
	// ErrLate says beside [ErrInvalid] that an entry follows from an earlier
	// state of the chain, where another came first. Its signature was not looked
	// at: it may be a fork, or nothing.
	ErrLate = errors.New("another entry came first")
)

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
	// By is the device that signed that entry; zero: the recovery key, or the
	// device itself, which began the account.
	By ident.DeviceID
}

// Chain is a verified chain from its genesis to its head. The zero value is no
// chain; [Verify] and [Chain.Extend] make them.
type Chain struct {
	steps    []step
	devices  []Device // in the order of their introduction, removed ones included
	recovery []byte   // the key after the line's end; empty: there is none
	line     []link   // never empty; the first and the last one are in steps
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
	for _, l := range c.line {
		if !c.passes(l.hash) {
			out.Line = append(out.Line, l.signed)
		}
	}
	return out
}

// passes reports whether an entry lies between genesis and head.
func (c Chain) passes(h Hash) bool {
	return slices.ContainsFunc(c.steps, func(s step) bool { return s.hash == h })
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

// EntryHash returns the hash of an entry's signed bytes.
func EntryHash(entry []byte) Hash {
	return sha256.Sum256(append([]byte("byre/1 entry\x00"), entry...))
}

// DeviceID returns the id that belongs to keys.
func DeviceID(keys *wire.DeviceKeys) ident.DeviceID {
	sum := sha256.Sum256(keys.Append([]byte("byre/1 device\x00")))
	return ident.DeviceID(sum[:ident.DeviceSize])
}
