package client

import (
	"bytes"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/again"
	"github.com/byre-messenger/byre/internal/client/drawn"
	"github.com/byre-messenger/byre/internal/client/groups"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/ident"
	order "github.com/byre-messenger/byre/internal/room"
	"github.com/byre-messenger/byre/internal/wire"
)

// talk is one conversation: its order, its groups, and what waits to be sent.
type talk struct {
	account.Room

	// disappear is how many seconds messages stay once they were read, 0: for good.
	disappear uint64

	order  order.Room
	next   uint64          // position of the next message in the history
	drawn  drawn.By        // what others had sent again
	groups []*groupState   // the one to send in first
	outbox []*outbox.Entry // in the order of their numbers

	checked  *session  // in which the groups' members were held against the chains
	since    time.Time // of checked
	settled  *session  // in which a gap told by the relay took its effect
	offering bool      // receipts will be offered in a moment
	pause    again.Pause
}

// talkOf returns the conversation of a room, which it begins if there is none.
func (tx *txn) talkOf(r account.Room) *talk {
	t, ok := tx.talks[r.ID]
	if !ok {
		t = &talk{Room: r}
		tx.talks[r.ID] = t
		tx.talked[t] = true
	}
	return t
}

// record is what the home keeps of the conversation.
func (t *talk) record() *wire.RoomRecord {
	rec := t.Record()
	rec.NextPosition, rec.Sequence, rec.Disappear, rec.Drawn = t.next, t.order.Record(), t.disappear, t.drawn
	for _, g := range t.groups {
		rec.Groups = append(rec.Groups, g.ID)
	}
	return rec
}

// adopt adds a group. Of several everybody sends in the one with the lowest id
// (docs/spec/content.md).
func (t *talk) adopt(g *groupState) {
	g.talk = t
	t.groups = append(t.groups, g)
	slices.SortFunc(t.groups, func(a, b *groupState) int { return bytes.Compare(a.ID, b.ID) })
}

// sending returns the group to send in, nil if there is none.
func (t *talk) sending() *groupState { return groups.Sending(t.groups) }

// passed is the last number of this device's messages that whoever comes now is
// not sent: what waits goes to new devices too.
func (t *talk) passed() uint64 {
	if len(t.outbox) > 0 {
		return t.outbox[0].Seq - 1
	}
	return t.order.Sent()
}

// broken reports whether this device lost its last group by being away: it asks
// to be brought back, or begins another one, so that what others say reaches it.
func (t *talk) broken() bool { _, lost := groups.Lost(t.groups); return lost }

// mute reports whether the others can write to this device's request box alone:
// it was added by a key package for strangers.
func (t *talk) mute() bool {
	g := t.sending()
	return g != nil && g.Mute()
}

// happen applies an event to the order of a conversation and carries out what
// follows. came is the message that the event is about, or nil.
func (tx *txn) happen(t *talk, ev order.Event, came *wire.MessageRecord) error {
	next, effects, err := t.order.Apply(ev)
	if err != nil {
		return err
	}
	t.order = next
	tx.talked[t] = true
	r := &teller{tx: tx, talk: t, came: came}
	for _, e := range effects {
		if err := e.Run(r); err != nil {
			return err
		}
	}
	return nil
}

// teller carries out the effects of a conversation's order.
type teller struct {
	tx   *txn
	talk *talk
	came *wire.MessageRecord
	seq  uint64 // what Assign gave
}

func (r *teller) early(d ident.DeviceID, seq uint64) home.Key {
	return r.tx.home.Key(home.Early, r.talk.ID[:], d[:]).At(seq)
}

// Assign implements [order.Runner].
func (r *teller) Assign(e order.Assign) error { r.seq = e.Seq; return nil }

// Hold implements [order.Runner].
func (r *teller) Hold(e order.Hold) error {
	r.tx.Put(r.early(e.Device, e.Seq), r.came)
	return nil
}

// Show implements [order.Runner].
func (r *teller) Show(e order.Show) error {
	rec := r.came
	if e.Held {
		rec = &wire.MessageRecord{}
		k := r.early(e.Device, e.Seq)
		if ok, err := r.tx.Get(r.tx.ctx, k, rec); err != nil || !ok {
			return err // not ok: it was a double of one shown before
		}
		r.tx.Delete(k)
	}
	if e.Healed {
		r.tx.tell(&wire.ExpiredEvent{Room: r.talk.ID[:], Account: rec.Account, Count: 1, From: rec.ReadAt, To: rec.ReadAt, Healed: true})
	}
	return r.tx.show(r.talk, rec, e.Device, e.Seq)
}

// Double implements [order.Runner].
func (r *teller) Double(e order.Double) error { return r.tx.show(r.talk, r.came, e.Device, e.Seq) }

// Lose implements [order.Runner].
func (r *teller) Lose(e order.Lose) error {
	ev := &wire.ExpiredEvent{Room: r.talk.ID[:], Count: e.Span.Count(), From: e.Since.UnixMilli(), To: e.Until.UnixMilli()}
	if a, ok := r.tx.accountOf(r.talk, e.Device); ok {
		ev.Account = a[:]
	}
	r.tx.tell(ev)
	return nil
}

// Read implements [order.Runner].
func (r *teller) Read(e order.Read) error {
	if e.Seen {
		return r.tx.shown(r.talk, e.Device, e.Span)
	}
	return r.tx.delivered(r.talk, e.Device, e.Span)
}

// accountOf finds whose a device is, in the groups of a conversation.
func (tx *txn) accountOf(t *talk, d ident.DeviceID) (ident.AccountID, bool) {
	return groups.Owner(t.groups, d)
}
