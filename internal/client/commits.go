package client

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/groups"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/ident"
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
	pause pause
}

// movedOn carries out what follows when a group's log took effect.
func (tx *txn) movedOn(g *groupState, m groups.Moved) error {
	for _, x := range m.Added {
		tx.tell(&wire.DeviceEvent{Room: g.talk.ID[:], Account: x.Account[:], Device: x.Device[:]})
	}
	for _, x := range m.Removed {
		tx.tell(&wire.DeviceEvent{Room: g.talk.ID[:], Account: x.Account[:], Device: x.Device[:], Removed: true})
	}
	for _, x := range m.Shown {
		tx.seeChain(x.Chain)
	}
	if m.Lost != nil && !g.Rec.Replaced { // else nobody misses it
		g.talk.checked = nil
		tx.problem(g.talk.ID, ident.MessageID{}, m.Lost.Error())
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
		if name := tx.pinnedName(a); name != "" {
			w.Names = append(w.Names, wire.Named{Account: t.Accounts[i][:], Name: name})
		}
	}
	for _, g := range t.groups {
		if (g.Rec.Over && !g.Rec.Removed || g.Rec.Replaced) && len(w.Replaces) < 64 {
			w.Replaces = append(w.Replaces, g.ID)
		}
	}
	for _, h := range t.order.Heard(tx.me.Device) {
		if h.Device == tx.me.Device && len(t.outbox) > 0 {
			h.UpTo = t.outbox[0].Seq - 1 // what waits will be sent to the new device too
		}
		w.Sent = append(w.Sent, wire.Received{Device: h.Device[:], UpTo: h.UpTo})
	}
	return w
}

// appendPending offers a group's pending commit to the epoch's log.
func (s *session) appendPending(ctx context.Context, g *groupState) error {
	var req *wire.AppendEpoch
	if err := s.do(ctx, func(*txn) error {
		req = g.Offer()
		return nil
	}); err != nil || req == nil {
		return err
	}
	body, err := s.ask(ctx, req)
	if err != nil {
		return err
	}
	return s.do(ctx, func(tx *txn) error {
		if !g.Offers(req) {
			return nil
		}
		var m groups.Moved
		var err error
		switch body := body.(type) {
		case *wire.EpochAppended:
			// G2: the log has the commit, so the group moves on. A crash before
			// this commit leaves G1; reading the log then tells that it won.
			m, err = g.Confirm(tx.Tx, tx.now)
		case *wire.EpochLog:
			if !body.Over && len(body.Entries) == 0 {
				// The log is said to be shorter than what was read of it.
				g.Again()
				tx.moved[g] = true
				return nil
			}
			m, err = g.Follow(tx.Tx, body, tx.now)
		default:
			err = line.ErrAnswer
		}
		if err != nil {
			return err
		}
		return tx.movedOn(g, m)
	})
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

func (s *session) catchUp(ctx context.Context, g *groupState) error {
	var epoch uint64
	idle, healed := 0, false
	for {
		if err := s.welcomeAgain(ctx, g); err != nil {
			return err
		}
		var req *wire.ReadEpoch
		if err := s.do(ctx, func(*txn) error {
			if g.Rec.Over || !g.Unsure() {
				return nil
			}
			if idle++; g.Rec.Epoch != epoch {
				epoch, idle = g.Rec.Epoch, 0
			} else if idle > maxIdle {
				return errEndless
			}
			req = &wire.ReadEpoch{Handle: g.Handle(), From: g.Rec.Skipped}
			return nil
		}); err != nil || req == nil {
			return err
		}
		body, err := s.ask(ctx, req)
		if err != nil {
			return err
		}
		log, ok := body.(*wire.EpochLog)
		if !ok {
			return line.ErrAnswer
		}
		var offer bool
		// G3: an entry of the log takes effect. A crash before this commit leaves
		// the log to be read again.
		if err := s.do(ctx, func(tx *txn) error {
			if !bytes.Equal(req.Handle, g.Handle()) {
				return nil // it moved on meanwhile
			}
			m, err := g.Follow(tx.Tx, log, tx.now)
			if err != nil {
				return err
			}
			if err := tx.movedOn(g, m); err != nil || m.Epoch {
				return err
			} else if m.Lost != nil {
				return tx.calm(g.talk)
			}
			switch offer = g.Offer() != nil; {
			case offer:
				return nil
			case len(log.Entries) > 0:
				return nil // there may be more than goes into a frame
			case g.Blocked() && healed:
				return errEndless
			case g.Blocked(): // a log with junk alone would end (ADR 13); this is G1
				offer, healed = true, true
				_, err := tx.propose(g.talk, g, groups.Change{Renew: true})
				return err
			}
			g.Sure(tx.now)
			g.pause = pause{}
			tx.moved[g] = true
			tx.wake()
			return tx.calm(g.talk)
		}); err != nil {
			return err
		}
		if offer {
			if err := s.appendPending(ctx, g); err != nil {
				return err
			}
		}
	}
}

// welcomeAgain sends the Welcomes that the relay may not have.
func (s *session) welcomeAgain(ctx context.Context, g *groupState) error {
	for {
		var req *wire.Send
		if err := s.do(ctx, func(*txn) error {
			if len(g.Rec.Unsent) > 0 {
				w := g.Rec.Unsent[0]
				req = &wire.Send{Envelope: w.Envelope, Class: wire.ClassHandshake}
				if w.Target != nil {
					req.Targets = []wire.Target{*w.Target}
				}
			}
			return nil
		}); err != nil || req == nil {
			return err
		}
		body, err := s.ask(ctx, req)
		if err != nil {
			return err
		}
		if sent, ok := body.(*wire.Sent); !ok || len(sent.Outcomes) == 1 && sent.Outcomes[0].Outcome == wire.OutcomeUnknown {
			return errUnwelcomed
		}
		// G4: the relay has the Welcome. A crash before this commit has it sent
		// once more, and the device that joined knows it.
		if err := s.do(ctx, func(tx *txn) error {
			g.Welcomed(1)
			tx.moved[g] = true
			return nil
		}); err != nil {
			return err
		}
	}
}

// errUnwelcomed says that the relay does not answer for a Welcome.
var errUnwelcomed = errors.New("the server could not promise to tell a new device of the conversation: it is tried again")

// maxIdle is how often a log is asked for without coming to another epoch, and
// errEndless what is told then.
const maxIdle = 100

var errEndless = errors.New("the server shows a conversation's log that comes to no end: the message waits; tell the server's operator")

// age counts connected time for the epochs that were left behind.
func (tx *txn) age(d time.Duration) {
	for _, g := range tx.groups {
		if g.Age(tx.Tx, d) {
			tx.moved[g] = true
		}
	}
}

// adoptGroup makes a group a part of its conversation and writes it.
func (tx *txn) adoptGroup(t *talk, made *groups.Group) *groupState {
	g := &groupState{Group: made}
	t.adopt(g)
	tx.groups[string(g.ID)] = g
	tx.talked[t] = true
	made.Begin(tx.Tx)
	return g
}

// mls is what groups need of this device.
func (e *engine) mls() groups.Device { return groups.Device{Home: e.home, Me: e.me} }

// own is this account's chain.
func (e *engine) own() *account.Pin { return e.pins[e.me.Account] }
