package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/group"
)

var (
	errOver    = errors.New("this device was away for too long to follow the conversation: it must be added again")
	errOwnPath = errors.New("a change of the conversation holds a wrong secret for this device: it must be added again")
)

// propose makes a commit of this device durable as pending. The caller then
// appends it.
func (tx *txn) propose(g *groupState, o group.CommitOptions) error {
	if o.Update || len(o.Remove) > 0 {
		o.Leaf = &group.LeafOptions{Extensions: tx.me.LeafExtensions(tx.pins[tx.me.Account].Chain), Supports: account.Supports()}
	}
	p, err := g.mls.Commit(o)
	if err != nil {
		return err
	}
	rec := &wire.PendingRecord{}
	if rec.Commit, err = g.env.Seal(envelope.Handshake, p.Commit()); err != nil {
		return err
	}
	for _, kp := range o.Add {
		w, err := tx.welcome(g.talk, kp, p.Welcome())
		if err != nil {
			return err
		}
		rec.Welcomes = append(rec.Welcomes, *w)
	}
	for _, m := range g.members {
		if m.Device == tx.me.Device || slices.Contains(o.Remove, m.Leaf) {
			continue
		}
		rec.Targets = append(rec.Targets, wire.Target{Device: m.Device[:], Token: m.Token})
	}
	g.pending, g.rec.Pending = p, rec
	tx.PutBytes(tx.home.Key(home.Pending, g.id), p.State().Reveal())
	tx.moved[g] = true
	return nil
}

// welcome seals a Welcome to a device that joins.
func (tx *txn) welcome(t *talk, kp *group.KeyPackage, msg []byte) (*wire.Welcome, error) {
	m, err := account.ReadMember(kp.Leaf())
	if err != nil {
		return nil, err
	}
	w := &wire.WelcomeBox{Welcome: msg}
	for i, a := range t.Accounts {
		if name := tx.pinnedName(a); name != "" {
			w.Names = append(w.Names, wire.Named{Account: t.Accounts[i][:], Name: name})
		}
	}
	for _, h := range t.order.Heard(tx.me.Device) {
		if h.Device == tx.me.Device && len(t.outbox) > 0 {
			h.UpTo = t.outbox[0].seq - 1 // what waits will be sent to the new device too
		}
		w.Sent = append(w.Sent, wire.Received{Device: h.Device[:], UpTo: h.UpTo})
	}
	b, err := envelope.SealBox(m.Keys.Box, (&wire.Box{Body: w}).Append(nil))
	if err != nil {
		return nil, err
	}
	return &wire.Welcome{Target: &wire.Target{Device: m.Device[:], Token: m.Token}, Envelope: b}, nil
}

// appendPending offers the pending commit to the epoch's log. The log decides;
// asking again after a crash or a lost answer is safe, because the log then
// shows these very bytes.
func (s *session) appendPending(ctx context.Context, g *groupState) error {
	var req *wire.AppendEpoch
	if err := s.do(ctx, func(*txn) error {
		if p := g.rec.Pending; g.pending != nil {
			req = &wire.AppendEpoch{Handle: bytes.Clone(g.env.Handle[:]), After: g.rec.Skipped, Commit: p.Commit, Targets: p.Targets, Welcomes: p.Welcomes}
		}
		return nil
	}); err != nil || req == nil {
		return err
	}
	body, err := s.ask(ctx, req)
	if err != nil {
		return err
	}
	return s.do(ctx, func(tx *txn) error {
		if g.pending == nil || !bytes.Equal(req.Commit, g.rec.Pending.Commit) {
			return nil
		}
		switch body := body.(type) {
		case *wire.EpochAppended:
			// G2: the log has the commit, so the group moves on. A crash before
			// this commit leaves G1; reading the log then tells that it won.
			return tx.confirm(g)
		case *wire.EpochLog:
			_, err := tx.follow(g, body)
			return err
		default:
			return ErrProtocol
		}
	})
}

// confirm takes a group into the epoch of its own pending commit.
func (tx *txn) confirm(g *groupState) error {
	p := g.pending
	tx.changed(g, p.Staged)
	if err := tx.advance(g, func() (*group.PastEpoch, error) { return g.mls.Confirm(p) }); err != nil {
		return err
	}
	g.rec.PathAt = tx.now.UnixMilli()
	return tx.reopen()
}

// changed tells the owner of the devices that a commit adds or removes, the
// first commit of a group excepted.
func (tx *txn) changed(g *groupState, st *group.Staged) {
	if !g.rec.Open {
		return
	}
	tell := func(list []group.Member, removed bool) {
		for _, l := range list {
			if m, err := account.ReadMember(l); err == nil {
				tx.tell(&wire.DeviceEvent{Room: g.talk.ID[:], Account: m.Account[:], Device: m.Device[:], Removed: removed})
			}
		}
	}
	tell(st.Added(), false)
	tell(st.Removed(), true)
}

// follow applies what an epoch's log holds: the winner is the first entry that
// is valid under MLS and the room's rules, by the group's state and the entry's
// bytes alone, so that every member comes to the same answer. It reports
// whether the group moved on.
func (tx *txn) follow(g *groupState, log *wire.EpochLog) (moved bool, err error) {
	if log.Over {
		tx.lost(g, errOver)
		return false, nil
	}
	if log.From != g.rec.Skipped {
		return false, nil // an answer to an older question
	}
	for _, entry := range log.Entries {
		if g.pending != nil && bytes.Equal(entry, g.rec.Pending.Commit) {
			return true, tx.confirm(g)
		}
		st, err := tx.stage(g, entry)
		switch {
		case errors.Is(err, group.ErrOwnPath), errors.Is(err, group.ErrOwn):
			// The others go on with it; skipping it would part the room.
			tx.lost(g, errOwnPath)
			return false, nil
		case err != nil:
			g.rec.Skipped++ // garbage blocks nothing
			tx.moved[g] = true
			continue
		}
		return true, tx.merge(g, st)
	}
	return false, nil
}

// stage checks somebody's commit, changing nothing.
func (tx *txn) stage(g *groupState, entry []byte) (*group.Staged, error) {
	msg, err := g.env.Open(entry)
	if err != nil {
		return nil, err
	}
	st, err := g.mls.Stage(msg, group.StageOptions{})
	if err != nil {
		return nil, err
	}
	// What a room is never changes (docs/spec/content.md).
	if _, replaced := st.GroupExtensions(); replaced {
		st.Drop()
		return nil, fmt.Errorf("%w: it changes what the room is", account.ErrLeaf)
	}
	return st, nil
}

// merge takes a group into the epoch of somebody's commit. A pending commit of
// this device has lost then; if what it was for is still needed, it is made
// anew.
func (tx *txn) merge(g *groupState, st *group.Staged) error {
	tx.changed(g, st)
	if st.SelfRemoved() {
		tx.lost(g, ErrDeviceRemoved)
		return nil
	}
	for _, l := range st.Added() {
		if m, err := account.ReadMember(l); err == nil {
			tx.see(m)
		}
	}
	for _, u := range st.Updated() {
		if m, err := account.ReadMember(u.After); err == nil {
			tx.see(m)
		}
	}
	g.talk.checked = nil
	if err := tx.advance(g, func() (*group.PastEpoch, error) { return g.mls.Merge(st) }); err != nil {
		return err
	}
	g.rec.ReadLog = true // there may be more
	tx.wake()
	return tx.reopen()
}

// lost gives a group up.
func (tx *txn) lost(g *groupState, why error) {
	tx.dropPending(g)
	g.rec.Over, g.rec.ReadLog = true, false
	tx.moved[g] = true
	g.talk.checked = nil
	tx.problem(g.talk.ID, ident.MessageID{}, why.Error())
}

// catchUpJob reads the logs of a group until it is in its last epoch.
func (s *session) catchUpJob(g *groupState) *job {
	return &job{
		run: func(ctx context.Context) error { return s.catchUp(ctx, g) },
		failed: func(tx *txn, err error) {
			g.pause = g.pause.longer(tx.now, retryAfter(err))
			tx.wakeAt(g.pause)
		},
	}
}

func (s *session) catchUp(ctx context.Context, g *groupState) error {
	for {
		var req *wire.ReadEpoch
		if err := s.do(ctx, func(*txn) error {
			if !g.rec.Over && g.unsure() {
				req = &wire.ReadEpoch{Handle: bytes.Clone(g.env.Handle[:]), From: g.rec.Skipped}
			}
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
			return ErrProtocol
		}
		var offer bool
		// G3: an entry of the log takes effect. A crash before this commit leaves
		// the log to be read again.
		if err := s.do(ctx, func(tx *txn) error {
			if !bytes.Equal(req.Handle, g.env.Handle[:]) {
				return nil // it moved on meanwhile
			}
			moved, err := tx.follow(g, log)
			if err != nil || moved || g.rec.Over {
				return err
			}
			if offer = g.pending != nil; !offer {
				g.rec.ReadLog = false
				tx.moved[g] = true
				g.pause = pause{}
				tx.wake()
				return tx.calm(g.talk)
			}
			return nil
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

// retryAfter is how long the relay asked to wait.
func retryAfter(err error) time.Duration {
	if r, ok := errors.AsType[*RefusedError](err); ok {
		return r.RetryAfter
	}
	return 0
}
