package client

import (
	"time"

	"github.com/byre-messenger/byre/internal/client/drawn"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// resend puts into the outbox again what the relay took for a device and the
// device never read: it begins the conversation anew and tells how far it came.
// What was there for it was in epochs that it can't reach (DESIGN 5).
func (tx *txn) resend(t *talk, d ident.DeviceID, upTo uint64) error {
	last := t.order.Sent()
	by, _ := tx.accountOf(t, d)
	first, n := max(upTo, t.order.ReadBy(d))+1, uint64(0)
	if most := t.drawn.Left(by, tx.now); last > most {
		first = max(first, last-most+1)
	}
	for seq := first; seq <= last; seq++ {
		at, rec, content, err := tx.numbered(t, tx.me.Device, seq)
		if err != nil {
			return err
		} else if at == nil {
			continue
		}
		id, err := ident.MessageIDFrom(content.Id)
		if err != nil || !told.Vain(rec, d) || tx.now.Sub(time.UnixMilli(content.SentAt)) > drawn.For {
			continue // never sent there, or gone, or too old: its number tells that it is missing
		}
		if err := tx.resendOne(t, id, seq, at.Position, rec.Outcomes, d); err != nil {
			return err
		}
		n++
	}
	outbox.Sort(t.outbox)
	t.drawn = t.drawn.Draw(by, n, tx.now)
	tx.talked[t] = true
	return nil
}

// resendOne has a message wait for a device once more.
func (tx *txn) resendOne(t *talk, id ident.MessageID, seq, position uint64, outcomes []wire.DeviceOutcome, d ident.DeviceID) error {
	x := outbox.Find(t.outbox, id)
	if x == nil {
		x = tx.queue(id)
		t.outbox = append(t.outbox, x)
		x.Seq, x.Rec.Room, x.Rec.Position = seq, t.ID[:], position
		x.Recorded(outcomes)
		tx.putEntry(x)
	}
	delete(x.Outcomes, d)
	return tx.writeOutcomes(t, x)
}
