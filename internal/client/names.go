package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// putPin writes a pin.
func (tx *txn) putPin(p *account.Pin) {
	id := p.ID()
	tx.pins[id] = p
	tx.Put(tx.home.Key(home.Pin, id[:]), &p.Record)
}

// seeChain holds a chain against what is pinned, and alarms where they
// contradict each other.
func (tx *txn) seeChain(chain devchain.Chain) *account.Pin {
	old, ok := tx.pins[chain.ID()]
	if !ok {
		p := account.NewPin(chain)
		tx.putPin(&p)
		return &p
	}
	next, seen := old.See(chain)
	for _, alarm := range next.Alarms(seen, tx.me.Account) {
		tx.tell(alarm)
	}
	if seen.Changed {
		tx.putPin(&next)
	}
	if seen.Listed {
		// Nothing more is sent before the groups are held against the list.
		for _, t := range tx.talks {
			if t.Has(chain.ID()) {
				t.checked = nil
			}
		}
		tx.wake()
	}
	return tx.pins[chain.ID()]
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
	if pinned, ok := tx.names[string(name.Key())]; ok && pinned != id {
		tx.tell(&wire.KeyChangedEvent{Account: pinned[:], Name: name.String(), Text: fmt.Sprintf("%s: %v", name, why.ErrMoved)})
		return nil // the caller sees whom the name is pinned to
	}
	p := *tx.seeChain(chain)
	if known, err := ident.ParseName(p.Record.Name); err == nil && !bytes.Equal(known.Key(), name.Key()) {
		// An account has one name for good: else the server could show somebody
		// under another's name, and give the pinned name away.
		tx.tell(&wire.KeyChangedEvent{Account: id[:], Name: known.String(), Text: fmt.Sprintf("%s: %v", name, why.ErrTwoNames)})
		return nil
	}
	if p.Record.Name != name.String() || p.Record.Claimed != "" {
		p.Record.Name, p.Record.Claimed = name.String(), ""
		tx.putPin(&p)
	}
	tx.names[string(name.Key())] = id
	return tx.resolveAll(name, id)
}

// leads returns why a name that the server led to an account does not mean it.
func (tx *txn) leads(name ident.Name, id ident.AccountID) error {
	switch pinned, ok := tx.names[string(name.Key())]; {
	case !ok:
		return why.ErrTwoNames
	case pinned != id:
		return why.ErrMoved
	}
	return nil
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
				return tx.leads(name, id) // it was placed when the name was pinned
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
	settle := func(tx *txn) {
		p := *tx.pins[id]
		p.Record.Claimed = ""
		tx.putPin(&p)
	}
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
				settle(tx)
				if got != id {
					tx.tell(&wire.KeyChangedEvent{Account: id[:], Name: claimed, Text: fmt.Sprintf("somebody you talk to is said to be %s and is not", claimed)})
				}
				return nil
			})
		},
		failed: func(tx *txn, err error) {
			if errors.Is(err, why.ErrNameUnknown) {
				settle(tx) // it stays without a name
			} // else the next session asks again
		},
	}
}

// claims notes the names that accounts are said to have, for those that have
// none here yet.
func (tx *txn) claims(names []wire.Named) {
	for _, n := range names {
		id, err := ident.AccountIDFrom(n.Account)
		if err != nil {
			continue
		}
		if p, ok := tx.pins[id]; ok && id != tx.me.Account && p.Record.Name == "" {
			next := *p
			next.Record.Claimed = n.Name
			tx.putPin(&next)
		}
	}
}

// pinnedName is an account's name, or empty.
func (e *engine) pinnedName(a ident.AccountID) string {
	if a == e.me.Account {
		return e.device.Name
	}
	if p, ok := e.pins[a]; ok {
		return p.Record.Name
	}
	return ""
}

// nameOf is what a conversation is called.
func (e *engine) nameOf(t *talk) string { return e.personOf(t.Other(e.me.Account)) }

// personOf is what an account is called: its name if it is pinned, or the start
// of its id.
func (e *engine) personOf(a ident.AccountID) string {
	if name := e.pinnedName(a); name != "" {
		return name
	}
	return "?" + a.String()[:8]
}

func (e *engine) friends(ctx context.Context) ([]told.Friend, error) {
	var out []told.Friend
	err := e.do(ctx, func(tx *txn) error {
		for _, p := range tx.pins {
			if p.ID() != tx.me.Account {
				out = append(out, tx.friend(p))
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b told.Friend) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

func (e *engine) friend(p *account.Pin) told.Friend {
	return told.Friend{
		Name: e.personOf(p.ID()), Account: p.ID(), Room: account.Direct(p.ID(), e.me.Account).ID,
		Confirmed: p.Record.ConfirmedAt != 0, Alarmed: p.Record.Forked, Devices: len(p.View.Listed()),
	}
}

func (e *engine) addFriend(ctx context.Context, text string) (f told.Friend, err error) {
	name, err := ident.ParseName(text)
	if err != nil {
		return f, err
	}
	err = e.with(ctx, func(s *session) error {
		id, err := s.lookUp(ctx, name)
		if err != nil {
			return err
		}
		return e.do(ctx, func(tx *txn) error {
			if id == tx.me.Account {
				return why.ErrSelf
			}
			if err := tx.leads(name, id); err != nil {
				return err
			}
			f = tx.friend(tx.pins[id])
			return nil
		})
	})
	return f, err
}

// person finds the account of a name that this device knows.
func (e *engine) person(text string) (ident.AccountID, error) {
	name, err := ident.ParseName(text)
	if err != nil {
		return ident.AccountID{}, err
	}
	id, ok := e.names[string(name.Key())]
	if !ok {
		return id, fmt.Errorf("%w: %s", why.ErrUnknownRoom, name)
	}
	return id, nil
}

func (e *engine) safety(ctx context.Context, text string) (out told.Safety, err error) {
	var id ident.AccountID
	if err := e.do(ctx, func(tx *txn) (err error) {
		if id, err = tx.person(text); err == nil {
			out = told.Safety{Name: tx.personOf(id), Confirmed: tx.pins[id].Record.ConfirmedAt != 0}
		}
		return err
	}); err != nil {
		return out, err
	}
	out.Number = account.SafetyNumber(e.me.Account, id) // slow: outside of the loop
	return out, nil
}

func (e *engine) confirmSafety(ctx context.Context, text, number string) error {
	s, err := e.safety(ctx, text)
	if err != nil {
		return err
	}
	if !account.SameNumber(s.Number, number) {
		return why.ErrSafety
	}
	// N4: the number was compared. A crash before this commit leaves it to be
	// compared again.
	return e.do(ctx, func(tx *txn) error {
		id, err := tx.person(text)
		if err != nil {
			return err
		}
		p := *tx.pins[id]
		p.Record.ConfirmedAt = tx.now.UnixMilli()
		tx.putPin(&p)
		return nil
	})
}
