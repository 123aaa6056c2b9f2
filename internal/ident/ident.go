// Package ident has the ids and names that every part of byre speaks of. Each
// kind has a type of its own, so that one can't stand where another belongs.
//
// An id is written in lower-case base32 (RFC 4648 section 6) without padding.
package ident

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// Sizes of ids in bytes.
const (
	AccountSize = 32
	DeviceSize  = 16
	MessageSize = 16
	RoomSize    = 16
)

// ErrBad says that text or bytes are no id of the kind asked for.
var ErrBad = errors.New("not an id")

var text = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// AccountID names an account: the hash of its chain's first entry.
type AccountID [AccountSize]byte

// DeviceID names a device: the start of the hash of its public keys.
type DeviceID [DeviceSize]byte

// MessageID names what a person wrote, however often it is sent; it is random.
type MessageID [MessageSize]byte

// RoomID names a conversation on the devices of its members. The relay never
// sees one.
type RoomID [RoomSize]byte

// NewMessageID returns a random id.
func NewMessageID() MessageID {
	var id MessageID
	_, _ = rand.Read(id[:]) // never fails
	return id
}

func (id AccountID) String() string { return text.EncodeToString(id[:]) }
func (id DeviceID) String() string  { return text.EncodeToString(id[:]) }
func (id MessageID) String() string { return text.EncodeToString(id[:]) }
func (id RoomID) String() string    { return text.EncodeToString(id[:]) }

// ParseAccountID reads the text form.
func ParseAccountID(s string) (id AccountID, err error) {
	err = parse(id[:], s)
	return id, err
}

// ParseDeviceID reads the text form.
func ParseDeviceID(s string) (id DeviceID, err error) {
	err = parse(id[:], s)
	return id, err
}

// ParseMessageID reads the text form.
func ParseMessageID(s string) (id MessageID, err error) {
	err = parse(id[:], s)
	return id, err
}

// ParseRoomID reads the text form.
func ParseRoomID(s string) (id RoomID, err error) {
	err = parse(id[:], s)
	return id, err
}

// AccountIDFrom copies an id that came over the wire.
func AccountIDFrom(b []byte) (id AccountID, err error) {
	err = fill(id[:], b)
	return id, err
}

// DeviceIDFrom copies an id that came over the wire.
func DeviceIDFrom(b []byte) (id DeviceID, err error) {
	err = fill(id[:], b)
	return id, err
}

// MessageIDFrom copies an id that came from another device.
func MessageIDFrom(b []byte) (id MessageID, err error) {
	err = fill(id[:], b)
	return id, err
}

// RoomIDFrom copies an id that stands in a record.
func RoomIDFrom(b []byte) (id RoomID, err error) {
	err = fill(id[:], b)
	return id, err
}

func fill(dst, b []byte) error {
	if len(b) != len(dst) {
		return fmt.Errorf("%w: %d bytes, want %d", ErrBad, len(b), len(dst))
	}
	copy(dst, b)
	return nil
}

func parse(dst []byte, s string) error {
	b, err := text.DecodeString(strings.ToLower(s))
	if err != nil {
		return fmt.Errorf("%w: not base32", ErrBad)
	}
	if text.EncodeToString(b) != strings.ToLower(s) {
		return fmt.Errorf("%w: stray bits at the end", ErrBad)
	}
	return fill(dst, b)
}
