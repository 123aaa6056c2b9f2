package past

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Archive is a device's history during one step of it. What is written by it becomes
// durable behind the step, all or nothing.
type Archive struct {
	Ctx  context.Context //nolint:containedctx // of the step, which it does not outlive
	Tx   *home.Tx
	Home *home.Home
	Me   ident.AccountID
	Now  time.Time

	// Known finds a conversation by a name or an id; one without accounts is none.
	Known func(to string) account.Room
	// Begin begins a conversation that is not there, in which messages stay for so
	// many seconds.
	Begin func(r account.Room, disappear uint64)
	// Heal is [Heal] in a conversation.
	Heal func(room ident.RoomID, rec *wire.MessageRecord, by ident.DeviceID, seq uint64) (bool, error)
	// Pin holds an account to its chain and its name.
	Pin func(name ident.Name, chain devchain.Chain) error
	// Show makes of a record what callers see.
	Show func(rec *wire.MessageRecord, c *wire.Content) (told.Message, error)
}

// Merge is [Merge] of a chunk, whose conversation is begun where it is not there.
func (a Archive) Merge(c *wire.PastChunk, disappear uint64) (added int, err error) {
	r, err := RoomOf(c, a.Me)
	if err != nil {
		return 0, err
	}
	a.Begin(r, min(disappear, uint64(deeds.MaxDisappear/time.Second)))
	return Merge(a.Ctx, a.Tx, a.Home, Room{Room: r}, c.Records, func(rec *wire.MessageRecord, by ident.DeviceID, seq uint64) (bool, error) {
		return a.Heal(r.ID, rec, by, seq)
	})
}

// Person pins somebody whom the owner knew under a name.
func (a Archive) Person(chain devchain.Chain, name string) error {
	n, err := ident.ParseName(name)
	if err != nil {
		return nil //nolint:nilerr // nobody by name: who writes is pinned anyhow
	}
	return a.Pin(n, chain)
}

// Older returns at most limit messages of a conversation that others handed on, from
// the newest to the oldest, and from where to ask for more; from is 0 at first, and
// nothing says that there are no more. All of them stand before what this device
// received itself, and have the position 0.
func (a Archive) Older(to string, from uint64, limit int) (list []told.Message, next uint64, err error) {
	r := a.Known(to)
	if len(r.Accounts) == 0 {
		return nil, 0, fmt.Errorf("%w: %s", why.ErrUnknownRoom, to)
	}
	next = max(from, Floor)
	for it, err := range a.Home.From(a.Ctx, a.Home.Key(home.Message, r.ID[:]), next, limit) {
		if err != nil {
			return nil, 0, err
		}
		var rec wire.MessageRecord
		var c wire.Content
		if err := errors.Join(rec.Parse(it.Record), c.Parse(rec.Content)); err != nil {
			return nil, 0, errors.Join(home.ErrDamaged, err)
		}
		m, err := a.Show(&rec, &c)
		if err != nil {
			return nil, 0, err
		}
		if next = it.N + 1; !m.Deleted || m.Everywhere {
			list = append(list, m)
		}
	}
	return list, next, nil
}

// Before puts what others handed on, since a time, before a list of messages.
func (a Archive) Before(to string, since time.Time, list []told.Message) ([]told.Message, error) {
	older, _, err := a.Older(to, 0, 0)
	slices.Reverse(older)
	older = slices.DeleteFunc(older, func(m told.Message) bool { return m.ReadAt.Before(since) })
	return append(older, list...), err
}

// Positions are those of all messages of a conversation.
func (a Archive) Positions(r account.Room, next uint64) iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		for it, err := range a.Home.From(a.Ctx, a.Home.Key(home.Message, r.ID[:]), Floor, 0) {
			if !yield(it.N, err) || err != nil {
				return
			}
		}
		for at := range next {
			if !yield(at, nil) {
				return
			}
		}
	}
}

// Bury is [Bury] for what a member asked to delete, in a conversation of the step.
func (a Archive) Bury(r account.Room, by account.Member, id []byte) error {
	m, err := ident.MessageIDFrom(id)
	if err != nil {
		return nil //nolint:nilerr // garbage of a member
	}
	return Bury(a.Ctx, a.Tx, a.Home, Room{Room: r}, by.Account, by.Device, m, a.Now)
}
