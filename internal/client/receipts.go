package client

import (
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/pages"
	"github.com/byre-messenger/byre/internal/ident"
	order "github.com/byre-messenger/byre/internal/room"
	"github.com/byre-messenger/byre/internal/wire"
)

// offerAfter is how long a receipt waits for others to go with it.
const offerAfter = 200 * time.Millisecond

// lookBehind is behind how many messages that nobody sees one is looked for.
const lookBehind = 100

// told notes that a device has this device's receipts.
func (tx *txn) told(t *talk, d ident.DeviceID, owed []order.Receipt) error {
	for _, r := range owed {
		if r.Device == d {
			return tx.happen(t, order.Told(r), nil)
		}
	}
	return nil
}

// offerSoon offers what is owed a moment later, once for all that comes until
// then.
func (tx *txn) offerSoon(t *talk) {
	s := tx.session
	if s == nil || !s.drained || t.offering {
		return // before that, the end of the drain offers
	}
	t.offering = true
	tx.then(func() {
		s.clock.AfterFunc(offerAfter, func() {
			s.post(func(tx *txn) error {
				t.offering = false
				if !s.gone {
					tx.offer(t)
				}
				return nil
			})
		})
	})
}

// offer sends the receipts that are owed to devices which are connected now.
// Nothing is stored for it anywhere; who is away gets it later.
func (tx *txn) offer(t *talk) {
	s, g, owed := tx.session, t.sending(), t.order.Owed()
	if s == nil || g == nil || g.Unsure() || len(owed) == 0 || s.open >= maxFlying || !tx.own().View.Lists(tx.me.Device) {
		return
	}
	req := &wire.Send{LiveOnly: true}
	for _, r := range owed {
		for _, m := range g.Members {
			if m.Device == r.Device && len(m.Token) > 0 { // a request box takes none
				req.Targets = append(req.Targets, wire.Target{Device: m.Device[:], Token: m.Token})
			}
		}
	}
	if len(req.Targets) == 0 {
		return
	}
	id := ident.NewMessageID()
	env, err := tx.encrypt(g, &wire.Content{Id: id[:], SentAt: tx.now.UnixMilli(), Received: order.Wire(owed), Body: &wire.Receipt{}})
	if err != nil {
		return // owed still
	}
	req.Envelope = env
	// P1: the key of the receipt is given up. A crash after this commit leaves
	// the receipt owed.
	tx.then(func() {
		s.request(req, func(tx *txn, body wire.ResponseBody, _ error) error {
			sent, ok := body.(*wire.Sent)
			if !ok {
				return nil
			}
			// P2: the sender has the receipt. A crash before this commit has it
			// sent once more.
			for _, o := range sent.Outcomes {
				if d, err := ident.DeviceIDFrom(o.Device); err == nil && o.Outcome == wire.OutcomeLive {
					if err := tx.told(t, d, owed); err != nil {
						return err
					}
				}
			}
			return nil
		})
	})
}

// confirm takes a member's word of how far its device and its owner are; what it
// can't know changes nothing.
func (tx *txn) confirm(t *talk, d ident.DeviceID, r wire.Received, came bool) error {
	if string(r.Device) != string(tx.me.Device[:]) {
		return nil
	}
	ev := order.Confirm{Device: d, Seen: r.Seen}
	if came {
		ev.UpTo = r.UpTo
	} else {
		ev.Seen = r.UpTo
	}
	if err := tx.happen(t, ev, nil); err != nil && !errors.Is(err, order.ErrUnsent) {
		return err
	}
	return nil
}

// shown tells the owner who was shown own messages, by the newest of them that a
// person can see.
func (tx *txn) shown(t *talk, d ident.DeviceID, span order.Span) error {
	by, known := tx.accountOf(t, d)
	if !known || by == tx.me.Account {
		return nil
	}
	for seq := span.To; seq >= span.From && span.To-seq < lookBehind; seq-- {
		at, rec, content, err := tx.numbered(t, tx.me.Device, seq)
		if err != nil {
			return err
		}
		if at != nil && rec.Gone == wire.GoneNot && !deeds.Hidden(content) {
			tx.changed(wire.ChangeRead, t, content.Id, by, 0)
			return nil
		}
	}
	return nil
}

// numbered finds the message of a device and number; at is nil if there is none.
func (tx *txn) numbered(t *talk, d ident.DeviceID, seq uint64) (at *wire.IndexRecord, rec *wire.MessageRecord, c *wire.Content, err error) {
	if at, err = pages.Numbered(tx.ctx, tx, tx.home, t.ID, d, seq); err != nil || at == nil {
		return nil, nil, nil, err
	}
	rec, c, err = tx.storedMessage(t, at.Position)
	return at, rec, c, err
}

// delivered records that a device has read own messages.
func (tx *txn) delivered(t *talk, d ident.DeviceID, span order.Span) error {
	a, known := tx.accountOf(t, d)
	for seq := span.From; seq <= span.To; seq++ {
		at, rec, content, err := tx.numbered(t, tx.me.Device, seq)
		if err != nil {
			return err
		}
		if at == nil {
			continue
		}
		rec.Delivered = append(rec.Delivered, d[:])
		tx.Put(tx.home.Key(home.Message, t.ID[:]).At(at.Position), rec)
		if rec.Gone != wire.GoneNot || deeds.Hidden(content) {
			continue
		}
		ev := &wire.DeliveredEvent{Room: t.ID[:], Id: content.Id, Device: d[:]}
		if known {
			ev.Account = a[:]
		}
		tx.tell(ev)
	}
	return nil
}
