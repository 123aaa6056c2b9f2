package account

import (
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// Joins begins linking with a code, as the device to be. The server's key is what
// the server showed on this connection.
func (m *Me) Joins(code linking.Code, serverKey [sign.PublicSize]byte, now time.Time) (linking.Joiner, error) {
	return linking.NewJoiner(code, serverKey, m.Keys, m.chain, now)
}

// Join makes a device that asks to be added at the head of an account's chain.
func Join(c devchain.Chain, web bool) (*Me, *wire.AddDevice, error) {
	m, err := NewDevice(web)
	if err != nil {
		return nil, nil, err
	}
	m.Account = c.ID()
	return m, m.Request(c), nil
}

// Offers is the own chain with the step that was signed last. It is an error where
// there is none, or where the chain has gone on.
func (p Pin) Offers() (devchain.Chain, error) {
	if p.Record.Offered == nil {
		return devchain.Chain{}, ErrChain
	}
	return p.Chain.Extend(*p.Record.Offered)
}

// Request is this device's consent to be added at the head of a chain.
func (m *Me) Request(c devchain.Chain) *wire.AddDevice {
	return &wire.AddDevice{Device: m.Keys, Consent: c.Consent(m.Keys, m.chain)}
}
