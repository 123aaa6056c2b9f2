package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/line"
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

// extend signs one more step of the own chain and presents it to the server.
func (e *engine) extend(ctx context.Context, step func(devchain.Chain) (wire.ChainEntryAction, error)) error {
	err := e.with(ctx, func(s *session) error {
		for {
			if err := s.readChain(ctx, e.me.Account); err != nil {
				return err
			}
			var next devchain.Chain
			var done bool
			// A2: the step is durable before the server sees it, and is offered
			// again byte for byte after a crash: another one in its place would
			// be a fork of one's own making (ADR 10).
			if err := e.do(ctx, func(tx *txn) (err error) {
				p := *tx.own()
				old := p.Record.Offered
				if next, done, err = tx.me.Step(&p, step); p.Record.Offered != old {
					tx.putPin(&p)
				}
				return err
			}); err != nil {
				return err
			}
			if err := s.offer(ctx, next); err != nil || done {
				return err
			}
		}
	})
	if errors.Is(err, account.ErrDone) {
		return nil
	}
	return err
}

// offer presents the last entry of the own chain to the server.
func (s *session) offer(ctx context.Context, next devchain.Chain) error {
	id, entries := next.ID(), next.Wire().Entries
	body, err := s.ask(ctx, &wire.AppendChain{Account: id[:], Entries: entries[len(entries)-1:]})
	if refusal, ok := errors.AsType[*line.RefusedError](err); ok && refusal.Code == wire.FailureChainRefused {
		// A4: it was not taken and will not be, so that what comes next may stand
		// in its place. A crash before this commit has it offered and refused again.
		return errors.Join(err, s.do(ctx, func(tx *txn) error {
			p := *tx.own()
			if o := p.Record.Offered; o != nil && bytes.Equal(o.Entry, entries[len(entries)-1].Entry) {
				p.Record.Offered = nil
				tx.putPin(&p)
			}
			return nil
		}))
	} else if err != nil {
		return err
	}
	shown, ok := body.(*wire.Account)
	if !ok {
		return line.ErrAnswer
	}
	chain, err := account.ReadChain(shown)
	if err != nil {
		return err
	}
	if !chain.Contains(next.Len(), next.Head()) {
		return fmt.Errorf("%w: another device changed the list at the same time: try again", account.ErrChain)
	}
	// A3: the step is pinned. A crash before this commit leaves it at the server,
	// where it is read at the next connection.
	return s.do(ctx, func(tx *txn) error {
		tx.seeChain(chain)
		for _, t := range tx.talks {
			t.checked = nil
		}
		tx.wake()
		return nil
	})
}
