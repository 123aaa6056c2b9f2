package relay

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/vault"
	"github.com/byre-messenger/byre/internal/wire"
)

// Registration says who may make an account.
type Registration = wire.Registration

// The registration modes.
const (
	RegistrationOpen   = wire.RegistrationOpen   // everybody, for some work
	RegistrationInvite = wire.RegistrationInvite // who has an invitation
	RegistrationClosed = wire.RegistrationClosed // nobody
)

// Bounds of the retention (R2): what the operator may choose. The keys of what
// waits have the same ones (package seal), so that no record outlives them.
const (
	MinRetention = 48 * time.Hour
	MaxRetention = 72 * time.Hour
)

// Config is what a relay stands on. Store, Clock, ServerKey, Keys and the vault
// with its checkpoints must be set.
type Config struct {
	// Store keeps everything. The relay is its only writer, and does not close
	// it.
	Store store.Store
	Clock clock.Clock
	// Vault holds the keys of what waits; retention and time are filled in by
	// the relay. New may return vault.ErrClock and vault.ErrLost, which the
	// operator has to decide on. If the vault is not durable, nobody is told
	// that something is stored.
	Vault vault.Config
	// ShredLag, unless nil, is told after each checkpoint of the keys how long
	// the first of what was forgotten had waited for it.
	ShredLag func(time.Duration)
	// ServerKey is the identity that clients pin.
	ServerKey sign.Key
	// Keys are the keys at rest, derived from the data directory's root key
	// with atrest.New.
	Keys *atrest.Keys
	// Retention bounds how long what waits may wait, between MinRetention and
	// MaxRetention; 0 means MaxRetention.
	Retention    time.Duration
	Registration Registration
	// Full, unless nil, reports that the disk has no room for what is new:
	// nothing is stored for anybody then and nothing made, while devices still
	// sign in, confirm, and are live to each other. It is called for each
	// request and must be quick.
	Full func() bool
	// RegisterWork is how many bits of work an account costs where registration
	// is open, from 0 (none) to MaxRegisterWork; more under a rush.
	RegisterWork int
	// Limits that are 0 take their defaults.
	Limits Limits
	// Log gets operational facts alone: no account, device, name, address or
	// envelope. nil means none.
	Log *slog.Logger
}

// Limits bound what one session or account may ask of the relay. The numbers
// of docs/spec/relay.md that clients rely on are not here; the defaults are in
// limits.go.
type Limits struct {
	// OpenRequests is how many Sends of one session may be unanswered.
	OpenRequests int
	// OpenBytes is how many bytes of envelopes they may hold.
	OpenBytes int
	// Targets is how many mailboxes one Send or AppendEpoch may name.
	Targets int
	// AudienceTargets is how many targets all sets of a connection may have.
	AudienceTargets int
	// SendBytes and SendBytesPerSecond are the bucket of an account for bytes x
	// targets, at once and a second.
	SendBytes, SendBytesPerSecond int
	// Asks and AsksPerSecond are the bucket of one connection for requests of
	// the directory, at once and a second.
	Asks, AsksPerSecond int
	// CommitBytes is how many bytes of commits an account may append at once, and
	// again in each retention time.
	CommitBytes int
	// Memory is how many bytes of envelopes may wait in memory for devices to
	// confirm, in all; past it, what comes is stored.
	Memory int
}

// check completes c with defaults.
func (c *Config) check() error {
	if c.Store == nil || c.Clock == nil || c.Keys == nil || c.ServerKey.Seed().Len() == 0 || c.Vault.Vault == nil || c.Vault.Checkpoints == nil {
		return errors.New("relay: store, clock, server key, keys at rest and a vault must be set")
	}
	if c.Retention == 0 {
		c.Retention = MaxRetention
	}
	if c.Retention < MinRetention || c.Retention > MaxRetention || c.Retention%time.Hour != 0 {
		return fmt.Errorf("the retention must be whole hours from %d to %d", MinRetention/time.Hour, MaxRetention/time.Hour)
	}
	if c.Registration > RegistrationClosed {
		return errors.New("relay: unknown registration mode")
	}
	if c.RegisterWork < 0 || c.RegisterWork > MaxRegisterWork {
		return fmt.Errorf("an account may cost from 0 to %d bits of work", MaxRegisterWork)
	}
	if c.Full == nil {
		c.Full = func() bool { return false }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l := &c.Limits
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.OpenRequests, maxOpenRequests},
		{&l.OpenBytes, maxOpenBytes},
		{&l.Targets, maxTargets},
		{&l.AudienceTargets, maxAudienceTargets},
		{&l.SendBytes, sendBurst},
		{&l.SendBytesPerSecond, sendRate},
		{&l.Asks, askBurst},
		{&l.AsksPerSecond, askRate},
		{&l.CommitBytes, maxCommitShare},
		{&l.Memory, maxMemory},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return nil
}
