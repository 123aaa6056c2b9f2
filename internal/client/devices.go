package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// ErrNoDevice says that the account has no such device.
var ErrNoDevice = errors.New("the account has no device with this id: see the list of devices")

// Invitation is what a new device must know to ask for a place in an account.
// It must come from another device of the account on a way that nobody else
// controls.
type Invitation struct {
	Name      string
	ServerKey []byte
	Chain     *wire.Chain
}

// Invite returns what a new device of this account must know.
func (c *Client) Invite(ctx context.Context) (inv Invitation, err error) {
	err = c.e.do(ctx, func(tx *txn) error {
		inv = Invitation{Name: tx.device.Name, ServerKey: tx.device.ServerKey, Chain: tx.pins[tx.me.Account].Chain.Wire()}
		return nil
	})
	return inv, err
}

// Ask makes the home of a new device of an account and returns the new device's
// request, for [Client.AddDevice] on another one. Then the home can be opened.
func Ask(ctx context.Context, cfg Config, inv Invitation) (*wire.AddDevice, error) {
	chain, err := devchain.Verify(inv.Chain)
	if err != nil {
		return nil, err
	}
	name, err := ident.ParseName(inv.Name)
	if err != nil {
		return nil, err
	}
	h, err := home.Create(ctx, cfg.Store, cfg.homeOptions())
	if err != nil {
		return nil, err
	}
	me, request, err := account.Join(chain, cfg.Web)
	if err != nil {
		return nil, err
	}
	dev := &wire.DeviceRecord{Name: name.String(), Server: cfg.Server.URL, ServerCa: cfg.Server.CA, ServerKey: inv.ServerKey, Registered: true}
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

// AddDevice lets a device that asked for it speak for the account.
func (c *Client) AddDevice(ctx context.Context, request *wire.AddDevice) error {
	return c.e.extend(ctx, func(devchain.Chain) (wire.ChainEntryAction, error) { return request, nil })
}

// RemoveDevice ends a device of the account for good. The server forgets it at
// once; the others leave it out of each conversation before their next message.
func (c *Client) RemoveDevice(ctx context.Context, id ident.DeviceID) error {
	return c.e.extend(ctx, func(chain devchain.Chain) (wire.ChainEntryAction, error) {
		if d, ok := chain.Device(id); !ok || !d.Active {
			return nil, ErrNoDevice
		}
		return &wire.RemoveDevice{Device: id[:]}, nil
	})
}

// extend signs one more step of the own chain and presents it to the server.
func (e *engine) extend(ctx context.Context, step func(devchain.Chain) (wire.ChainEntryAction, error)) error {
	return e.with(ctx, func(s *session) error {
		if err := s.readChain(ctx, e.me.Account); err != nil {
			return err
		}
		var next devchain.Chain
		if err := e.do(ctx, func(tx *txn) error {
			now := tx.pins[tx.me.Account].Chain
			action, err := step(now)
			if err != nil {
				return err
			}
			next, err = tx.me.Extend(now, action)
			return err
		}); err != nil {
			return err
		}
		entries := next.Wire().Entries
		body, err := s.ask(ctx, &wire.AppendChain{Account: e.me.Account[:], Entries: entries[len(entries)-1:]})
		if err != nil {
			return err
		}
		shown, ok := body.(*wire.Account)
		if !ok {
			return ErrProtocol
		}
		chain, err := account.ReadChain(shown)
		if err != nil {
			return err
		}
		if chain.Head() != next.Head() {
			return fmt.Errorf("%w: another device changed the list at the same time: try again", account.ErrChain)
		}
		// A2: the step is pinned. A crash before this commit leaves it at the
		// server, where it is read at the next connection.
		return e.do(ctx, func(tx *txn) error {
			tx.seeChain(chain)
			for _, t := range tx.talks {
				t.checked = nil
			}
			tx.wake()
			return nil
		})
	})
}
