package groups

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/trust"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/group"
)

// Why a group is given up.
var (
	ErrOver     = errors.New("this device was away for too long to follow the conversation: it asks the others to bring it back, or begins it anew; what was said meanwhile may be missing")
	ErrOwnPath  = errors.New("a change of the conversation holds a wrong secret for this device: it asks the others to bring it back, or begins it anew; what was said meanwhile may be missing")
	ErrRemoved  = errors.New("this device was taken out of the conversation")
	ErrReplaced = errors.New("this device was given another place in the conversation")
)

// Change is what a commit of this device is to do.
type Change struct {
	Add    []*group.KeyPackage // checked: account.CheckKeyPackages
	Remove []group.LeafIndex
	Renew  bool // this device's keys
	// Grounds is why it removes, for members who have not seen it: [account.Grounds].
	Grounds []byte
}

// Propose makes a commit durable as pending; the group must have none. Then it
// is to be appended: see [Group.Offer].
func (g *Group) Propose(tx *home.Tx, own devchain.Chain, c Change, box wire.WelcomeBox, now time.Time) error {
	o := group.CommitOptions{Add: c.Add, Remove: c.Remove, Update: c.Renew, AuthenticatedData: c.Grounds}
	if c.Renew || len(c.Remove) > 0 { // what has a path renews the leaf
		o.Leaf = &group.LeafOptions{Extensions: g.me.LeafExtensions(own, account.LeafNumber(g.Number(), now)), Supports: account.Supports()}
	}
	p, err := g.mls.Commit(o)
	if err != nil {
		return fmt.Errorf("change the conversation: %w", err)
	}
	if err := account.CheckReplaced(ident.RoomID(g.Rec.Room), p.Removed(), p.Added()); err != nil { // as the others will
		p.Discard()
		return err
	}
	rec := &wire.PendingRecord{}
	if rec.Commit, err = g.env.Seal(envelope.Handshake, p.Commit()); err != nil {
		return err
	}
	box.Welcome = p.Welcome()
	for _, k := range c.Add {
		w, err := welcome(k, &box)
		if err != nil {
			return err
		}
		rec.Welcomes = append(rec.Welcomes, w)
	}
	for _, m := range g.Members {
		if m.Device != g.me.Device && !slices.Contains(c.Remove, m.Leaf) {
			rec.Targets = append(rec.Targets, wire.Target{Device: m.Device[:], Token: m.Token})
		}
	}
	g.pending, g.Rec.Pending = p, rec
	tx.PutBytes(g.home.Key(home.Pending, g.ID), p.State().Reveal())
	g.Save(tx)
	return nil
}

// welcome seals a Welcome to a device that joins.
func welcome(k *group.KeyPackage, box *wire.WelcomeBox) (w wire.Welcome, err error) {
	m, err := account.ReadMember(k.Leaf())
	if err != nil {
		return w, err
	}
	b, err := envelope.SealBox(m.Keys.Box, (&wire.Box{Body: box}).Append(nil))
	if err != nil {
		return w, err
	}
	return wire.Welcome{Target: &wire.Target{Device: m.Device[:], Token: m.Token}, Envelope: b}, nil
}

func (g *Group) dropPending(tx *home.Tx) {
	if g.pending == nil {
		return
	}
	g.pending.Discard()
	g.pending, g.Rec.Pending = nil, nil
	tx.Delete(g.home.Key(home.Pending, g.ID))
}

// Offer returns the request that offers the pending commit to the log, nil if
// there is none. The log decides; asking again after a crash or a lost answer
// is safe, because the log then shows these very bytes.
func (g *Group) Offer() *wire.AppendEpoch {
	if g.pending == nil {
		return nil
	}
	p := g.Rec.Pending
	return &wire.AppendEpoch{Handle: g.Handle(), After: g.Rec.Skipped, Commit: p.Commit, Targets: p.Targets, Welcomes: p.Welcomes}
}

// Offers reports whether the pending commit is the one of a request.
func (g *Group) Offers(req *wire.AppendEpoch) bool {
	return g.pending != nil && bytes.Equal(req.Commit, g.Rec.Pending.Commit)
}

// Handle names the present epoch's log.
func (g *Group) Handle() []byte { return bytes.Clone(g.env.Handle[:]) }

// Moved is what became of a group by an entry of its log.
type Moved struct {
	// Epoch tells that the group is in another epoch.
	Epoch bool
	// Added and Removed are the devices that came and went, Back those that were
	// brought back by By.
	Added, Removed, Back []account.Member
	By                   account.Member
	// Shown are the chains that came along: of all whose leaves are new, and those
	// for which leaves were removed.
	Shown []devchain.Chain
	// Own is the new leaf of this device, with ErrReplaced.
	Own group.Member
	// Lost is why the group is given up, or nil.
	Lost error
}

// Events are what the owner is told of it, which in the home group is nothing; by
// is who made the commit.
func (m *Moved) Events(room account.Room, by string) (out []*wire.DeviceEvent) {
	if room.Home() {
		return nil
	}
	tell := func(list []account.Member, ev wire.DeviceEvent) {
		for i := range list {
			one := ev
			one.Room, one.Account, one.Device = room.ID[:], list[i].Account[:], list[i].Device[:]
			out = append(out, &one)
		}
	}
	tell(m.Added, wire.DeviceEvent{})
	tell(m.Removed, wire.DeviceEvent{Removed: true})
	tell(m.Back, wire.DeviceEvent{Through: by})
	return out
}

func (m *Moved) tell(st *group.Staged, began bool) {
	read := func(list []group.Member) (out []account.Member) {
		for _, l := range list {
			if x, err := account.ReadMember(l); err == nil {
				out = append(out, x)
			}
		}
		return out
	}
	if !began {
		m.Added, m.Removed = read(st.Added()), read(st.Removed())
	}
	m.By, _ = account.ReadMember(st.Sender())
	m.Added = slices.DeleteFunc(m.Added, func(x account.Member) bool {
		at := slices.IndexFunc(m.Removed, func(y account.Member) bool { return y.Device == x.Device })
		if at >= 0 {
			m.Back, m.Removed = append(m.Back, x), slices.Delete(m.Removed, at, at+1)
		}
		return at >= 0
	})
	shown := read(st.Added())
	for _, u := range st.Updated() {
		shown = append(shown, read([]group.Member{u.After})...)
	}
	for _, x := range shown {
		m.Shown = append(m.Shown, x.Chain)
	}
}

// Confirm takes the group into the epoch of its pending commit, which won just
// now.
func (g *Group) Confirm(tx *home.Tx, now time.Time) (Moved, error) { return g.confirm(tx, now, now) }

// confirm is Confirm for a commit that was appended at a time or later.
func (g *Group) confirm(tx *home.Tx, at, now time.Time) (m Moved, err error) {
	p := g.pending
	m.tell(p.Staged, !g.Rec.Open)
	before, _ := g.mls.Member(g.mls.Self())
	if err := g.advance(tx, func() (*group.PastEpoch, error) { return g.mls.Confirm(p) }); err != nil {
		return m, err
	}
	g.begins(ident.DeviceID{}, at)
	g.adds(m, at, now)
	m.Epoch, g.Rec.SureAt = true, now.UnixMilli()
	if after, _ := g.mls.Member(g.mls.Self()); !bytes.Equal(before.EncryptionKey, after.EncryptionKey) {
		g.Rec.PathAt = now.UnixMilli() // a commit that only adds renews no key
	}
	g.Save(tx)
	return m, nil
}

// Follow applies what the epoch's log holds: the winner is the first entry that
// is valid under MLS and the room's rules, by the group's state and the entry's
// bytes alone, so that every member comes to the same answer.
func (g *Group) Follow(tx *home.Tx, log *wire.EpochLog, now time.Time) (m Moved, err error) {
	if log.Over {
		return g.lose(tx, ErrOver, now), nil
	}
	if log.From != g.Rec.Skipped {
		return m, nil // an answer to an older question
	}
	for _, entry := range log.Entries {
		if g.pending != nil && bytes.Equal(entry, g.Rec.Pending.Commit) {
			// The answer was lost, or the relay could not say what became of the
			// append: then no mailbox has the Welcomes (docs/spec/relay.md, Epoch
			// log). To send them again harms nobody.
			g.Rec.Unsent = append(g.Rec.Unsent, g.Rec.Pending.Welcomes...)
			return g.confirm(tx, g.since(now), now)
		}
		st, err := g.stage(entry)
		switch {
		case errors.Is(err, group.ErrOwnPath), errors.Is(err, group.ErrOwn):
			// The others go on with it; skipping it would part the room.
			return g.lose(tx, ErrOwnPath, now), nil
		case err != nil:
			g.Rec.Skipped++ // garbage blocks nothing
			g.Save(tx)
			continue
		}
		return g.merge(tx, st, now)
	}
	if trust.Over(time.UnixMilli(g.Rec.SureAt), now) {
		return g.lose(tx, ErrOver, now), nil
	}
	return m, nil
}

// Lapse gives the group up if its epoch can't be believed in any more, whatever a
// log says: the relay forgets which logs were used (ADR 12).
func (g *Group) Lapse(tx *home.Tx, now time.Time) (m Moved) {
	if !g.Rec.Over && trust.Over(time.UnixMilli(g.Rec.SureAt), now) {
		m = g.lose(tx, ErrOver, now)
	}
	return m
}

// ReadDaily has the log read where that was not done for a day (ADR 13). It
// reports whether it changed anything.
func (g *Group) ReadDaily(now time.Time) bool {
	if g.Rec.Over || g.Rec.ReadLog || !trust.Due(time.UnixMilli(g.Rec.SureAt), now) {
		return false
	}
	g.Rec.ReadLog = true
	return true
}

// Blocked reports whether the log has entries and none is valid: the handle is
// used, and will be over though no epoch followed, unless somebody commits
// (ADR 13).
func (g *Group) Blocked() bool { return g.Rec.Skipped > 0 && g.pending == nil && g.Usable() }

// since is the earliest time at which a commit can have been appended that the
// log shows now: it was not there when the log was last read to its end, and the
// relay keeps no entry for longer than its retention.
func (g *Group) since(now time.Time) time.Time {
	at := time.UnixMilli(g.Rec.SureAt)
	if !g.hint.IsZero() && g.hint.After(at) {
		at = g.hint
	}
	if oldest := now.Add(-trust.Retention); at.Before(oldest) {
		return oldest
	}
	return at
}

// Again has the epoch's log read from its beginning: a server that lied about it
// may tell the truth now. What is skipped again was garbage.
func (g *Group) Again() { g.Rec.ReadLog, g.Rec.Skipped = true, 0 }

// Sure notes that the log is read to its end. ReadLog is the mark of ADR 12 too:
// the transaction that takes a gap's notice sets it, and nothing is sent in the
// group before it is cleared, here alone.
func (g *Group) Sure(now time.Time) { g.Rec.ReadLog, g.Rec.SureAt = false, now.UnixMilli() }

// Welcomed notes that the relay has answered for the first n of the Welcomes
// that were sent again.
func (g *Group) Welcomed(n int) {
	g.Rec.Unsent = slices.Delete(g.Rec.Unsent, 0, min(n, len(g.Rec.Unsent)))
}

// stage checks somebody's commit, changing nothing.
func (g *Group) stage(entry []byte) (*group.Staged, error) {
	msg, err := g.env.Open(entry)
	if err != nil {
		return nil, err
	}
	st, err := g.mls.Stage(msg, group.StageOptions{})
	if err != nil {
		return nil, err
	}
	err = account.CheckReplaced(ident.RoomID(g.Rec.Room), st.Removed(), st.Added())
	// What a room is never changes (docs/spec/content.md).
	if _, replaced := st.GroupExtensions(); replaced {
		err = fmt.Errorf("%w: it changes what the room is", account.ErrLeaf)
	}
	if err != nil {
		st.Drop()
		return nil, err
	}
	return st, nil
}

// merge takes the group into the epoch of somebody's commit. A pending commit
// of this device has lost then; if what it was for is still needed, it is made
// anew.
func (g *Group) merge(tx *home.Tx, st *group.Staged, now time.Time) (m Moved, err error) {
	m.tell(st, !g.Rec.Open)
	if room, err := account.ReadRoom(g.mls.Extensions()); err == nil {
		m.Shown = append(m.Shown, account.ReadGrounds(st.AuthenticatedData(), room)...)
	}
	if st.SelfRemoved() {
		why, lost := ErrRemoved, Moved{Removed: m.Removed, Shown: m.Shown}
		for _, l := range st.Added() {
			if bytes.Equal(l.Identity, g.me.Identity()) {
				why, lost.Own = ErrReplaced, l
			}
		}
		lost.Lost = g.lose(tx, why, now).Lost
		return lost, nil
	}
	at := g.since(now)
	if err := g.advance(tx, func() (*group.PastEpoch, error) { return g.mls.Merge(st) }); err != nil {
		return m, err
	}
	g.begins(m.By.Device, at)
	g.Rec.Follows = trust.Members(g.Rec.Follows).Opens(m.By.Device, now) // it lives
	g.adds(m, at, now)
	m.Epoch, g.Rec.ReadLog = true, true // there may be more
	g.Rec.SureAt = now.UnixMilli()
	g.Save(tx)
	return m, nil
}

// adds notes that devices were added, by a commit of no earlier than at.
func (g *Group) adds(m Moved, at, now time.Time) {
	var devices []ident.DeviceID
	for _, x := range slices.Concat(m.Added, m.Back) {
		devices = append(devices, x.Device)
	}
	g.Rec.Follows = trust.Members(g.Rec.Follows).Adds(devices, at, now)
}

// lose gives the group up.
func (g *Group) lose(tx *home.Tx, why error, now time.Time) Moved {
	g.dropPending(tx)
	if g.Rec.Unsent = nil; g.Rec.LeftAt == 0 {
		g.Rec.LeftAt = now.UnixMilli()
	}
	g.Rec.Over, g.Rec.ReadLog, g.Rec.Removed = true, false, errors.Is(why, ErrRemoved)
	g.Save(tx)
	return Moved{Lost: why}
}
