// Package session is the sign-in: how a device and the relay prove who they
// are to each other, and how a copy of a device is found out
// (docs/spec/relay.md, Signatures and Connection). It is pure.
package session

import (
	"encoding/binary"
	"errors"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// Sizes in bytes.
const (
	NonceSize = 32
	HashSize  = 32 // of a delivery token's SHA-256
	TokenSize = 16
)

// What a sign-in is refused for.
var (
	// ErrMalformed: a field has a wrong size.
	ErrMalformed = errors.New("a field of the sign-in has the wrong size")
	// ErrRefused: the signature, account or device does not hold. Every cause
	// looks alike.
	ErrRefused = errors.New("the sign-in does not hold")
	// ErrOldCopy: the counter is not above the last.
	ErrOldCopy = errors.New("the sign-in counter was used before: this home was cloned or restored")
	// ErrRemoved: the account's chain no longer has the device.
	ErrRemoved = errors.New("this device was removed from its account")
)

// Challenge is the relay's side of one connection's sign-in.
type Challenge struct {
	ServerKey []byte // public
	Nonce     [NonceSize]byte
}

// SignIn is a sign-in whose fields have the right sizes. Nothing of it is
// proved.
type SignIn struct {
	Account ident.AccountID
	Device  ident.DeviceID
	Counter uint64
	Hash    [HashSize]byte // of the delivery token

	nonce     [NonceSize]byte
	signature []byte
}

// Read checks sizes.
func Read(m *wire.SignIn) (SignIn, error) {
	account, err1 := ident.AccountIDFrom(m.Account)
	device, err2 := ident.DeviceIDFrom(m.Device)
	if err1 != nil || err2 != nil || len(m.Nonce) != NonceSize || len(m.DeliveryHash) != HashSize || len(m.Signature) != sign.SignatureSize {
		return SignIn{}, ErrMalformed
	}
	return SignIn{
		Account: account, Device: device, Counter: m.Counter,
		Hash: [HashSize]byte(m.DeliveryHash), nonce: [NonceSize]byte(m.Nonce),
		signature: append([]byte(nil), m.Signature...),
	}, nil
}

// Verify returns [ErrRefused] unless the holder of the device's sign-in key
// signed s for this connection.
func (c Challenge) Verify(s SignIn, public []byte) error {
	if sign.Verify(public, sign.SignIn, s.signature, c.transcript(s)) != nil {
		return ErrRefused
	}
	return nil
}

// Prove returns the relay's signature over what the device signed.
func (c Challenge) Prove(s SignIn, key sign.Key) []byte {
	return key.Sign(sign.Server, c.transcript(s))
}

// transcript is what both sides sign; every part has a fixed size.
func (c Challenge) transcript(s SignIn) []byte {
	b := make([]byte, 0, 32+2*NonceSize+ident.AccountSize+ident.DeviceSize+8+HashSize)
	b = append(b, c.ServerKey...)
	b = append(b, c.Nonce[:]...)
	b = append(b, s.nonce[:]...)
	b = append(b, s.Account[:]...)
	b = append(b, s.Device[:]...)
	b = binary.BigEndian.AppendUint64(b, s.Counter)
	return append(b, s.Hash[:]...)
}
