package account

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// Protocol is the version of the relay protocol that this byre speaks.
const Protocol = 1

// maxRetentionHours is R2.
const maxRetentionHours = 72

// Why a relay is not used.
var (
	ErrProtocol  = errors.New("no protocol version in common")
	ErrRetention = errors.New("the relay keeps what waits for too long")
	ErrPin       = errors.New("the relay's key is not the pinned one")
	ErrProof     = errors.New("the relay did not prove that it holds its key")
)

// CheckHello checks the relay's first frame against the pinned key; an empty
// pin accepts any.
func CheckHello(h *wire.Hello, pinned []byte) error {
	switch {
	case h.ProtocolMin > Protocol || h.ProtocolMax < Protocol:
		return ErrProtocol
	case h.RetentionHours > maxRetentionHours:
		return ErrRetention
	case len(h.ServerKey) != sign.PublicSize || len(h.Nonce) != nonceSize:
		return ErrProtocol
	case len(pinned) > 0 && !bytes.Equal(pinned, h.ServerKey):
		return ErrPin
	}
	return nil
}

// CheckProof checks the relay's signature over what the device signed.
func CheckProof(h *wire.Hello, payload, proof []byte) error {
	if sign.Verify(h.ServerKey, sign.Server, proof, payload) != nil {
		return ErrProof
	}
	return nil
}

// signInPayload is what both sides sign; every part has a fixed size.
func signInPayload(h *wire.Hello, r *wire.SignIn) []byte {
	p := bytes.Join([][]byte{h.ServerKey, h.Nonce, r.Nonce, r.Account, r.Device}, nil)
	return append(binary.BigEndian.AppendUint64(p, r.Counter), r.DeliveryHash...)
}
