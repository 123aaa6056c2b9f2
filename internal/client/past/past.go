// Package past is the history that a device did not receive itself: how messages
// leave a home as records, and how such records enter another home of the same
// account, from another device or from a file. It takes and gives records and does
// no other I/O than that of the home. Specification: docs/spec/past.md.
package past

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// Floor is the lowest position of what others handed on. What stands there has
	// the position ^place: the newest first, and all of it above what this device
	// numbers itself from 0 on.
	Floor = 1 << 63
	// slots is how many places a millisecond has.
	slots = 1 << 20
	// lastMs is the highest time that a place has: in the year 2248.
	lastMs = 1<<43 - 1
	// window is how many records are read at once.
	window = 64
)

// Room is a conversation and what a taking has to know of it.
type Room struct {
	account.Room

	// Next is the position of the next message that this device receives.
	Next uint64
	// Disappear is how many seconds messages stay once they were read, 0: for good.
	Disappear uint64
}

// Rooms returns the conversations of a home, by their ids. An account's own home
// group is none.
func Rooms(ctx context.Context, h *home.Home) (out []Room, err error) {
	for it, err := range h.All(ctx, home.Room) {
		if err != nil {
			return nil, err
		}
		var rec wire.RoomRecord
		if err := rec.Parse(it.Record); err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		if rec.Kind != wire.RoomDirect {
			continue
		}
		r, err := account.RoomFrom(&rec)
		if err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		out = append(out, Room{Room: r, Next: rec.NextPosition, Disappear: rec.Disappear})
	}
	slices.SortFunc(out, func(a, b Room) int { return strings.Compare(string(a.ID[:]), string(b.ID[:])) })
	return out, nil
}

// chunk is one without records.
func (r Room) chunk() *wire.PastChunk {
	rec := r.Record()
	return &wire.PastChunk{Room: rec.Id, Kind: rec.Kind, Accounts: rec.Accounts}
}

// RoomOf reads which conversation a chunk is of, for the owner of a home.
func RoomOf(c *wire.PastChunk, me ident.AccountID) (account.Room, error) {
	r, err := account.RoomFrom(&wire.RoomRecord{Id: c.Room, Kind: c.Kind, Accounts: c.Accounts})
	if err == nil && (r.Kind != wire.RoomDirect || len(r.Accounts) != 2 || !r.Has(me) || account.Direct(r.Accounts[0], r.Accounts[1]).ID != r.ID) {
		err = errRoom
	}
	return r, err
}

// errRoom says that a record is of no conversation of this account.
var errRoom = errors.New("history of a conversation that this account can't have")

// base is the place of a record by the time at which it was durable (unix
// milliseconds).
func base(readAt int64) uint64 { return uint64(min(max(readAt, 1), lastMs)) * slots }

// timeOf is the time that a place stands for.
func timeOf(place uint64) int64 { return int64(place / slots) } //nolint:gosec // below 2^43

// recordOf turns what stands at a position into a record to hand on. Left out is
// what was deleted, what disappears (its time runs where it was read, and nowhere
// else), what is about another message and stands with that, and what this byre
// does not know, since nobody can tell whether it disappears.
func recordOf(it home.Item, now time.Time) (*wire.PastMessage, bool, error) {
	var m wire.MessageRecord
	var c wire.Content
	if err := errors.Join(m.Parse(it.Record), c.Parse(m.Content)); err != nil {
		return nil, false, errors.Join(home.ErrDamaged, err)
	}
	if _, text := c.Body.(*wire.Text); !text || m.Gone != wire.GoneNot || m.Key != 0 || deeds.Disappears(&c) > 0 {
		return nil, false, nil
	}
	rec := &wire.PastMessage{
		Account: m.Account, Device: m.Device, Content: m.Content, Place: base(m.ReadAt),
		State: &wire.PastState{EditedAt: m.EditedAt, Reactions: m.Reactions, AsOf: now.UnixMilli(), Stored: m.Stored, WaitedMs: m.WaitedMs},
	}
	if it.N >= Floor {
		rec.Place, rec.State.AsOf = m.Place, m.AsOf
	}
	return rec, true, nil
}

func read(ctx context.Context, h *home.Home, id ident.RoomID, from uint64, limit int) (out []home.Item, err error) {
	for it, err := range h.From(ctx, h.Key(home.Message, id[:]), from, limit) {
		if err != nil {
			return nil, err
		}
		out = append(out, it)
	}
	return out, nil
}
