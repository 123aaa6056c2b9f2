package past

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Heal takes a message in whose place this device knows a hole: it stood among what
// the device received itself, and was given up. It reports whether there is one.
type Heal func(rec *wire.MessageRecord, by ident.DeviceID, seq uint64) (bool, error)

// Merge adds records to a conversation of the home, which must be there; what they
// hold must not be changed any more. In whatever parts, order and repetition records
// come, the home ends with the same. What this device received itself stays as it is,
// and what was deleted here, or asked to be, stays deleted. What is no history of the
// conversation is left out. It returns how many messages were not there before.
func Merge(ctx context.Context, tx *home.Tx, h *home.Home, r Room, records []wire.PastMessage, heal Heal) (added int, err error) {
	m := merging{ctx, tx, h, r}
	for i := range records {
		x, ok := m.check(&records[i])
		if !ok {
			continue
		}
		fresh, err := m.one(x, heal)
		if err != nil {
			return added, err
		}
		if fresh {
			added++
		}
	}
	return added, nil
}

// Bury notes that a member asked to delete a message that was never here, so that it
// does not come with the history later.
func Bury(ctx context.Context, tx *home.Tx, h *home.Home, r Room, by ident.AccountID, d ident.DeviceID, id ident.MessageID, now time.Time) error {
	m := merging{ctx, tx, h, r}
	if there, err := tx.Get(ctx, h.Key(home.Index, id[:]), &wire.IndexRecord{}); err != nil || there {
		return err
	}
	left := deeds.Tomb(&wire.MessageRecord{Room: r.ID[:], Account: by[:], Device: d[:]}, id[:], 0, wire.GoneHere)
	return m.insert(&entry{rec: left, id: id, device: d}, base(now.UnixMilli()))
}

type merging struct {
	ctx  context.Context
	tx   *home.Tx
	home *home.Home
	room Room
}

// entry is a record of the home with what finds it.
type entry struct {
	rec    *wire.MessageRecord
	id     ident.MessageID
	device ident.DeviceID
	seq    uint64
}

// check turns a record into one of the home, unless it is none of a text that a
// member of the conversation wrote and that stays.
func (m merging) check(rec *wire.PastMessage) (*entry, bool) {
	var c wire.Content
	x, state := &entry{}, cmp.Or(rec.State, &wire.PastState{})
	var errs [4]error
	var by ident.AccountID
	errs[0] = c.Parse(rec.Content)
	x.id, errs[1] = ident.MessageIDFrom(c.Id)
	x.device, errs[2] = ident.DeviceIDFrom(rec.Device)
	by, errs[3] = ident.AccountIDFrom(rec.Account)
	body, text := c.Body.(*wire.Text)
	if errors.Join(errs[:]...) != nil || !m.room.Has(by) || c.Seq == 0 || rec.Place < slots || rec.Place >= Floor ||
		!text || body.Disappear != 0 || body.Text == "" || !utf8.ValidString(body.Text) {
		return nil, false
	}
	x.seq, c.Received = c.Seq, nil
	x.rec = &wire.MessageRecord{
		Room: m.room.ID[:], Account: rec.Account, Device: rec.Device, Content: c.Append(nil),
		ReadAt: timeOf(rec.Place), Stored: state.Stored, WaitedMs: state.WaitedMs,
		EditedAt: max(state.EditedAt, 0), Place: rec.Place, AsOf: max(state.AsOf, 1),
	}
	for _, a := range state.Reactions {
		if who, err := ident.AccountIDFrom(a.Account); err == nil && m.room.Has(who) {
			deeds.React(x.rec, who, a.Emoji)
		}
	}
	slices.SortFunc(x.rec.Reactions, func(a, b wire.ReactionRecord) int { return bytes.Compare(a.Account, b.Account) })
	return x, true
}

func (m merging) one(x *entry, heal Heal) (fresh bool, err error) {
	old, at, err := m.known(x)
	if err != nil {
		return false, err
	}
	switch {
	case old == nil:
	case at < Floor, old.rec.Gone != wire.GoneNot, old.device != x.device || old.seq != x.seq:
		return false, nil
	default:
		return false, m.join(old, at, x)
	}
	// What came early waits for its turn, and has its own receiving.
	early := m.home.Key(home.Early, m.room.ID[:], x.device[:]).At(x.seq)
	if held, err := m.tx.Get(m.ctx, early, &wire.MessageRecord{}); err != nil || held {
		return false, err
	}
	here := *x.rec // as one that this device received
	here.Place, here.AsOf = 0, 0
	if healed, err := heal(&here, x.device, x.seq); err != nil || healed {
		return healed, err
	}
	return true, m.insert(x, x.rec.Place)
}

// known finds the message of a record by its id or by its number; nil if it is not
// here.
func (m merging) known(x *entry) (old *entry, position uint64, err error) {
	for _, k := range []home.Key{m.home.Key(home.Index, x.id[:]), m.home.Key(home.Number, m.room.ID[:], x.device[:]).At(x.seq)} {
		var at wire.IndexRecord
		if ok, err := m.tx.Get(m.ctx, k, &at); err != nil {
			return nil, 0, err
		} else if !ok {
			continue
		}
		if !bytes.Equal(at.Room, m.room.ID[:]) { // an id that is taken elsewhere
			return &entry{rec: &wire.MessageRecord{Gone: wire.GoneHere}}, 0, nil
		}
		old, err := m.at(at.Position)
		if err != nil {
			return nil, 0, err
		}
		if old == nil {
			return nil, 0, home.ErrDamaged
		}
		if old.rec.Gone == wire.GoneNot || bytes.Equal(old.rec.Account, x.rec.Account) {
			return old, at.Position, nil
		}
		// Whoever asked to delete what somebody else wrote asked in vain.
		if at.Position >= Floor {
			if err := m.lift(at.Position); err != nil {
				return nil, 0, err
			}
			m.tx.Delete(k)
		}
	}
	return nil, 0, nil
}

// at reads what stands at a position; nil if nothing does.
func (m merging) at(position uint64) (*entry, error) {
	rec := &wire.MessageRecord{}
	ok, err := m.tx.Get(m.ctx, m.home.Key(home.Message, m.room.ID[:]).At(position), rec)
	if err != nil || !ok {
		return nil, err
	}
	var c wire.Content
	x := &entry{rec: rec}
	var errs [3]error
	errs[0] = c.Parse(rec.Content)
	x.id, errs[1] = ident.MessageIDFrom(c.Id)
	x.device, errs[2] = ident.DeviceIDFrom(rec.Device)
	x.seq = c.Seq
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(home.ErrDamaged, err)
	}
	return x, nil
}

// join makes of two records of one message what both orders give: the lower place,
// the later text, the later answers.
func (m merging) join(old *entry, position uint64, x *entry) error {
	was, now := old.rec, *old.rec
	if cmp.Or(cmp.Compare(x.rec.EditedAt, was.EditedAt), bytes.Compare(x.rec.Content, was.Content)) > 0 {
		now.Content, now.EditedAt = x.rec.Content, x.rec.EditedAt
	}
	if cmp.Or(cmp.Compare(x.rec.AsOf, was.AsOf), slices.CompareFunc(x.rec.Reactions, was.Reactions, func(a, b wire.ReactionRecord) int {
		return bytes.Compare(a.Append(nil), b.Append(nil))
	})) > 0 {
		now.AsOf, now.Reactions = x.rec.AsOf, x.rec.Reactions
	}
	if cmp.Or(cmp.Compare(x.rec.Place, was.Place), cmp.Compare(x.rec.WaitedMs, was.WaitedMs), truth(x.rec.Stored)-truth(was.Stored)) < 0 {
		now.Place, now.ReadAt, now.WaitedMs, now.Stored = x.rec.Place, x.rec.ReadAt, x.rec.WaitedMs, x.rec.Stored
	}
	if bytes.Equal(now.Append(nil), was.Append(nil)) {
		return nil
	}
	if !bytes.Equal(now.Content, was.Content) || home.PartOf(&now) != home.PartOf(was) {
		// The text before is to open no more; nor this one under a key that its
		// deletion would not destroy.
		m.tx.Forget(m.home.Key(home.Message, m.room.ID[:]), home.PartOf(was))
	}
	y := &entry{rec: &now, id: old.id, device: old.device, seq: old.seq}
	if now.Place == was.Place {
		m.stand(y, position)
		return nil
	}
	if err := m.lift(position); err != nil {
		return err
	}
	return m.insert(y, now.Place)
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
