// Package account is who a device is and whom it trusts: its own keys and
// sign-in, the credentials and extensions of its MLS leaves, and the chains and
// names it has pinned. It does no I/O. Specification: docs/spec/chain.md,
// docs/spec/content.md.
package account

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// TokenSize is the size of a delivery token in bytes.
const TokenSize = 16

const (
	algorithmsV1 = 1 // DeviceKeys.algorithms: Ed25519 and MLKEM768-X25519
	nonceSize    = 32
)

// Me is one device with its private keys. It can't be printed.
type Me struct {
	Account ident.AccountID
	Device  ident.DeviceID
	// Keys are the public keys, as the chain has them.
	Keys *wire.DeviceKeys
	// Leaf signs the device's leaves and messages in MLS groups.
	Leaf ciphersuite.SigningKey
	// Box opens what is sealed to the device.
	Box envelope.BoxKey

	chain, signIn sign.Key
	token         secret.Bytes
}

// New makes a new account with its first device. The chain has the genesis
// alone and no recovery key.
func New(web bool) (*Me, devchain.Chain, error) {
	m, err := NewDevice(web)
	if err != nil {
		return nil, devchain.Chain{}, err
	}
	chain, err := devchain.Begin(m.Keys, nil, m.chain)
	if err != nil {
		return nil, devchain.Chain{}, fmt.Errorf("new account: %w", err)
	}
	m.Account = chain.ID()
	return m, chain, nil
}

// NewDevice makes the keys of a device that has no account yet.
func NewDevice(web bool) (*Me, error) {
	m := &Me{chain: sign.NewKey(), signIn: sign.NewKey(), token: ciphersuite.Random(TokenSize)}
	var err error
	if m.Leaf, err = leafSuite().GenerateSigningKey(); err != nil {
		return nil, fmt.Errorf("new device: %w", err)
	}
	if m.Box, err = envelope.NewBoxKey(); err != nil {
		return nil, fmt.Errorf("new device: %w", err)
	}
	m.Keys = &wire.DeviceKeys{
		Algorithms: algorithmsV1, Web: web,
		Chain: m.chain.Public(), SignIn: m.signIn.Public(), Mls: m.Leaf.Public(), Box: m.Box.Public(),
	}
	m.Device = devchain.DeviceID(m.Keys)
	return m, nil
}

// leafSuite is a suite whose signature scheme is that of every leaf key: both
// suites that byre uses sign with Ed25519.
func leafSuite() ciphersuite.Suite {
	s, err := ciphersuite.Lookup(ciphersuite.Default)
	if err != nil {
		panic("account: the default suite is missing") // a bug of the build
	}
	return s
}

// Fill writes the keys into a record, for the sealed home alone.
func (m *Me) Fill(rec *wire.DeviceRecord) error {
	box, err := m.Box.Private()
	if err != nil {
		return err
	}
	rec.Account, rec.Device, rec.Keys = m.Account[:], m.Device[:], m.Keys
	rec.ChainSeed, rec.SignInSeed, rec.MlsSeed = m.chain.Seed().Reveal(), m.signIn.Seed().Reveal(), m.Leaf.Bytes().Reveal()
	rec.BoxPrivate, rec.DeliveryToken = box.Reveal(), m.token.Reveal()
	return nil
}

// FromRecord restores a device and takes ownership of the record's bytes.
func FromRecord(rec *wire.DeviceRecord) (*Me, error) {
	m := &Me{Keys: rec.Keys, token: secret.New(rec.DeliveryToken)}
	var errs [6]error
	m.Account, errs[0] = ident.AccountIDFrom(rec.Account)
	m.Device, errs[1] = ident.DeviceIDFrom(rec.Device)
	m.chain, errs[2] = sign.KeyFromSeed(rec.ChainSeed)
	m.signIn, errs[3] = sign.KeyFromSeed(rec.SignInSeed)
	m.Leaf, errs[4] = leafSuite().ParseSigningKey(secret.New(rec.MlsSeed))
	m.Box, errs[5] = envelope.BoxKeyFrom(secret.New(rec.BoxPrivate))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("keys of this device: %w", err)
	}
	if rec.Keys == nil || m.token.Len() != TokenSize {
		return nil, errors.New("keys of this device: some are missing")
	}
	return m, nil
}

// SignIn returns the request that opens a session, and what the relay signs to
// prove itself (docs/spec/relay.md). The counter must be durable.
func (m *Me) SignIn(hello *wire.Hello, counter uint64) (*wire.SignIn, []byte) {
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails
	delivery := sha256.Sum256(m.token.Reveal())
	r := &wire.SignIn{
		Protocol: Protocol, Account: m.Account[:], Device: m.Device[:],
		Nonce: nonce, Counter: counter, DeliveryHash: delivery[:],
	}
	payload := signInPayload(hello, r)
	r.Signature = m.signIn.Sign(sign.SignIn, payload)
	return r, payload
}

// Extend signs one more step of the own chain with this device's key.
func (m *Me) Extend(c devchain.Chain, action wire.ChainEntryAction) (devchain.Chain, error) {
	return c.By(m.Device, m.chain, action)
}

// String hides the keys from fmt.
func (*Me) String() string { return "[this device]" }

// GoString hides the keys from %#v.
func (*Me) GoString() string { return "[this device]" }
