package client

import (
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/why"
)

// Wipe destroys the home, its keys first, and ends the client. Once it returns
// nothing opens any more of what was ever written, also where it returns an
// error that tells what is left.
func (c *Client) Wipe(ctx context.Context) error {
	return c.e.end(ctx, home.ErrGone, func() error { return c.e.home.Wipe(context.WithoutCancel(ctx), c.e.cfg.Keyring) })
}

// Lock takes the home's key out of the system's keyring and ends the client: the
// passphrase is asked for next time.
func (c *Client) Lock(ctx context.Context) error {
	return c.e.end(ctx, why.ErrLocked, func() error { return home.Lock(context.WithoutCancel(ctx), c.e.cfg.Store, c.e.cfg.Keyring) })
}

// end has the loop do something as its last act.
func (e *engine) end(ctx context.Context, why error, last func() error) error {
	var left error
	err := e.do(ctx, func(tx *txn) error {
		left = last()
		tx.unread = why
		return nil
	})
	if errors.Is(err, why) {
		return left
	}
	return err
}
