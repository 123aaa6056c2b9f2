// Package setup is what a client stands on: the home's store and keys, the way to
// the server, and what its owner is told meanwhile.
package setup

import (
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// Server is where an account lives.
type Server struct {
	// URL is its https address.
	URL string
	// CA is the PEM of the authorities it is trusted by; nil means the system's.
	CA []byte
}

// Config is what a client stands on.
type Config struct {
	// Store holds the home. The client does not close it.
	Store store.Store
	// Passphrase is called where the keyring does not open the home, and once
	// when it is made.
	Passphrase func() (secret.Bytes, error)
	// Keyring may be nil.
	Keyring home.Keyring
	// Vault may be nil: see [home.Options].
	Vault home.Vault
	// Key and Opened: see [home.Options].
	Key    secret.Bytes
	Opened func(key secret.Bytes)
	// Connect returns the transport to a server. It is called once, when the
	// client opens.
	Connect func(Server) (line.Transport, error)
	// Connection, if set, is told by Run: nil when it has connected, else why it
	// can't or no longer is; Run tries again. It must not block.
	Connection func(why error)
	// Shared, if set, is told what of [client.Client.Shared] another device changed, and of
	// which conversations it was told how far they were read. It must not block.
	Shared func(values []string, read []ident.RoomID)
	// Clock tells the time; it is shifted to the relay's where they differ.
	Clock clock.Clock

	// Server and Invitation are for Register alone; the home keeps them. Progress
	// may be nil: see [enroll.Config].
	Server     Server
	Invitation string
	Progress   func(tries, about uint64)
	// Seen tells that [client.Client.Seen] says what the owner was shown. Otherwise that is
	// what an event told, and what a page had.
	Seen bool
	// Web marks a device whose code comes from a server at each visit.
	Web bool

	// Suite of the groups that this device begins and of its key packages.
	// Zero is the post-quantum default; others are for tests.
	Suite ciphersuite.ID
	// Cost of the passphrase of a new home; zero is the default.
	Cost home.Cost
}

// HomeOptions tell how the home is opened.
func (c Config) HomeOptions() home.Options {
	return home.Options{Passphrase: c.Passphrase, Keyring: c.Keyring, Vault: c.Vault, Key: c.Key, Opened: c.Opened, Cost: c.Cost}
}

// Enroll is what a home and its account are made with, over a transport that may
// be nil.
func (c Config) Enroll(t line.Transport) enroll.Config {
	return enroll.Config{
		Store: c.Store, Home: c.HomeOptions(), Transport: t, Web: c.Web,
		Server: c.Server.URL, CA: c.Server.CA, Invitation: c.Invitation, Progress: c.Progress,
	}
}
