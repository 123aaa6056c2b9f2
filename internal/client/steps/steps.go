// Package steps takes the steps of a device's own chain to the directory: each is
// signed once, is durable before anybody sees it, and is offered until it is known
// what became of it (docs/spec/chain.md, ADR 10). It holds no state.
package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/wire"
)

// Session is a signed-in connection and the device behind it.
type Session interface {
	// Ask asks the relay and waits for the answer; a refusal is an error.
	Ask(ctx context.Context, body wire.RequestBody) (wire.ResponseBody, error)
	// ReadOwn reads the own chain at the relay and pins it.
	ReadOwn(ctx context.Context) error
	// Do runs fn as one step of the device. It is durable when Do returns; after
	// an error of fn nothing is written.
	Do(ctx context.Context, fn func(Step) error) error
}

// Step is one step of the device, as far as its own chain is concerned.
type Step interface {
	// Own is the pin of the own account, and Put writes another one.
	Own() *account.Pin
	Put(p *account.Pin)
	// Took pins the own chain as the relay has it behind a step, and has every
	// conversation held against it.
	Took(chain devchain.Chain)
}

// Want says which step the chain is to get as it stands, or why none.
type Want = func(devchain.Chain) (wire.ChainEntryAction, error)

// Extend signs one more step of the own chain and has the relay take it. What was
// signed before and may still be taken goes first.
func Extend(ctx context.Context, s Session, me *account.Me, want Want) error {
	for {
		if err := s.ReadOwn(ctx); err != nil {
			return err
		}
		var next devchain.Chain
		var done bool
		// A2: the step is durable before the server sees it, and is offered again
		// byte for byte after a crash: another one in its place would be a fork of
		// one's own making (ADR 10).
		if err := s.Do(ctx, func(st Step) (err error) {
			p := *st.Own()
			old := p.Record.Offered
			if next, done, err = me.Step(&p, want); p.Record.Offered != old {
				st.Put(&p)
			}
			return err
		}); err != nil {
			return err
		}
		if err := offer(ctx, s, next); err != nil || done {
			return err
		}
	}
}

// Again offers the step that an earlier session signed last, of which nobody knows
// what became: whoever it adds may wait for it (ADR 43). unsure is that step; one
// that was signed since is offered by who signs it.
func Again(ctx context.Context, s Session, unsure *wire.SignedEntry) error {
	var next devchain.Chain
	if err := s.Do(ctx, func(st Step) (err error) {
		own := st.Own()
		if next, err = own.Offers(); err != nil || own.Record.Offered != unsure {
			err = account.ErrDone // it is settled, or this session's own
		}
		return err
	}); err != nil {
		return err
	}
	return offer(ctx, s, next)
}

// offer presents the last entry of the own chain to the server.
func offer(ctx context.Context, s Session, next devchain.Chain) error {
	id, entries := next.ID(), next.Wire().Entries
	step := entries[len(entries)-1]
	body, err := s.Ask(ctx, &wire.AppendChain{Account: id[:], Entries: []wire.SignedEntry{step}})
	if refusal, ok := errors.AsType[*line.RefusedError](err); ok && refusal.Code == wire.FailureChainRefused {
		return refused(ctx, s, next, step, err)
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
	return s.Do(ctx, func(st Step) error {
		st.Took(chain)
		return nil
	})
}

// refused is what a server says that it did not take. It has the step all the same
// and may take it at any time: it stands if the chain shows it, and is looked for
// from then on.
func refused(ctx context.Context, s Session, next devchain.Chain, step wire.SignedEntry, refusal error) error {
	if err := s.ReadOwn(ctx); err != nil {
		return err
	}
	stands := false
	// A4: what the step adds is looked for. A crash before this commit has it
	// offered and refused again.
	if err := s.Do(ctx, func(st Step) error {
		p := *st.Own()
		if stands = p.Chain.Contains(next.Len(), next.Head()); stands {
			st.Took(p.Chain)
		} else if p.Refused(step) {
			st.Put(&p)
		}
		return nil
	}); err != nil || stands {
		return err
	}
	return refusal
}
