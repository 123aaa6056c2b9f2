package told

import (
	"errors"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// MessageOf is what a record and its content tell of a message. Names, and what
// became of an own one, are the caller's to fill in.
func MessageOf(rec *wire.MessageRecord, c *wire.Content) (Message, error) {
	var errs [3]error
	m := Message{SentAt: time.UnixMilli(c.SentAt).UTC(), ReadAt: time.UnixMilli(rec.ReadAt).UTC(), Path: Live}
	m.ID, errs[0] = ident.MessageIDFrom(c.Id)
	m.Room, errs[1] = ident.RoomIDFrom(rec.Room)
	m.From, errs[2] = ident.AccountIDFrom(rec.Account)
	if err := errors.Join(errs[:]...); err != nil {
		return m, err
	}
	copy(m.Device[:], rec.Device)
	if rec.Stored {
		m.Path = Stored
	}
	m.Waited = time.Duration(min(rec.WaitedMs, 1<<40)) * time.Millisecond
	m.Deleted, m.Everywhere = rec.Gone != wire.GoneNot || deeds.Hidden(c), rec.Gone == wire.GoneEverywhere
	if body, ok := c.Body.(*wire.Text); ok {
		m.Text, m.Edited = body.Text, rec.EditedAt != 0
		copy(m.ReplyTo[:], body.ReplyTo)
		m.Disappears = time.Duration(deeds.Disappears(c)) * time.Second //nolint:gosec // bounded
	} else {
		m.Newer = !m.Deleted
	}
	m.Reactions = ReactionsOf(rec)
	return m, nil
}

// OutcomesOf is what became of an own message at each device, those in pending
// among them that nothing is known of.
func OutcomesOf(rec *wire.MessageRecord, pending []ident.DeviceID, whose func(ident.DeviceID) ident.AccountID) (list []DeviceOutcome) {
	seen := map[ident.DeviceID]int{}
	add := func(d ident.DeviceID, o Outcome) {
		if _, ok := seen[d]; ok {
			return
		}
		seen[d] = len(list)
		list = append(list, DeviceOutcome{Account: whose(d), Device: d, Outcome: o})
	}
	for _, o := range rec.Outcomes {
		add(ident.DeviceID(o.Device), OutcomeOf(o.Outcome))
	}
	for _, d := range pending {
		add(d, Pending)
	}
	for _, d := range rec.Delivered {
		if i, ok := seen[ident.DeviceID(d)]; ok {
			list[i].Delivered = true
		}
	}
	return list
}

// Vain reports whether the server answered for an own message at a device, and
// the message is still there to be sent again.
func Vain(rec *wire.MessageRecord, d ident.DeviceID) bool {
	return rec.Gone == wire.GoneNot && rec.DiesAt == 0 && slices.ContainsFunc(rec.Outcomes, func(o wire.DeviceOutcome) bool {
		return string(o.Device) == string(d[:]) && OutcomeOf(o.Outcome).Confirmed()
	})
}
