package client

import (
	"cmp"
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/why"
)

// Wipe destroys the home, its keys first, and ends the client. Once it returns
// nothing opens any more of what was ever written, also where it returns an
// error that tells what is left.
func (c *Client) Wipe(ctx context.Context) error {
	return c.e.wipe(ctx, home.ErrGone)
}

// removed is what a device does of which the relay says that it was removed: it
// reads the chain, and destroys the home where that has ended it (ADR 45). The
// relay's word alone does nothing.
func (e *engine) removed(ctx context.Context, l *line.Line) error {
	chain, err := l.Chain(ctx, e.me.Account)
	if err != nil {
		return cmp.Or(ctx.Err(), why.ErrDeviceRemoved)
	}
	ended := false
	// This is N3; the wipe is W1 to W3.
	if err := e.do(ctx, func(tx *txn) error {
		ended = tx.seeChain(chain).Ended(tx.me.Device)
		return nil
	}); err != nil {
		return err
	}
	if !ended {
		return why.ErrDeviceRemoved
	}
	return cmp.Or(e.wipe(ctx, why.ErrWiped), why.ErrWiped)
}

// wipe destroys the home as the loop's last act, which ends with why.
func (e *engine) wipe(ctx context.Context, why error) error {
	return e.end(ctx, why, func() error { return e.home.Wipe(context.WithoutCancel(ctx), e.cfg.Keyring) })
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
