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
	"github.com/byre-messenger/byre/internal/client/setup"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
)

// Config is what a client stands on.
type Config = setup.Config

// Server is where an account lives.
type Server = setup.Server

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

// History returns the messages with a person (a name) or of a room (an id) that
// were read or written here since a time, in the order in which they stand.
func (c *Client) History(ctx context.Context, to string, since time.Time) ([]told.Message, error) {
	list, _, err := c.e.page(ctx, to, 0, 0, since)
	if err == nil {
		err = c.e.look(ctx, func(tx *txn) error { list, err = tx.archive().Before(to, since, list); return err })
	}
	return list, err
}

// Home returns the open home, where user interfaces keep values of their own:
// see [home.Home.LocalValue].
func (c *Client) Home() *home.Home { return c.e.home }
