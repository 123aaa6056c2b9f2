package client

import (
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// Register makes an account with its first device: the home, then the name at
// the server. If the server refuses, the home stays without an account and
// Register may be called again, under another name too. Errors are sentences
// for the owner; see [enroll.ErrNameTaken] and its kin.
func Register(ctx context.Context, cfg Config, name string) (*Client, error) {
	return enter(ctx, cfg, func(c enroll.Config) (*home.Home, *wire.DeviceRecord, error) { return enroll.Register(ctx, c, name) })
}

// Recover makes this device the only one of an account: phrase returns the
// recovery key, given its public half. After an error it may be called again, and
// goes on with what the device kept; see [enroll.Recover].
func Recover(ctx context.Context, cfg Config, name string, phrase func(public []byte) (sign.Key, error)) (*Client, error) {
	return enter(ctx, cfg, func(c enroll.Config) (*home.Home, *wire.DeviceRecord, error) {
		return enroll.Recover(ctx, c, name, phrase)
	})
}

// enter makes a device of cfg's server.
func enter(ctx context.Context, cfg Config, by func(enroll.Config) (*home.Home, *wire.DeviceRecord, error)) (*Client, error) {
	transport, err := cfg.Connect(cfg.Server)
	if err != nil {
		return nil, err
	}
	h, dev, err := by(cfg.Enroll(transport))
	if err != nil {
		return nil, err
	}
	return first(ctx, cfg, h, dev)
}

// first opens a device that is new.
func first(ctx context.Context, cfg Config, h *home.Home, dev *wire.DeviceRecord) (*Client, error) {
	e, err := startEngine(ctx, cfg, h, dev)
	if err != nil {
		return nil, err
	}
	// The first sign-in proves the server's key and publishes key packages, so
	// that others can write at once. If it fails, the next connection does it.
	if err := e.sync(ctx); err != nil && errors.Is(err, line.ErrServerKey) {
		return nil, errors.Join(err, e.close())
	}
	return &Client{e}, nil
}

// tellAgain registers an account anew, as it is, at a server that lost it or
// never had it, and reports whether the server says that it has it now.
func (e *engine) tellAgain(ctx context.Context) bool {
	var chain *wire.Chain
	if e.look(ctx, func(tx *txn) error { chain = tx.own().Chain.Wire(); return nil }) != nil {
		return false
	}
	return enroll.Again(ctx, e.cfg.Enroll(e.transport), &e.device, chain) == nil
}
