package client

import (
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/steps"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// AddDevice lets a device that asked for it speak for the account.
func (c *Client) AddDevice(ctx context.Context, request *wire.AddDevice) error {
	return c.e.extend(ctx, func(devchain.Chain) (wire.ChainEntryAction, error) { return request, nil })
}

// RemoveDevice ends a device of the account for good. The server forgets it at
// once; the others leave it out of each conversation before their next message.
func (c *Client) RemoveDevice(ctx context.Context, id ident.DeviceID) error {
	return c.e.extend(ctx, account.Remove(id))
}

// SetRecovery gives the account its recovery key, or is [account.ErrHasPhrase].
func (c *Client) SetRecovery(ctx context.Context, public []byte) error {
	return c.e.extend(ctx, account.SetRecovery(public))
}

// Recovery returns the public half of the account's recovery key, nil without one.
func (c *Client) Recovery(ctx context.Context) (public []byte, err error) {
	err = c.e.look(ctx, func(tx *txn) error { public = tx.own().Chain.Recovery(); return nil })
	return public, err
}

// extend signs one more step of the own chain and has the server take it.
func (e *engine) extend(ctx context.Context, want steps.Want) error {
	err := e.with(ctx, func(s *session) error { return steps.Extend(ctx, stepping{s}, e.me, want) })
	if errors.Is(err, account.ErrDone) {
		return nil
	}
	return err
}

// stepping is a session that takes a step of the own chain to the server.
type stepping struct{ *session }

// Ask implements [steps.Session].
func (s stepping) Ask(ctx context.Context, body wire.RequestBody) (wire.ResponseBody, error) {
	return s.ask(ctx, body)
}

// ReadOwn implements [steps.Session].
func (s stepping) ReadOwn(ctx context.Context) error { return s.readChain(ctx, s.me.Account) }

// Do implements [steps.Session].
func (s stepping) Do(ctx context.Context, fn func(steps.Step) error) error {
	return s.do(ctx, func(tx *txn) error { return fn(stepped{tx}) })
}

// stepped is a step of the device that is about its own chain.
type stepped struct{ *txn }

func (st stepped) Own() *account.Pin  { return st.own() }
func (st stepped) Put(p *account.Pin) { st.people.Put(st.Tx, p) }

func (st stepped) Took(chain devchain.Chain) {
	st.siblings(chain.ID(), devchain.See(chain), true)
	st.seeChain(chain)
	for _, t := range st.talks {
		t.checked = nil
	}
	st.wake()
}
