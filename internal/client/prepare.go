package client

import (
	"context"
	"slices"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/groups"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

// prepareJob makes a conversation ready to be sent in: there is a group, its
// members are the active devices of its accounts, and this device's keys are
// fresh enough. It runs once a session and conversation, and again when a
// device turns out to be gone.
func (s *session) prepareJob(t *talk) *job {
	return &job{
		run: func(ctx context.Context) error { return s.prepare(ctx, t) },
		failed: func(tx *txn, err error) {
			t.pause = t.pause.Longer(tx.now, line.RetryAfter(err))
			tx.wakeAt(t.pause)
			tx.blocked(t, why.Waits(tx.nameOf(t), err))
		},
	}
}

// plan is what a group lacks.
type plan struct {
	group  *groupState // nil: there is none yet
	add    map[ident.AccountID][]ident.DeviceID
	remove []group.LeafIndex
	renew  bool
	suite  ciphersuite.ID
}

func (s *session) prepare(ctx context.Context, t *talk) error {
	for _, a := range t.Accounts {
		if err := s.readChain(ctx, a); err != nil {
			return err
		}
	}
	var p plan
	if err := s.do(ctx, func(tx *txn) error {
		if !tx.own().View.Lists(tx.me.Device) {
			return account.ErrUnlisted
		}
		p = tx.plan(t)
		return nil
	}); err != nil {
		return err
	}
	joiners, err := s.claim(ctx, &p)
	if err != nil {
		return err
	}
	g := p.group
	if g == nil || len(joiners) > 0 || len(p.remove) > 0 || p.renew {
		// G1: the commit and its secrets are durable before the relay sees it.
		// A crash after this commit leaves it pending: reading the log tells
		// what became of it.
		if err := s.do(ctx, func(tx *txn) (err error) {
			g, err = tx.propose(t, g, groups.Change{Add: joiners, Remove: p.remove, Renew: p.renew})
			return err
		}); err != nil {
			return err
		}
		if err := s.appendPending(ctx, g); err != nil {
			return err
		}
		if err := s.catchUp(ctx, g); err != nil {
			return err
		}
	}
	return s.do(ctx, func(tx *txn) error {
		now := t.sending()
		if now == nil {
			return groups.ErrOver
		}
		if !now.HasOther() {
			return account.ErrMissing
		}
		t.checked, t.since, t.pause = s, tx.now, pause{}
		for _, x := range t.outbox {
			x.Pause, x.Recall.Pause = pause{}, pause{}
		}
		tx.pump(t)
		return nil
	})
}

// propose makes a commit pending, in a new group if there is none. A new group
// becomes a part of the conversation with its first commit: what can't be begun
// leaves nothing behind.
func (tx *txn) propose(t *talk, g *groupState, c groups.Change) (*groupState, error) {
	own, box := tx.own().Chain, tx.welcomeBox(t)
	if g != nil {
		return g, g.Propose(tx.Tx, own, c, box, tx.now)
	}
	made, err := tx.mls().Create(own, t.Room, tx.suite(), tx.now)
	if err != nil {
		return nil, err
	}
	if err := made.Propose(tx.Tx, own, c, box, tx.now); err != nil {
		return nil, err
	}
	return tx.adoptGroup(t, made), nil
}

// plan holds a conversation's group against the chains.
func (tx *txn) plan(t *talk) plan {
	tx.leaveDeaf(t)
	p := plan{group: t.sending(), add: map[ident.AccountID][]ident.DeviceID{}, suite: tx.suite()}
	have := []ident.DeviceID{tx.me.Device}
	if p.group != nil {
		p.suite, have = p.group.Suite(), append(have, p.group.Others()...)
		p.remove = p.group.Unlisted(func(m account.Member) bool { return tx.pins[m.Account].View.Lists(m.Device) })
		p.renew = p.group.RenewalDue(tx.now) || p.group.Mute()
	}
	for _, a := range t.Accounts {
		for _, d := range tx.pins[a].View.Listed() {
			if !slices.Contains(have, d.ID) {
				p.add[a] = append(p.add[a], d.ID)
			}
		}
	}
	return p
}

func (e *engine) suite() ciphersuite.ID {
	if e.cfg.Suite == 0 {
		return ciphersuite.Default
	}
	return e.cfg.Suite
}

// claim takes a key package for each device that a plan adds. A new group needs
// one of another account at least; devices without any are added later.
func (s *session) claim(ctx context.Context, p *plan) ([]*group.KeyPackage, error) {
	var joiners []*group.KeyPackage
	for a, devices := range p.add {
		req := claimOf(a, devices)
		if err := s.do(ctx, func(tx *txn) error {
			req.Known = tx.tokenOf(a)
			return nil
		}); err != nil {
			return nil, err
		}
		body, err := s.ask(ctx, req)
		if err != nil {
			return nil, err
		}
		answer, ok := body.(*wire.KeyPackages)
		if !ok {
			return nil, line.ErrAnswer
		}
		var missing []ident.DeviceID
		if err := s.do(ctx, func(tx *txn) (err error) {
			var got []*group.KeyPackage
			got, missing, err = account.CheckKeyPackages(answer.Packages, tx.pins[a].View, devices, p.suite, tx.now)
			joiners = append(joiners, got...)
			return err
		}); err != nil {
			return nil, err
		}
		if p.group == nil && a != s.me.Account && len(missing) == len(devices) {
			return nil, account.ErrMissing
		}
	}
	return joiners, nil
}

func claimOf(a ident.AccountID, devices []ident.DeviceID) *wire.ClaimKeyPackages {
	req := &wire.ClaimKeyPackages{Account: a[:]}
	for i := range devices {
		req.Devices = append(req.Devices, devices[i][:])
	}
	return req
}

// blocked records why the messages of a conversation wait, and tells it once.
func (tx *txn) blocked(t *talk, problem string) {
	for _, x := range t.outbox {
		tx.entryProblem(x, t.ID, problem)
	}
}
