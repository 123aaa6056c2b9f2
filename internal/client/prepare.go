package client

import (
	"cmp"
	"context"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/again"
	"github.com/byre-messenger/byre/internal/client/follow"
	"github.com/byre-messenger/byre/internal/client/groups"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/devchain"
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

func (s *session) prepare(ctx context.Context, t *talk) error {
	for _, a := range t.Accounts {
		if err := s.readChain(ctx, a); err != nil {
			return err
		}
	}
	if asked, err := s.askBack(ctx, t); err != nil || asked {
		return err
	}
	var g *groupState
	var lack groups.Lack
	if err := s.do(ctx, func(tx *txn) error { g, lack = tx.lacks(t); return nil }); err != nil {
		return err
	}
	joiners, err := s.claim(ctx, lack)
	if err != nil {
		return err
	}
	if g == nil || len(joiners) > 0 || len(lack.Remove) > 0 || lack.Renew {
		// G1: the commit and its secrets are durable before the relay sees it.
		// A crash after this commit leaves it pending: reading the log tells
		// what became of it.
		if err := s.do(ctx, func(tx *txn) (err error) {
			g, err = tx.propose(t, g, groups.Change{Add: joiners, Remove: lack.Remove, Renew: lack.Renew, Grounds: lack.Grounds})
			return err
		}); err != nil {
			return err
		}
		if err := follow.Append(ctx, following{s, g}, g.Group); err != nil {
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
		tx.desk.Back(tx.Tx, t.ID)
		t.checked, t.since, t.pause = s, tx.now, again.Pause{}
		for _, x := range t.outbox {
			x.Pause, x.Recall.Pause = again.Pause{}, again.Pause{}
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
	if t.Home() {
		tx.ours.Anew(tx.Tx)
	}
	return tx.adoptGroup(t, made, nil), nil
}

// lacks holds a conversation's group against the chains.
func (tx *txn) lacks(t *talk) (*groupState, groups.Lack) {
	tx.leaveDeaf(t)
	g, made := t.sending(), (*groups.Group)(nil)
	if g != nil {
		made = g.Group
	}
	return g, tx.mls().Lacks(made, t.Room, tx.suite(), func(a ident.AccountID) (devchain.View, *wire.Target) {
		return tx.people.Pins[a].View, tx.tokenOf(a)
	}, tx.now)
}

func (e *engine) suite() ciphersuite.ID { return cmp.Or(e.cfg.Suite, ciphersuite.Default) }

// claim takes a key package for each device that a group lacks.
func (s *session) claim(ctx context.Context, lack groups.Lack) (joiners []*group.KeyPackage, err error) {
	for a := range lack.Add {
		body, err := s.ask(ctx, lack.Claim(a))
		if err != nil {
			return nil, err
		}
		answer, ok := body.(*wire.KeyPackages)
		if !ok {
			return nil, line.ErrAnswer
		}
		if err := s.do(ctx, func(tx *txn) error {
			got, err := lack.Take(a, answer.Packages, tx.people.Pins[a].View, tx.now)
			joiners = append(joiners, got...)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return joiners, nil
}

// blocked records why the messages of a conversation wait, and tells it once.
func (tx *txn) blocked(t *talk, problem string) {
	for _, x := range t.outbox {
		tx.entryProblem(x, t.ID, problem)
	}
}
