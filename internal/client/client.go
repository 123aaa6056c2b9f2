// Package client is the core of one device: its sealed home, its MLS groups,
// what it owes and what it waits for. The terminal and the browser run the same
// core; it does no I/O of its own and stands on the ports in ports.go.
//
// One goroutine owns all state (engine.go). What a person asks for and what the
// relay says come to it as steps; steps that wait together become durable in
// one commit, and only then is anything sent, acknowledged or answered. Each
// commit is numbered where it is written, with what a crash there leaves.
package client

import (
	"context"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
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
	// Clock tells the time; it is shifted to the relay's where they differ.
	Clock clock.Clock

	// Server and Invitation are for Register alone; the home keeps them. Progress
	// may be nil: see [enroll.Config].
	Server     Server
	Invitation string
	Progress   func(tries, about uint64)
	// Seen tells that [Client.Seen] says what the owner was shown. Otherwise that is
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

// Client is one device, open. It is safe for concurrent use. Methods that need
// the server say so; without [Client.Run] they connect by themselves and
// disconnect again.
type Client struct {
	e *engine
}

// Close ends the client and waits for its goroutines. Everything durable stays.
// It returns the error that stopped the engine, if one did.
func (c *Client) Close() error { return c.e.close() }

// Identity is who a device is.
type Identity struct {
	Name    string
	Account ident.AccountID
	Device  ident.DeviceID
	Server  Server
}

// Me returns who this device is.
func (c *Client) Me() Identity { return c.e.identity() }

// Run stays connected until ctx ends, which is no error: it reads, sends what
// waits, and reconnects with pauses that grow to a minute. It returns early
// where connecting again can't help ([why.ErrOldCopy], [line.ErrServerKey],
// [why.ErrDeviceRemoved], a newer protocol).
func (c *Client) Run(ctx context.Context) error { return c.e.run(ctx) }

// Sync connects, reads everything that waits, sends what can be sent, and
// disconnects. While Run is connected it waits for the same.
func (c *Client) Sync(ctx context.Context) error { return c.e.sync(ctx) }

// Send writes a message to a person, by name, or to a room, by id. It is
// durable in the outbox when Send returns, and goes when the device is
// connected (Run, Sync). A name that is not known yet is looked up then; if
// nobody has it the message is dropped with a Problem event, and WaitFor tells.
func (c *Client) Send(ctx context.Context, to, text string, o outbox.Options) (told.Message, error) {
	return c.e.send(ctx, to, text, o)
}

// WaitFor returns the message as it stands once cond holds for it, or ctx's
// error, or what became of it. It does not connect.
func (c *Client) WaitFor(ctx context.Context, id ident.MessageID, cond func(told.Message) bool) (told.Message, error) {
	return c.e.waitFor(ctx, id, cond)
}

// Events yields what happened, oldest first, each once and never again: an
// event is recorded as told just before it is yielded, together with at most
// 15 that follow it. The event at which the caller leaves the loop, and those
// after it, come again: leaving is how it says that it could not use one. With
// wait it goes on until ctx ends; without, until there are no more.
func (c *Client) Events(ctx context.Context, wait bool) func(yield func(told.Event, error) bool) {
	return c.e.events(ctx, wait)
}

// Message returns one message.
func (c *Client) Message(ctx context.Context, id ident.MessageID) (told.Message, error) {
	return c.e.message(ctx, id)
}

// History returns the messages with a person (a name) or of a room (an id) that
// were read or written here since a time, in the order in which they stand.
func (c *Client) History(ctx context.Context, to string, since time.Time) ([]told.Message, error) {
	list, _, err := c.e.page(ctx, to, 0, 0, since)
	if err == nil {
		err = c.e.look(ctx, func(tx *txn) error { list, err = tx.archive().Before(to, since, list); return err })
	}
	return list, err
}

// Page returns at most limit messages of a conversation from the one at a
// position on, and how many it has.
func (c *Client) Page(ctx context.Context, to string, from uint64, limit int) (list []told.Message, total uint64, err error) {
	return c.e.page(ctx, to, from, limit, time.Time{})
}

// Home returns the open home, where user interfaces keep values of their own:
// see [home.Home.LocalValue].
func (c *Client) Home() *home.Home { return c.e.home }

// Outbox returns what is not confirmed yet, oldest first.
func (c *Client) Outbox(ctx context.Context) ([]told.Message, error) { return c.e.outboxMessages(ctx) }

// Retry ends the pauses between tries. It does not connect.
func (c *Client) Retry(ctx context.Context) error { return c.e.retry(ctx) }

// Friends returns the people this device knows, by name.
func (c *Client) Friends(ctx context.Context) ([]told.Friend, error) { return c.e.friends(ctx) }

// AddFriend looks a name up at the server and pins what it finds.
func (c *Client) AddFriend(ctx context.Context, name string) (told.Friend, error) {
	return c.e.addFriend(ctx, name)
}

// Rooms returns the conversations of this device.
func (c *Client) Rooms(ctx context.Context) ([]told.Room, error) { return c.e.roomList(ctx) }

// Devices returns the devices of the owner's account.
func (c *Client) Devices(ctx context.Context) ([]told.Device, error) { return c.e.deviceList(ctx) }

// Safety returns the safety number with a person this device knows. It takes
// about a second, on purpose.
func (c *Client) Safety(ctx context.Context, name string) (told.Safety, error) {
	return c.e.safety(ctx, name)
}

// ConfirmSafety records that the owner compared the number: it must be the
// person's, spaces aside.
func (c *Client) ConfirmSafety(ctx context.Context, name, number string) error {
	return c.e.confirmSafety(ctx, name, number)
}

// Held asks the server for all that it holds about the account.
func (c *Client) Held(ctx context.Context) ([]told.HeldItem, error) { return c.e.held(ctx) }
