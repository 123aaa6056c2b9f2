package client

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
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
	// maxGroups bounds the groups of one conversation: two may be begun at once,
	// more is somebody's mischief.
	maxGroups = 8
)

// groupState is one MLS group with the keys of its envelopes.
type groupState struct {
	id      []byte
	rec     wire.GroupRecord
	talk    *talk
	mls     *group.Group
	env     *envelope.Epoch
	past    []*pastState // the newest first, beside rec.Past
	pending *group.Pending
	members []account.Member // of the present epoch
	pause   pause
}

// pastState is an epoch left behind.
type pastState struct {
	mls *group.PastEpoch
	env *envelope.Epoch
}

// unsure reports whether the epoch's log must be read before anything is sent.
func (g *groupState) unsure() bool { return g.rec.ReadLog || g.pending != nil }

// index finds the members of the present epoch.
func (g *groupState) index() error {
	g.members = g.members[:0:0]
	for l := range g.mls.Members() {
		m, err := account.ReadMember(l)
		if err != nil {
			return err
		}
		g.members = append(g.members, m)
	}
	return nil
}

// newGroupState wraps a group that was just made or joined.
func newGroupState(m *group.Group, now time.Time) (*groupState, error) {
	g := &groupState{id: bytes.Clone(m.ID()), mls: m}
	g.rec = wire.GroupRecord{Id: g.id, Epoch: m.Epoch(), PathAt: now.UnixMilli()}
	var err error
	if g.env, err = envelope.NewEpoch(m); err != nil {
		return nil, err
	}
	return g, g.index()
}

// keep writes a group's states for the first time, or those of a new epoch.
func (tx *txn) keep(g *groupState) {
	tx.PutBytes(tx.home.Key(home.EpochState, g.id).At(g.rec.Epoch), g.mls.EpochState().Reveal())
	tx.moved[g] = true
}

// advance takes a group into the next epoch by merge, which leaves the present
// one behind.
func (tx *txn) advance(g *groupState, merge func() (*group.PastEpoch, error)) error {
	left, env := g.rec.Epoch, g.env
	past, err := merge()
	if err != nil {
		return err
	}
	if g.env, err = envelope.NewEpoch(g.mls); err != nil {
		return err
	}
	if err := g.index(); err != nil {
		return err
	}
	tx.PutBytes(tx.home.Key(home.EpochState, g.id).At(left), past.EpochState().Reveal())
	tx.PutBytes(tx.home.Key(home.Ratchet, g.id).At(left), past.RatchetState().Reveal())
	g.past = append([]*pastState{{past, env}}, g.past...)
	g.rec.Past = append([]wire.PastRecord{{Epoch: left}}, g.rec.Past...)
	for len(g.past) > keptEpochs {
		tx.forgetPast(g, len(g.past)-1)
	}
	g.rec.Epoch, g.rec.Skipped, g.rec.Open = g.mls.Epoch(), 0, true
	tx.dropPending(g)
	tx.keep(g)
	return nil
}

// forgetPast erases a past epoch.
func (tx *txn) forgetPast(g *groupState, i int) {
	n := g.rec.Past[i].Epoch
	g.past[i].mls.Wipe()
	g.past = append(g.past[:i:i], g.past[i+1:]...)
	g.rec.Past = append(g.rec.Past[:i:i], g.rec.Past[i+1:]...)
	tx.Delete(tx.home.Key(home.EpochState, g.id).At(n))
	tx.Delete(tx.home.Key(home.Ratchet, g.id).At(n))
	tx.moved[g] = true
}

// dropPending forgets a commit of this device that won or lost.
func (tx *txn) dropPending(g *groupState) {
	if g.pending == nil {
		return
	}
	g.pending.Discard()
	g.pending, g.rec.Pending = nil, nil
	tx.Delete(tx.home.Key(home.Pending, g.id))
	tx.moved[g] = true
}

// age counts connected time and erases past epochs that had enough of it.
func (tx *txn) age(d time.Duration) {
	for _, g := range tx.groups {
		for i := len(g.past) - 1; i >= 0; i-- {
			g.rec.Past[i].ConnectedMs += uint64(d.Milliseconds()) //nolint:gosec // not negative
			tx.moved[g] = true
			if g.rec.Past[i].ConnectedMs >= uint64(keptFor.Milliseconds()) { //nolint:gosec // not negative
				tx.forgetPast(g, i)
			}
		}
	}
}

// loadGroup restores a group with its past epochs and its pending commit.
func (e *engine) loadGroup(ctx context.Context, rec wire.GroupRecord) (*groupState, error) {
	g := &groupState{id: rec.Id, rec: rec}
	states := func(n uint64) (epoch, ratchet secret.Bytes, err error) {
		a, okA, err := e.home.GetBytes(ctx, e.home.Key(home.EpochState, g.id).At(n))
		if err != nil {
			return epoch, ratchet, err
		}
		b, okB, err := e.home.GetBytes(ctx, e.home.Key(home.Ratchet, g.id).At(n))
		if err != nil {
			return epoch, ratchet, err
		}
		if !okA || !okB {
			return epoch, ratchet, fmt.Errorf("%w: the keys of an epoch are missing", home.ErrDamaged)
		}
		return secret.New(a), secret.New(b), nil
	}
	epoch, ratchet, err := states(rec.Epoch)
	if err != nil {
		return nil, err
	}
	if g.mls, err = group.Restore(epoch, ratchet, group.RestoreOptions{Signer: e.me.Leaf, Validator: account.Validate}); err != nil {
		return nil, err
	}
	if g.env, err = envelope.NewEpoch(g.mls); err != nil {
		return nil, err
	}
	for _, p := range rec.Past {
		epoch, ratchet, err := states(p.Epoch)
		if err != nil {
			return nil, err
		}
		past := &pastState{}
		if past.mls, err = group.RestorePast(epoch, ratchet); err != nil {
			return nil, err
		}
		if past.env, err = envelope.NewEpoch(past.mls); err != nil {
			return nil, err
		}
		g.past = append(g.past, past)
	}
	if rec.Pending != nil {
		state, ok, err := e.home.GetBytes(ctx, e.home.Key(home.Pending, g.id))
		if err != nil || !ok {
			return nil, fmt.Errorf("%w: a pending commit is missing: %w", home.ErrDamaged, err)
		}
		if g.pending, err = group.RestorePending(secret.New(state)); err != nil {
			return nil, err
		}
	}
	return g, g.index()
}
