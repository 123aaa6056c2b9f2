// Package vault makes forgetting true beyond memory: it writes checkpoints of
// [seal.Keys], each under a key of its own that lives in a vault alone, and
// erases the key of the one before. [Keeper] is the order in which that is done;
// [File] and [Memory] are vaults.
package vault

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
)

// Slot is the key of one generation of checkpoints.
type Slot struct {
	Generation uint64 // from 1
	Key        secret.Bytes
}

// Vault holds two slots, one for even generations and one for odd ones: what it
// erases must be as hard to read again as the medium allows. It is used by one
// goroutine at a time.
type Vault interface {
	// Slots returns the slots that hold a whole key. One whose writing was
	// interrupted, or that was erased, is not among them.
	Slots() ([]Slot, error)
	// Write makes a slot durable in the place of its generation, over what was
	// there. After an error the place holds the old, the new, or nothing.
	Write(s Slot) error
	// Erase destroys the slot of a generation, durably. One that is not there is
	// no error.
	Erase(generation uint64) error
	// Class says what surviving and erasing mean here.
	Class() Class
}

// Class is what a vault survives and what its erasing is worth.
type Class struct {
	Name string
	// Durable vaults survive the process: what was sealed opens again after it.
	// Otherwise a sender is told held, never stored.
	Durable bool
	// Caveat is what an operator has to know, a sentence.
	Caveat string
}

// Checkpoints are two places for the bytes of checkpoints, one for even
// generations and one for odd ones. They are no secret: whoever reads them needs
// the key, and they may be copied and backed up. It is used by one goroutine at
// a time.
type Checkpoints interface {
	// Read returns what stands in the place of a generation, nil if nothing.
	Read(generation uint64) ([]byte, error)
	// Write makes b durable in the place of a generation, over what was there.
	// After an error the place holds anything.
	Write(generation uint64, b []byte) error
}

// A slot's bytes, numbers big-endian:
//
//	slot = "byreslot" version(1)=1 zero(7) generation(8) key(32) check(16)
//
// check is the beginning of the SHA-256 of what is before it. It tells a slot
// that was written whole from any other; it protects from nobody.
const (
	slotMagic = "byreslot\x01\x00\x00\x00\x00\x00\x00\x00"
	slotCheck = 16
	slotSize  = len(slotMagic) + 8 + seal.KeySize + slotCheck
)

var errSlotKey = errors.New("vault: a key has 32 bytes")

func (s Slot) encode() ([]byte, error) {
	if s.Key.Len() != seal.KeySize {
		return nil, errSlotKey
	}
	b := append(make([]byte, 0, slotSize), slotMagic...)
	b = binary.BigEndian.AppendUint64(b, s.Generation)
	b = append(b, s.Key.Reveal()...)
	sum := sha256.Sum256(b)
	return append(b, sum[:slotCheck]...), nil
}

func decodeSlot(b []byte) (Slot, bool) {
	if len(b) < slotSize || string(b[:len(slotMagic)]) != slotMagic {
		return Slot{}, false
	}
	b = b[:slotSize]
	sum := sha256.Sum256(b[:slotSize-slotCheck])
	if !slices.Equal(sum[:slotCheck], b[slotSize-slotCheck:]) {
		return Slot{}, false
	}
	b = b[len(slotMagic):]
	return Slot{binary.BigEndian.Uint64(b), secret.New(slices.Clone(b[8 : 8+seal.KeySize]))}, true
}
