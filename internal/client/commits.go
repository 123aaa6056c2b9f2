package client

import (
	"context"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/again"
	"github.com/byre-messenger/byre/internal/client/follow"
	"github.com/byre-messenger/byre/internal/client/groups"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/wire"
)

// maxGroups bounds the groups of one conversation that can be sent in: two may
// be begun at once, more is somebody's mischief.
const maxGroups = 8

// replace notes which groups of a conversation a member can't follow any more.
func (tx *txn) replace(t *talk, ids [][]byte) {
	for _, id := range ids {
		if g, ok := tx.groups[string(id)]; ok && g.talk == t {
			g.Left(tx.now)
			tx.moved[g] = true
		}
	}
}

// leaveDeaf gives up the groups of a conversation in which a device may sit that
// can't follow: what comes now goes another way.
func (tx *txn) leaveDeaf(t *talk) {
	for _, g := range t.groups {
		if g.Usable() && !g.Unsure() && g.Deaf(tx.now) {
			g.Left(tx.now)
			tx.moved[g] = true
		}
	}
}

// lapse gives up what this device was away from for too long, before it looks at
// its mailbox or any log.
func (tx *txn) lapse() error {
	for _, g := range tx.groups {
		if m := g.Lapse(tx.Tx, tx.now); m.Lost != nil {
			if err := tx.movedOn(g, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// daily has the logs read that were not read for a day, and forgets groups that
// were left long ago.
func (tx *txn) daily() {
	for _, g := range tx.groups {
		switch {
		case g.Past(tx.now) && g.talk.sending() != nil:
			tx.discard(g)
		case g.ReadDaily(tx.now):
			tx.moved[g] = true
			tx.wake()
		case g.talk.broken(): // it may be time to ask again
			tx.wake()
		}
	}
}

// discard forgets a group.
func (tx *txn) discard(g *groupState) {
	g.Erase(tx.Tx)
	delete(tx.groups, string(g.ID))
	delete(tx.moved, g)
	t := g.talk
	t.groups = slices.DeleteFunc(t.groups, func(x *groupState) bool { return x == g })
	tx.talked[t] = true
}

// groupState is one group and where it belongs.
type groupState struct {
	*groups.Group

	talk  *talk
	pause again.Pause
}

// movedOn carries out what follows when a group's log took effect.
func (tx *txn) movedOn(g *groupState, m groups.Moved) error {
	for _, ev := range m.Events(g.talk.Room, tx.people.Called(m.By.Account)) {
		tx.tell(ev)
	}
	for _, chain := range m.Shown {
		tx.seeChain(chain)
	}
	for _, x := range m.Back {
		tx.desk.Drop(tx.Tx, g.talk.ID, x)
		if err := tx.resend(g.talk, x.Device, 0); err != nil { // it missed what it did not confirm
			return err
		}
	}
	if m.Lost != nil {
		g.talk.checked = nil
		if tx.tellLost(g, m); g.talk.Home() {
			tx.ours.Suspect(tx.Tx)
		}
		tx.wake()
	}
	if !m.Epoch && m.Lost == nil {
		return nil
	}
	if m.Epoch && g.Rec.ReadLog {
		g.talk.checked = nil // another device's commit: the plan is made anew
		tx.wake()
	}
	return tx.reopen()
}

// welcomeBox tells a device that joins what it must know of a conversation.
func (tx *txn) welcomeBox(t *talk) (w wire.WelcomeBox) {
	for i, a := range t.Accounts {
		if name := tx.people.Name(a); name != "" {
			w.Names = append(w.Names, wire.Named{Account: t.Accounts[i][:], Name: name})
		}
	}
	for _, g := range t.groups {
		if (g.Rec.Over && !g.Rec.Removed || g.Rec.Replaced) && len(w.Replaces) < 64 {
			w.Replaces = append(w.Replaces, g.ID)
		}
	}
	for _, h := range t.order.Heard(tx.me.Device) {
		if h.Device == tx.me.Device {
			h.UpTo = t.passed()
		}
		w.Sent = append(w.Sent, wire.Received{Device: h.Device[:], UpTo: h.UpTo})
	}
	return w
}

// catchUpJob reads the logs of a group until it is in its last epoch.
func (s *session) catchUpJob(g *groupState) *job {
	return &job{
		run: func(ctx context.Context) error { return s.catchUp(ctx, g) },
		failed: func(tx *txn, err error) {
			g.pause = g.pause.Longer(tx.now, line.RetryAfter(err))
			tx.wakeAt(g.pause)
		},
	}
}

// catchUp reads them.
func (s *session) catchUp(ctx context.Context, g *groupState) error {
	return follow.ToTheEnd(ctx, following{s, g}, g.Group)
}

// following is a session that follows a group.
type following struct {
	*session
	g *groupState
}

// Ask implements [follow.Session].
func (f following) Ask(ctx context.Context, body wire.RequestBody) (wire.ResponseBody, error) {
	return f.ask(ctx, body)
}

// Do implements [follow.Session].
func (f following) Do(ctx context.Context, fn func(follow.Step) error) error {
	return f.do(ctx, func(tx *txn) error { return fn(followed{tx, f.g}) })
}

// followed is a step of a group.
type followed struct {
	*txn
	g *groupState
}

func (f followed) Home() *home.Tx { return f.Tx }
func (f followed) Now() time.Time { return f.now }
func (f followed) Save()          { f.moved[f.g] = true }

func (f followed) Moved(m groups.Moved) error { return f.movedOn(f.g, m) }

func (f followed) Renew() error {
	_, err := f.propose(f.g.talk, f.g, groups.Change{Renew: true})
	return err
}

func (f followed) Settled() error {
	f.g.pause = again.Pause{}
	f.wake()
	return f.calm(f.g.talk)
}

// age counts connected time for the epochs that were left behind.
func (tx *txn) age(d time.Duration) {
	for _, g := range tx.groups {
		if g.Age(tx.Tx, d) {
			tx.moved[g] = true
		}
	}
}

// adoptGroup makes a group a part of its conversation and writes it. old is the
// same group as it was before this device came into it again, or nil.
func (tx *txn) adoptGroup(t *talk, made *groups.Group, old *groupState) *groupState {
	g := &groupState{Group: made}
	if made.Rec.Before, made.Rec.Alone = t.passed(), len(t.groups) == 0; old != nil {
		made.Rec.Before, made.Rec.Alone = old.Rec.Before, old.Rec.Alone
	}
	for _, x := range t.groups {
		if x.Rec.Alone {
			x.Rec.Alone, tx.moved[x] = false, true
		}
	}
	t.adopt(g)
	tx.groups[string(g.ID)] = g
	tx.talked[t] = true
	made.Begin(tx.Tx)
	return g
}

// mls is what groups need of this device.
func (e *engine) mls() groups.Device { return groups.Device{Home: e.home, Me: e.me} }

// own is this account's chain.
func (e *engine) own() *account.Pin { return e.people.Pins[e.me.Account] }
