package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/again"
	"github.com/byre-messenger/byre/internal/client/follow"
	"github.com/byre-messenger/byre/internal/client/groups"
	"github.com/byre-messenger/byre/internal/client/inbox"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/rejoin"
	"github.com/byre-messenger/byre/internal/client/shelf"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/group"
)

// seeks tells what this device does about a conversation that it can't follow.
func (tx *txn) seeks(t *talk) rejoin.Next {
	if g, lost := groups.Lost(t.groups); lost && !t.Home() { // all have the right to begin the home group, and nothing to lose by it
		return tx.desk.Asked(t.ID).Next(g.Members, len(t.outbox) > 0, tx.now)
	}
	return rejoin.Anew // or it can follow
}

// waits reports whether a conversation waits for a member to bring this device
// back, and hopes whether something is to be sent in one, which is not for long.
func (tx *txn) waits(t *talk) bool { return tx.seeks(t) == rejoin.Wait }

func (tx *txn) hopes() bool {
	for _, t := range tx.talks {
		if len(t.outbox) > 0 && tx.waits(t) {
			return true
		}
	}
	return false
}

// askBack asks the members of a conversation that this device can't follow to
// bring it back. It reports false where the conversation is to be begun anew, or
// can be followed.
func (s *session) askBack(ctx context.Context, t *talk) (bool, error) {
	var reqs []*wire.Send
	if err := s.do(ctx, func(tx *txn) (err error) {
		if !tx.own().View.Lists(tx.me.Device) {
			return account.ErrUnlisted
		}
		if tx.seeks(t) == rejoin.Ask {
			reqs, err = tx.askOf(t)
		}
		return err
	}); err != nil {
		return false, err
	}
	if reached, err := rejoin.Send(ctx, reqs, s.ask); err != nil || !reached {
		return false, err
	}
	// G6: the request has left. A crash before this commit has it sent once more,
	// and whoever got it knows it.
	return true, s.do(ctx, func(tx *txn) error {
		tx.desk.Sent(tx.Tx, t.ID, tx.now)
		tx.wakeAt(again.Pause{Until: tx.desk.Asked(t.ID).Patient()})
		return nil
	})
}

// askOf makes the request for a conversation and seals it to the members.
//
// G5: the key package of the request is durable before anybody has it. A crash
// after this commit leaves a request that is sent at the next connection.
func (tx *txn) askOf(t *talk) ([]*wire.Send, error) {
	g, _ := groups.Lost(t.groups)
	box, err := tx.desk.Ask(tx.Tx, t.ID, tx.now, func() ([]byte, error) {
		return tx.shelf.Ask(tx.Tx, tx.me, tx.own().Chain, g.Suite(), t.ID, g.Number(), tx.now)
	})
	if err != nil {
		return nil, err
	}
	return rejoin.Seal(box, g.Members, func(m account.Member) bool {
		return m.Device != tx.me.Device && tx.people.Pins[m.Account].View.Lists(m.Device)
	})
}

// asksBack keeps the request of a member that can't follow.
//
// G7: it is durable before the relay forgets it. A crash before this commit
// leaves it at the relay.
func (tx *txn) asksBack(box *wire.RejoinBox, in inbox.Delivery) {
	r, err := rejoin.Read(box, in.Sent())
	if err != nil || r.Stale(tx.now) {
		return
	}
	if t, ok := tx.talks[r.Room]; ok && t.Has(r.By.Account) && r.By.Device != tx.me.Device {
		tx.desk.Put(tx.Tx, r)
		tx.wake()
	}
}

// helpJob brings a device back that asked for it, where it is this device's turn;
// nil where nobody waits.
func (tx *txn) helpJob(s *session) *job {
	for _, x := range tx.desk.Askers() {
		g := tx.helps(x.Request)
		if g == nil {
			tx.desk.Drop(tx.Tx, x.Room, x.By)
			continue
		}
		if turn := x.Turn(tx.me.Device, g.Members); x.Pause.Until.Before(turn) {
			x.Pause.Until = turn
			tx.wakeAt(x.Pause)
		}
		if x.Pause.Over(tx.now) {
			return &job{run: func(ctx context.Context) error { return s.help(ctx, x) }, failed: func(tx *txn, err error) {
				x.Pause = x.Pause.Longer(tx.now, line.RetryAfter(err))
				tx.wakeAt(x.Pause)
			}}
		}
	}
	return nil
}

// helps is the group into which a device that asked may be brought back, nil if
// there is none here.
func (tx *txn) helps(r rejoin.Request) *groupState {
	if t, ok := tx.talks[r.Room]; ok && !r.Stale(tx.now) && tx.own().View.Lists(tx.me.Device) {
		return t.sending()
	}
	return nil
}

// help answers a request, with the chain of who asks and the room's log as they
// are now (ADR 14).
func (s *session) help(ctx context.Context, x *rejoin.Asker) error {
	if err := s.readChain(ctx, x.By.Account); err != nil {
		return err
	}
	var g *groupState
	if err := s.do(ctx, func(tx *txn) error {
		if g = tx.helps(x.Request); g != nil {
			g.Rec.ReadLog = true
			tx.moved[g] = true
		}
		return nil
	}); err != nil || g == nil {
		return err
	}
	if err := s.catchUp(ctx, g); err != nil {
		return err
	}
	var may error
	// This is G1. The request stays until a commit brought the device back, this
	// one or another.
	if err := s.do(ctx, func(tx *txn) error {
		if tx.helps(x.Request) != g || g.Unsure() {
			return nil // it changed meanwhile: once more
		}
		leaf, k, err := x.May(tx.standing(g, x), tx.now)
		if may = err; err == nil {
			_, err = tx.propose(g.talk, g, groups.Change{Add: []*group.KeyPackage{k}, Remove: []group.LeafIndex{leaf}})
			return err
		}
		tx.desk.Drop(tx.Tx, x.Room, x.By)
		return nil
	}); err != nil || may != nil {
		return err
	}
	if err := follow.Append(ctx, following{s, g}, g.Group); err != nil {
		return err
	}
	return s.catchUp(ctx, g)
}

// standing is what this device knows of who asks.
func (tx *txn) standing(g *groupState, x *rejoin.Asker) rejoin.Standing {
	return rejoin.Standing{
		Members: g.Members, Suite: g.Suite(), View: tx.people.Pins[x.By.Account].View, Active: groups.Active(g.talk.groups, x.By.Device),
		Gap: time.UnixMilli(tx.signIn.GapAt), Joined: time.UnixMilli(g.Rec.JoinedAt),
	}
}

// back notes that this device is about to be in a group, maybe one that it knew
// and because it asked.
func (tx *txn) back(t *talk, made *groups.Group, by shelf.Found, known bool) {
	tx.desk.Back(tx.Tx, t.ID)
	if t.pause = (again.Pause{}); len(by.Room) == 0 {
		return
	}
	if known && t.sending() != nil { // begun anew meanwhile, which replaced it
		made.Left(tx.now)
	}
	made.Rec.Through = made.By.Account[:]
	tx.tell(&wire.DeviceEvent{Room: t.ID[:], Account: tx.me.Account[:], Device: tx.me.Device[:], Through: tx.people.Called(made.By.Account)})
}

// through is the person who vouches alone for what is said in a conversation.
func (tx *txn) through(t *talk) string {
	if g := t.sending(); g != nil && len(g.Rec.Through) > 0 {
		return tx.people.Called(ident.AccountID(g.Rec.Through))
	}
	return ""
}

// tellLost tells why a group can't be followed any more, unless nobody misses it.
func (tx *txn) tellLost(g *groupState, m groups.Moved) {
	why := m.Lost
	if errors.Is(why, groups.ErrReplaced) {
		why = rejoin.Why(tx.shelf.Asked(m.Own))
	}
	switch {
	case errors.Is(why, rejoin.ErrCopied):
		tx.tell(&wire.KeyChangedEvent{Account: tx.me.Account[:], Name: tx.device.Name, Text: fmt.Sprintf("%s: %v", tx.nameOf(g.talk), why)})
	case why != nil && !g.Rec.Replaced && !g.talk.Home():
		tx.problem(g.talk.ID, ident.MessageID{}, why.Error())
	}
}
