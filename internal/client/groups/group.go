// Package groups is the MLS groups of one device with all that byre puts around
// them: the keys of their envelopes, the epochs just left behind, the commit
// that may stand in the epoch's log, and the rule by which that log decides.
// It writes to the home and does no other I/O.
package groups

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/trust"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

const (
	// keptEpochs is how many past epochs can still be read, and keptFor how
	// long, in connected time (DESIGN 4).
	keptEpochs = 2
	keptFor    = 10 * time.Minute
	// renewAfter is when this device renews its keys at its next message, in
	// groups of at most renewSize leaves.
	renewAfter = 24 * time.Hour
	renewSize  = 32
)

// Group is one MLS group of this device. It has one owner, who calls Save in
// the transaction that follows a change.
type Group struct {
	ID []byte
	// Rec is what the home keeps of it beside its states.
	Rec wire.GroupRecord
	// Members are those of the present epoch, checked.
	Members []account.Member
	// By is who made the Welcome that this device has just joined by.
	By account.Member

	home    *home.Home
	me      *account.Me
	mls     *group.Group
	env     *envelope.Epoch
	past    []past // the newest first, beside Rec.Past
	pending *group.Pending
	hint    time.Time // when the first commit of the epoch came by fan-out
}

// past is an epoch left behind.
type past struct {
	mls *group.PastEpoch
	env *envelope.Epoch
}

// Device is what every group of a device needs of it.
type Device struct {
	Home *home.Home
	Me   *account.Me
}

// Create begins a group of this device alone in a room.
func (d Device) Create(own devchain.Chain, room account.Room, suite ciphersuite.ID, now time.Time) (*Group, error) {
	m, err := group.Create(group.CreateOptions{
		Suite: suite, Identity: d.Me.Identity(), Signer: d.Me.Leaf,
		LeafExtensions:  d.Me.LeafExtensions(own, account.LeafNumber(0, now)),
		GroupExtensions: room.Extensions(), Supports: account.Supports(),
		NotBefore: now.Add(-account.Backdate), NotAfter: now.Add(account.LeafLife),
		Validator: account.Validate,
	})
	if err != nil {
		return nil, fmt.Errorf("begin a group: %w", err)
	}
	return d.wrap(m, room, now)
}

// Join enters the group of a Welcome with the key package it names (RFC 9420
// 12.4.3.1), and tells which room it is. from judges the member who made the
// Welcome.
func (d Device) Join(welcome []byte, k *group.OwnKeyPackage, from func(account.Member) error, now time.Time) (*Group, account.Room, error) {
	var by account.Member
	m, err := group.Join(welcome, k, group.JoinOptions{Signer: d.Me.Leaf, Validator: account.Validate, From: func(l group.Member) (err error) {
		if by, err = account.ReadMember(l); err != nil {
			return err
		}
		return from(by)
	}})
	if err != nil {
		return nil, account.Room{}, fmt.Errorf("join a group: %w", err)
	}
	room, err := account.ReadRoom(m.Extensions())
	if err != nil {
		return nil, room, err
	}
	g, err := d.wrap(m, room, now)
	if err != nil {
		return nil, room, err
	}
	g.Rec.Open, g.By = true, by
	g.begins(by.Device, now)
	return g, room, nil
}

func (d Device) wrap(m *group.Group, room account.Room, now time.Time) (*Group, error) {
	g := &Group{ID: bytes.Clone(m.ID()), home: d.Home, me: d.Me, mls: m}
	g.Rec = wire.GroupRecord{Id: g.ID, Room: room.ID[:], Epoch: m.Epoch(), PathAt: now.UnixMilli(), SureAt: now.UnixMilli(), JoinedAt: now.UnixMilli()}
	var err error
	if g.env, err = envelope.NewEpoch(m); err != nil {
		return nil, err
	}
	return g, g.index()
}

// index finds the members of the present epoch.
func (g *Group) index() error {
	g.Members = nil
	for l := range g.mls.Members() {
		m, err := account.ReadMember(l)
		if err != nil {
			return err
		}
		g.Members = append(g.Members, m)
	}
	return nil
}

// Suite is the group's cipher suite.
func (g *Group) Suite() ciphersuite.ID { return g.mls.Suite() }

// Unsure reports whether the epoch's log must be read, or a Welcome be sent
// again, before anything is sent.
func (g *Group) Unsure() bool {
	return g.Rec.ReadLog || g.pending != nil || len(g.Rec.Unsent) > 0
}

// Usable reports whether the group can be sent in, now or after its log was
// read.
func (g *Group) Usable() bool { return g.Rec.Open && !g.Rec.Over && !g.Rec.Replaced }

// RenewalDue reports whether this device should renew its keys.
func (g *Group) RenewalDue(now time.Time) bool {
	return len(g.Members) <= renewSize && now.Sub(time.UnixMilli(g.Rec.PathAt)) >= renewAfter
}

// Deaf reports whether a member may be unable to read what is sent in the group
// now: see [trust.Members.Deaf]. Whoever can't follow can't say so, and what is
// sent in the group is lost on it.
func (g *Group) Deaf(now time.Time) bool { return trust.Members(g.Rec.Follows).Deaf(now) }

// Left notes that the group is sent in no more.
func (g *Group) Left(now time.Time) {
	if g.Rec.Replaced = true; g.Rec.LeftAt == 0 {
		g.Rec.LeftAt = now.UnixMilli()
	}
}

// Past reports whether nobody can say anything in the group any more that this
// device has to read.
func (g *Group) Past(now time.Time) bool {
	return g.Rec.LeftAt != 0 && now.Sub(time.UnixMilli(g.Rec.LeftAt)) >= trust.Left
}

// Mute reports whether this device's own leaf has no delivery token.
func (g *Group) Mute() bool {
	return slices.ContainsFunc(g.Members, func(m account.Member) bool { return m.Device == g.me.Device && len(m.Token) == 0 })
}

// Active is when a device was last heard in the group, or added to it.
func (g *Group) Active(d ident.DeviceID) time.Time { return trust.Members(g.Rec.Follows).Active(d) }

// Number is that of this device's own leaf.
func (g *Group) Number() uint64 {
	if i := slices.IndexFunc(g.Members, func(m account.Member) bool { return m.Device == g.me.Device }); i >= 0 {
		return g.Members[i].Number
	}
	return 0
}

// heard notes that a member said something, which was opened a while later.
func (g *Group) heard(m account.Member, sent, opened time.Time, present bool) {
	g.Rec.Follows = trust.Members(g.Rec.Follows).Hears(m.Device, sent, present).Opens(m.Device, opened)
	if string(g.Rec.Through) != string(m.Account[:]) {
		g.Rec.Through = nil // a second person is there
	}
}

// begins notes that the present epoch began at a time, or later, by what a member
// did; the zero id is this device.
func (g *Group) begins(by ident.DeviceID, at time.Time) {
	g.Rec.Follows = trust.Members(g.Rec.Follows).Begins(by, at, g.Others())
}

// Before tells the members where the numbers of this device stood when it came
// into the group, as long as one of them has confirmed nothing behind that: one
// that never heard this device before would count what was not for it as missing.
func (g *Group) Before(readBy func(ident.DeviceID) uint64) (r wire.Received) {
	if slices.ContainsFunc(g.Others(), func(d ident.DeviceID) bool { return readBy(d) <= g.Rec.Before }) {
		r = wire.Received{Device: g.me.Device[:], UpTo: g.Rec.Before}
	}
	return r
}

// Others are the devices of the members but this one.
func (g *Group) Others() (out []ident.DeviceID) {
	for _, m := range g.Members {
		if m.Device != g.me.Device {
			out = append(out, m.Device)
		}
	}
	return out
}

// Unlisted are the leaves of others that a device list does not name.
func (g *Group) Unlisted(listed func(account.Member) bool) (out []group.LeafIndex) {
	for _, m := range g.Members {
		if m.Device != g.me.Device && !listed(m) {
			out = append(out, m.Leaf)
		}
	}
	return out
}

// Has reports whether a device is a member.
func (g *Group) Has(d ident.DeviceID) bool {
	return slices.ContainsFunc(g.Members, func(m account.Member) bool { return m.Device == d })
}

// HasOther reports whether somebody is a member to whom something can be said:
// somebody else's device, or in the home group another one of the own account.
func (g *Group) HasOther() bool {
	home := ident.RoomID(g.Rec.Room) == account.Home(g.me.Account).ID
	return slices.ContainsFunc(g.Members, func(m account.Member) bool {
		return m.Account != g.me.Account || home && m.Device != g.me.Device
	})
}

// Begin writes a new group to the home.
func (g *Group) Begin(tx *home.Tx) {
	g.keepEpoch(tx)
	g.Save(tx)
}

func (g *Group) keepEpoch(tx *home.Tx) {
	tx.PutBytes(g.home.Key(home.EpochState, g.ID).At(g.Rec.Epoch), g.mls.EpochState().Reveal())
}

// Save writes what changes with every message.
func (g *Group) Save(tx *home.Tx) {
	tx.PutBytes(g.home.Key(home.Ratchet, g.ID).At(g.Rec.Epoch), g.mls.RatchetState().Reveal())
	tx.Put(g.home.Key(home.Group, g.ID), &g.Rec)
}

// advance takes the group into the next epoch by merge, which leaves the
// present one behind.
func (g *Group) advance(tx *home.Tx, merge func() (*group.PastEpoch, error)) error {
	left, env := g.Rec.Epoch, g.env
	behind, err := merge()
	if err != nil {
		return err
	}
	if g.env, err = envelope.NewEpoch(g.mls); err != nil {
		return err
	}
	if err := g.index(); err != nil {
		return err
	}
	tx.PutBytes(g.home.Key(home.EpochState, g.ID).At(left), behind.EpochState().Reveal())
	tx.PutBytes(g.home.Key(home.Ratchet, g.ID).At(left), behind.RatchetState().Reveal())
	g.past = slices.Insert(g.past, 0, past{behind, env})
	g.Rec.Past = slices.Insert(g.Rec.Past, 0, wire.PastRecord{Epoch: left})
	for len(g.past) > keptEpochs {
		g.forget(tx, len(g.past)-1)
	}
	g.Rec.Epoch, g.Rec.Skipped, g.Rec.Open = g.mls.Epoch(), 0, true
	g.hint = time.Time{}
	g.dropPending(tx)
	g.keepEpoch(tx)
	return nil
}

// Erase removes the group from the home.
func (g *Group) Erase(tx *home.Tx) {
	for len(g.past) > 0 {
		g.forget(tx, 0)
	}
	g.dropPending(tx)
	tx.Delete(g.home.Key(home.EpochState, g.ID).At(g.Rec.Epoch))
	tx.Delete(g.home.Key(home.Ratchet, g.ID).At(g.Rec.Epoch))
	tx.Delete(g.home.Key(home.Group, g.ID))
}

// forget erases a past epoch.
func (g *Group) forget(tx *home.Tx, i int) {
	n := g.Rec.Past[i].Epoch
	g.past[i].mls.Wipe()
	g.past = slices.Delete(g.past, i, i+1)
	g.Rec.Past = slices.Delete(g.Rec.Past, i, i+1)
	tx.Delete(g.home.Key(home.EpochState, g.ID).At(n))
	tx.Delete(g.home.Key(home.Ratchet, g.ID).At(n))
}

// Age counts connected time and erases past epochs that had enough of it. It
// reports whether anything changed.
func (g *Group) Age(tx *home.Tx, d time.Duration) bool {
	changed := len(g.past) > 0
	for i := len(g.past) - 1; i >= 0; i-- {
		g.Rec.Past[i].ConnectedMs += uint64(d.Milliseconds())                     //nolint:gosec // not negative
		if time.Duration(g.Rec.Past[i].ConnectedMs)*time.Millisecond >= keptFor { //nolint:gosec // minutes
			g.forget(tx, i)
		}
	}
	return changed
}

// Load restores a group with its past epochs and its pending commit.
func (d Device) Load(ctx context.Context, rec wire.GroupRecord) (*Group, error) {
	g := &Group{ID: rec.Id, Rec: rec, home: d.Home, me: d.Me}
	epoch, ratchet, err := g.states(ctx, rec.Epoch)
	if err != nil {
		return nil, err
	}
	if g.mls, err = group.Restore(epoch, ratchet, group.RestoreOptions{Signer: d.Me.Leaf, Validator: account.Validate}); err != nil {
		return nil, fmt.Errorf("%w: %w", home.ErrDamaged, err)
	}
	if g.env, err = envelope.NewEpoch(g.mls); err != nil {
		return nil, err
	}
	for _, p := range rec.Past {
		epoch, ratchet, err := g.states(ctx, p.Epoch)
		if err != nil {
			return nil, err
		}
		var b past
		if b.mls, err = group.RestorePast(epoch, ratchet); err != nil {
			return nil, fmt.Errorf("%w: %w", home.ErrDamaged, err)
		}
		if b.env, err = envelope.NewEpoch(b.mls); err != nil {
			return nil, err
		}
		g.past = append(g.past, b)
	}
	if err := g.index(); err != nil {
		return nil, err
	}
	for _, d := range g.Others() { // a group of before this list was kept
		if !slices.ContainsFunc(g.Rec.Follows, func(f wire.FollowRecord) bool { return bytes.Equal(f.Device, d[:]) }) {
			g.Rec.Follows = append(g.Rec.Follows, wire.FollowRecord{Device: d[:], HeardAt: rec.SureAt})
		}
	}
	if rec.Pending != nil {
		state, ok, err := g.home.GetBytes(ctx, g.home.Key(home.Pending, g.ID))
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("%w: a pending commit is missing", home.ErrDamaged)
		}
		if g.pending, err = group.RestorePending(secret.New(state)); err != nil {
			return nil, fmt.Errorf("%w: %w", home.ErrDamaged, err)
		}
	}
	return g, nil
}

// states reads the two states of an epoch.
func (g *Group) states(ctx context.Context, n uint64) (epoch, ratchet secret.Bytes, err error) {
	a, okA, err := g.home.GetBytes(ctx, g.home.Key(home.EpochState, g.ID).At(n))
	if err != nil {
		return epoch, ratchet, err
	}
	b, okB, err := g.home.GetBytes(ctx, g.home.Key(home.Ratchet, g.ID).At(n))
	if err != nil {
		return epoch, ratchet, err
	}
	if !okA || !okB {
		return epoch, ratchet, fmt.Errorf("%w: the keys of an epoch are missing", home.ErrDamaged)
	}
	return secret.New(a), secret.New(b), nil
}
