package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/ours"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// seeChain holds a chain against what is pinned, and alarms where they
// contradict each other.
func (tx *txn) seeChain(chain devchain.Chain) *account.Pin {
	old, ok := tx.people.Pins[chain.ID()]
	if !ok {
		p := account.NewPin(chain)
		tx.people.Put(tx.Tx, &p)
		return &p
	}
	next, seen := old.See(chain)
	for _, alarm := range next.Alarms(seen, tx.me.Account) {
		tx.tell(alarm)
	}
	if seen.Changed {
		tx.people.Put(tx.Tx, &next)
	}
	if seen.Listed {
		tx.siblings(chain.ID(), next.View, false)
		// Nothing more is sent before the groups are held against the list.
		for _, t := range tx.talks {
			if t.Has(chain.ID()) {
				t.checked = nil
			}
		}
		tx.wake()
	}
	return tx.people.Pins[chain.ID()]
}

// readChain asks the directory for an account's chain.
func (s *session) readChain(ctx context.Context, a ident.AccountID) error {
	body, err := s.ask(ctx, &wire.ReadChain{Account: a[:]})
	if err != nil {
		return err
	}
	answer, ok := body.(*wire.Account)
	if !ok {
		return line.ErrAnswer
	}
	chain, err := account.ReadChain(answer)
	if err != nil {
		return err
	}
	if chain.ID() != a {
		return account.ErrChain
	}
	var lacks *wire.AppendChain
	// N3: what the directory shows is pinned. A crash before this commit has it
	// read again before anything is sent.
	if err := s.do(ctx, func(tx *txn) error {
		if a == tx.me.Account {
			tx.called(answer.Name)
		}
		held := tx.seeChain(chain).Chain
		if rel := devchain.Relate(chain, held); rel == devchain.Extends || rel == devchain.Recovered {
			w := held.Wire()
			lacks = &wire.AppendChain{Account: a[:], Entries: w.Entries, Line: w.Line}
		}
		return nil
	}); err != nil || lacks == nil {
		return err
	}
	// Whoever holds entries that the directory lacks hands them in (ADR 10): else
	// it gives sessions and key packages to devices that nobody else lists.
	_, err = s.ask(ctx, lacks)
	if _, refused := errors.AsType[*line.RefusedError](err); refused {
		return nil // it is none the worse for us
	}
	return err
}

// lookUp asks the directory for the account of a name and pins it. A name that
// is pinned never leads anywhere else.
func (s *session) lookUp(ctx context.Context, name ident.Name) (ident.AccountID, error) {
	body, err := s.ask(ctx, &wire.LookUp{Name: name.String()})
	if refusal, ok := errors.AsType[*line.RefusedError](err); ok && refusal.Code == wire.FailureNameUnknown {
		return ident.AccountID{}, why.ErrNameUnknown
	} else if err != nil {
		return ident.AccountID{}, err
	}
	answer, ok := body.(*wire.Account)
	if !ok {
		return ident.AccountID{}, line.ErrAnswer
	}
	chain, err := account.ReadChain(answer)
	if err != nil {
		return ident.AccountID{}, err
	}
	if shown, err := ident.ParseName(answer.Name); err == nil && bytes.Equal(shown.Key(), name.Key()) {
		name = shown // as its owner writes it
	}
	// N1: name and chain are pinned together.
	return chain.ID(), s.do(ctx, func(tx *txn) error { return tx.pinName(name, chain) })
}

func (tx *txn) pinName(name ident.Name, chain devchain.Chain) error {
	id := chain.ID()
	if !tx.people.Moved(name, id) { // else the caller sees whom it is pinned to
		tx.seeChain(chain)
	}
	if alarm := tx.people.Call(tx.Tx, id, name); alarm != nil {
		tx.tell(alarm)
		return nil
	}
	return tx.resolveAll(name, id)
}

// resolveAll places the messages that wait for a name, in their order and
// before any later one can be placed.
//
// N2: the messages get their places and numbers. A crash before this commit
// leaves them addressed to a name.
func (tx *txn) resolveAll(name ident.Name, id ident.AccountID) error {
	for _, x := range slices.Clone(tx.unresolved) {
		to, err := ident.ParseName(x.Rec.Name)
		if err != nil || !bytes.Equal(to.Key(), name.Key()) {
			continue
		}
		if id == tx.me.Account {
			tx.drop(x, why.ErrSelf)
		} else if err := tx.resolve(x, id); err != nil {
			return err
		}
	}
	return nil
}

// resolveJob finds the account that a message is addressed to.
func (s *session) resolveJob(x *outbox.Entry) *job {
	return &job{
		run: func(ctx context.Context) error {
			name, err := ident.ParseName(x.Rec.Name)
			if err != nil {
				return err
			}
			id, err := s.lookUp(ctx, name)
			if err != nil {
				return err
			}
			return s.look(ctx, func(tx *txn) error {
				return tx.people.Leads(name, id) // it was placed when the name was pinned
			})
		},
		failed: func(tx *txn, err error) {
			if errors.Is(err, why.ErrNameUnknown) || errors.Is(err, why.ErrSelf) || errors.Is(err, why.ErrMoved) || errors.Is(err, why.ErrTwoNames) {
				tx.drop(x, err)
				return
			}
			x.Pause = x.Pause.Longer(tx.now, line.RetryAfter(err))
			tx.wakeAt(x.Pause)
			tx.entryProblem(x, ident.RoomID{}, fmt.Sprintf("the message to %s waits: %v", x.Rec.Name, err))
		},
	}
}

// verifyJob asks the directory whether an account has the name it claims.
func (s *session) verifyJob(id ident.AccountID, claimed string) *job {
	return &job{
		run: func(ctx context.Context) error {
			name, err := ident.ParseName(claimed)
			if err != nil {
				return err
			}
			got, err := s.lookUp(ctx, name)
			if err != nil {
				return err
			}
			return s.do(ctx, func(tx *txn) error {
				tx.people.Unclaim(tx.Tx, id)
				if got != id {
					tx.tell(&wire.KeyChangedEvent{Account: id[:], Name: claimed, Text: fmt.Sprintf("somebody you talk to is said to be %s and is not", claimed)})
				}
				return nil
			})
		},
		failed: func(tx *txn, err error) {
			if errors.Is(err, why.ErrNameUnknown) {
				tx.people.Unclaim(tx.Tx, id) // it stays without a name
			} // else the next session asks again
		},
	}
}

// nameOf is what a conversation is called.
func (e *engine) nameOf(t *talk) string { return e.people.Called(t.Other(e.me.Account)) }

// Friends returns the people this device knows, by name.
func (c *Client) Friends(ctx context.Context) (out []told.Friend, err error) {
	err = c.e.do(ctx, func(tx *txn) error { out = tx.people.Friends(tx.compared); return nil })
	return out, err
}

// AddFriend looks a name up at the server and pins what it finds.
func (c *Client) AddFriend(ctx context.Context, text string) (f told.Friend, err error) {
	name, err := ident.ParseName(text)
	if err != nil {
		return f, err
	}
	err = c.e.with(ctx, func(s *session) error {
		id, err := s.lookUp(ctx, name)
		if err != nil {
			return err
		}
		return s.do(ctx, func(tx *txn) error {
			if id == tx.me.Account {
				return why.ErrSelf
			}
			if err := tx.people.Leads(name, id); err != nil {
				return err
			}
			f = tx.people.Friend(id, tx.compared)
			return nil
		})
	})
	return f, err
}

// Safety returns the safety number with a person this device knows. It takes
// about a second, on purpose.
func (c *Client) Safety(ctx context.Context, text string) (out told.Safety, err error) {
	var id ident.AccountID
	if err := c.e.do(ctx, func(tx *txn) (err error) {
		if id, err = tx.people.Find(text); err == nil {
			out = told.Safety{Name: tx.people.Called(id), Confirmed: tx.people.Friend(id, tx.compared).Confirmed}
		}
		return err
	}); err != nil {
		return out, err
	}
	out.Number = account.SafetyNumber(c.e.me.Account, id) // slow: outside of the loop
	return out, nil
}

// ConfirmSafety records that the owner compared the number: it must be the
// person's, spaces aside.
func (c *Client) ConfirmSafety(ctx context.Context, text, number string) error {
	s, err := c.Safety(ctx, text)
	if err != nil {
		return err
	}
	if !account.SameNumber(s.Number, number) {
		return why.ErrSafety
	}
	// N4: the number was compared. A crash before this commit leaves it to be
	// compared again.
	return c.e.do(ctx, func(tx *txn) error {
		id, err := tx.people.Find(text)
		if err != nil {
			return err
		}
		p := *tx.people.Pins[id]
		p.Record.ConfirmedAt = tx.now.UnixMilli()
		tx.people.Put(tx.Tx, &p)
		return tx.keeps(ours.Key(ours.Safety, id[:]), ours.Flag(true))
	})
}
