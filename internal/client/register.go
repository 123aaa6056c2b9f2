package client

import (
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// register makes the home, the account, and the entry at the server.
func register(ctx context.Context, cfg Config, text string) (*Client, error) {
	name, err := ident.ParseName(text)
	if err != nil {
		return nil, err
	}
	transport, err := cfg.Connect(cfg.Server)
	if err != nil {
		return nil, err
	}
	h, err := openOrCreate(ctx, cfg)
	if err != nil {
		return nil, err
	}
	dev, chain, err := prepareDevice(ctx, cfg, h)
	if err != nil {
		return nil, err
	}
	conn, err := transport.Dial(ctx)
	if err != nil {
		return nil, err
	}
	l, err := line.Open(ctx, conn, dev.ServerKey)
	if err != nil {
		return nil, err
	}
	_, err = l.Ask(ctx, &wire.Register{Protocol: account.Protocol, Name: name.String(), Chain: chain, Invitation: cfg.Invitation})
	l.End(ErrOffline)
	if err != nil {
		return nil, registerError(err)
	}
	// R2: the server has the account and the home knows it. A crash before this
	// commit leaves R1: registering again with the same name and keys is harmless.
	dev.Registered, dev.Name, dev.ServerKey = true, name.String(), l.Hello.ServerKey
	tx := h.Begin()
	tx.Put(h.Key(home.Device), dev)
	if err := tx.Commit(ctx); err != nil {
		return nil, err
	}
	e, err := startEngine(ctx, cfg, h, dev)
	if err != nil {
		return nil, err
	}
	// The first sign-in proves the server's key and publishes key packages, so
	// that others can write at once. If it fails, the next connection does it.
	if err := e.sync(ctx); err != nil && errors.Is(err, ErrServerKey) {
		return nil, errors.Join(err, e.close())
	}
	return &Client{e}, nil
}

func openOrCreate(ctx context.Context, cfg Config) (*home.Home, error) {
	exists, err := home.Exists(ctx, cfg.Store)
	if err != nil {
		return nil, err
	}
	if exists {
		return home.Open(ctx, cfg.Store, cfg.homeOptions())
	}
	return home.Create(ctx, cfg.Store, cfg.homeOptions())
}

// prepareDevice returns the keys of the account to be: those of an attempt that
// was not finished, or new ones.
func prepareDevice(ctx context.Context, cfg Config, h *home.Home) (*wire.DeviceRecord, *wire.Chain, error) {
	dev := &wire.DeviceRecord{}
	found, err := h.Get(ctx, h.Key(home.Device), dev)
	if err != nil {
		return nil, nil, err
	}
	if found && dev.Registered {
		return nil, nil, ErrRegistered
	}
	if found {
		var pin wire.PinRecord
		if ok, err := h.Get(ctx, h.Key(home.Pin, dev.Account), &pin); err != nil {
			return nil, nil, err
		} else if !ok {
			return nil, nil, home.ErrDamaged
		}
		dev.Server, dev.ServerCa = cfg.Server.URL, cfg.Server.CA
		return dev, pin.Chain, nil
	}
	me, chain, err := account.New(cfg.Web)
	if err != nil {
		return nil, nil, err
	}
	if err := me.Fill(dev); err != nil {
		return nil, nil, err
	}
	dev.Server, dev.ServerCa, dev.Invitation = cfg.Server.URL, cfg.Server.CA, cfg.Invitation
	pin := account.NewPin(chain)
	// R1: the keys are durable before the server hears of them. A crash after
	// this commit leaves an account that nobody knows; it is used at the next
	// try.
	tx := h.Begin()
	tx.Put(h.Key(home.Device), dev)
	tx.Put(h.Key(home.Pin, dev.Account), &pin.Record)
	if err := tx.Commit(ctx); err != nil {
		return nil, nil, err
	}
	return dev, chain.Wire(), nil
}

// registerError turns the server's refusal into a sentence.
func registerError(err error) error {
	refusal, ok := errors.AsType[*RefusedError](err)
	if !ok {
		return err
	}
	if sentence, ok := map[wire.FailureCode]error{
		wire.FailureNameTaken:          ErrNameTaken,
		wire.FailureNameRefused:        ErrNameRefused,
		wire.FailureRegistrationClosed: ErrClosedServer,
	}[refusal.Code]; ok {
		return sentence
	}
	return err
}
