package directory

import (
	"context"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// Held lists all that the directory holds about an account, and returns its
// active devices. The kinds are those of HeldItem.
func (d Directory) Held(ctx context.Context, id ident.AccountID) ([]wire.HeldItem, []ident.DeviceID, error) {
	var items []wire.HeldItem
	var active []ident.DeviceID
	err := d.Store.View(ctx, func(r store.Reader) error {
		a, err := d.account(r, id)
		if err != nil {
			return err
		}
		active = a.Active
		items = []wire.HeldItem{
			{Kind: "name", Count: 1, Bytes: uint64(len(a.Name)), Since: a.Since, Text: a.Name},
			{Kind: "chain", Count: uint64(len(a.Chain.Entries)), Bytes: uint64(a.Chain.EncodedLen()), Since: a.Since}, //nolint:gosec // a size
		}
		for _, dev := range a.Active {
			of, err := d.heldOf(r, dev)
			if err != nil {
				return err
			}
			items = append(items, of...)
		}
		return nil
	})
	return items, active, err
}

func (d Directory) heldOf(r store.Reader, dev ident.DeviceID) ([]wire.HeldItem, error) {
	var kept wire.KeptDevice
	if _, err := d.get(r, d.deviceKey(dev), &kept); err != nil {
		return nil, err
	}
	stock, err := d.stock(r, dev)
	if err != nil {
		return nil, err
	}
	items := []wire.HeldItem{
		{Kind: "device", Device: dev[:], Count: 1, Bytes: uint64(len(kept.Account) + len(kept.SignIn))},
		{Kind: "sign_in_counter", Device: dev[:], Count: kept.Counter},
	}
	if len(kept.DeliveryHash) > 0 {
		items = append(items, wire.HeldItem{Kind: "delivery_hash", Device: dev[:], Count: 1, Bytes: uint64(len(kept.DeliveryHash))})
	}
	if stock.OneTime > 0 {
		items = append(items, wire.HeldItem{Kind: "key_packages", Device: dev[:], Count: uint64(stock.OneTime), Bytes: stock.Bytes})
	}
	if stock.LastResort {
		items = append(items, wire.HeldItem{Kind: "last_resort_key_package", Device: dev[:], Count: 1, Since: stock.LastResortAt})
	}
	return items, nil
}
