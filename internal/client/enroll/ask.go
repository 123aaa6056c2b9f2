package enroll

import (
	"context"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Ask makes the home of one more device of an account, and returns its request
// for a place on the account's chain. What it is told of the account must come
// from another device of it, on a way that nobody else controls.
func Ask(ctx context.Context, cfg Config, called string, serverKey []byte, shown *wire.Chain) (*wire.AddDevice, error) {
	chain, err := devchain.Verify(shown)
	if err != nil {
		return nil, err
	}
	name, err := ident.ParseName(called)
	if err != nil {
		return nil, err
	}
	h, err := home.Create(ctx, cfg.Store, cfg.Home)
	if err != nil {
		return nil, err
	}
	me, request, err := account.Join(chain, cfg.Web)
	if err != nil {
		return nil, err
	}
	dev := &wire.DeviceRecord{Name: name.String(), Server: cfg.Server, ServerCa: cfg.CA, ServerKey: serverKey, Registered: true}
	if err := me.Fill(dev); err != nil {
		return nil, err
	}
	pin := account.NewPin(chain)
	pin.Record.Name = name.String()
	// A1: the keys are durable before anybody vouches for them. A crash after
	// this commit leaves a device that nobody knows.
	tx := h.Begin()
	tx.Put(h.Key(home.Device), dev)
	tx.Put(h.Key(home.Pin, dev.Account), &pin.Record)
	if err := tx.Commit(ctx); err != nil {
		return nil, err
	}
	return request, nil
}
