package client

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	order "github.com/byre-messenger/byre/internal/room"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// maxText is the longest text in bytes; with all around it, it fits into the
	// largest envelope.
	maxText = 32_000
	// maxFlying is how many messages may be without an answer at a time, below
	// what the relay allows.
	maxFlying = 128
	// maxKnocks is how many messages go into the request box of a device that
	// does not know this one yet; the rest waits for its answer.
	maxKnocks = 3
	// checkedFor is how long the accounts' chains are taken as read while the
	// connection lasts.
	checkedFor = time.Hour
)

// send puts a message into the outbox.
func (e *engine) send(ctx context.Context, to, text string, o SendOptions) (m Message, err error) {
	switch {
	case text == "":
		return m, ErrEmpty
	case len(text) > maxText:
		return m, ErrTooLong
	case !utf8.ValidString(text):
		return m, ErrNoText
	}
	body := &wire.Text{Text: text}
	if o.ReplyTo != (ident.MessageID{}) {
		body.ReplyTo = o.ReplyTo[:]
	}
	id, again := o.ID, o.ID != (ident.MessageID{})
	if !again {
		id = ident.NewMessageID()
	}
	// O1: the message is in the outbox, with its number where the receiver is
	// known, and in the history. A crash before this commit leaves nothing, one
	// after it a message that goes at the next connection. It is read in the same
	// step: who is told of a failure behind the commit would write it again.
	err = e.do(ctx, func(tx *txn) error {
		if tx.signIn.OldCopy {
			return ErrOldCopy
		}
		if again {
			if m, err = tx.find(id); !errors.Is(err, ErrUnknownMessage) {
				return err // it is there already
			}
		}
		content := &wire.Content{Id: id[:], SentAt: tx.now.UnixMilli(), Body: body}
		if t, ok := tx.talkTo(to); ok {
			x := tx.queue(&entry{id: id})
			if err := tx.place(t, x, content); err != nil {
				return err
			}
			tx.pump(t)
			tx.wake()
			m, err = tx.find(id)
			return err
		}
		name, err := ident.ParseName(to)
		if err != nil {
			return err
		}
		if own, err := ident.ParseName(e.device.Name); err == nil && bytes.Equal(own.Key(), name.Key()) {
			return ErrSelf
		}
		x := tx.queue(&entry{id: id, rec: wire.OutboxRecord{Name: name.String(), Content: content.Append(nil)}})
		tx.unresolved = append(tx.unresolved, x)
		tx.putEntry(x)
		tx.wake()
		m, err = tx.find(id)
		return err
	})
	return m, err
}

// talkTo finds the conversation that a name or the id of a room means.
func (tx *txn) talkTo(to string) (*talk, bool) {
	if id, err := ident.ParseRoomID(to); err == nil {
		if t, ok := tx.talks[id]; ok {
			return t, true
		}
		for a := range tx.pins { // a friend to whom nothing was said yet
			if r := account.Direct(a, tx.me.Account); r.ID == id && a != tx.me.Account {
				return tx.talkOf(r), true
			}
		}
	}
	if a, err := tx.person(to); err == nil && a != tx.me.Account {
		return tx.talkOf(account.Direct(a, tx.me.Account)), true
	}
	return nil, false
}

// queue gives an entry its place in the outbox.
func (tx *txn) queue(x *entry) *entry {
	x.at = tx.next.outbox
	tx.next.outbox++
	x.rec.Id = x.id[:]
	x.outcomes, x.flying = map[ident.DeviceID]wire.Outcome{}, map[ident.DeviceID]bool{}
	return x
}

func (tx *txn) putEntry(x *entry) {
	if !x.gone {
		tx.Put(tx.home.Key(home.Outbox).At(x.at), &x.rec)
	}
}

// place gives a message its number and its place in the history.
func (tx *txn) place(t *talk, x *entry, content *wire.Content) error {
	next, effects, err := t.order.Apply(order.Write{})
	if err != nil {
		return err
	}
	r := &teller{tx: tx, talk: t}
	for _, e := range effects {
		if err := e.Run(r); err != nil {
			return err
		}
	}
	t.order, content.Seq, x.seq = next, r.seq, r.seq
	rec := &wire.MessageRecord{Room: t.ID[:], Account: tx.me.Account[:], Device: tx.me.Device[:], ReadAt: tx.now.UnixMilli()}
	if text, ok := content.Body.(*wire.Text); ok {
		rec.Withdraw = deeds.NewWithdraw()
		if text.Disappear = t.disappear; t.disappear > 0 {
			rec.Key = t.next + 1
		}
	}
	rec.Content = content.Append(nil)
	x.rec.Room, x.rec.Position = t.ID[:], tx.record(t, rec, tx.me.Device, x.seq, x.id)
	x.rec.Name, x.rec.Content = "", nil
	t.outbox = append(t.outbox, x)
	tx.putEntry(x)
	return nil
}

// resolve places a message whose receiver is known now.
func (tx *txn) resolve(x *entry, to ident.AccountID) error {
	var content wire.Content
	if err := content.Parse(x.rec.Content); err != nil {
		return err
	}
	t := tx.talkOf(account.Direct(to, tx.me.Account))
	if err := tx.place(t, x, &content); err != nil {
		return err
	}
	tx.unresolved = slices.DeleteFunc(tx.unresolved, func(y *entry) bool { return x == y })
	tx.wake()
	tx.pump(t)
	return nil
}

// drop takes a message out of the outbox that can never be sent.
//
// O4: it is gone, and the owner will be told. A crash before the commit has it
// looked up again.
func (tx *txn) drop(x *entry, reason error) {
	if x.gone {
		return
	}
	tx.unresolved = slices.DeleteFunc(tx.unresolved, func(y *entry) bool { return x == y })
	tx.dropped[x.id] = reason
	tx.Delete(tx.home.Key(home.Outbox).At(x.at))
	tx.problem(ident.RoomID{}, x.id, x.rec.Name+": "+reason.Error())
}

// entryProblem records why a message waits, and tells it when it changes.
func (tx *txn) entryProblem(x *entry, room ident.RoomID, problem string) {
	if x.rec.Problem == problem || x.gone {
		return
	}
	x.rec.Problem = problem
	tx.putEntry(x)
	if problem != "" {
		tx.problem(room, x.id, problem)
	}
}

// pump sends what a conversation may send now. Messages go to a device in the
// order of their numbers: one that failed there holds back those behind it,
// until it is tried again.
func (tx *txn) pump(t *talk) {
	s, g := tx.session, t.sending()
	if s == nil || !s.drained || t.checked != s || g == nil || t.stuck() {
		return
	}
	if tx.now.Sub(t.since) > checkedFor && len(t.outbox) > 0 {
		t.checked = nil
		tx.wake()
		return
	}
	if g.RenewalDue(tx.now) && g.pause.Over(tx.now) && len(t.outbox) > 0 {
		g.pause = g.pause.Longer(tx.now, 0)
		t.checked = nil
		tx.wake()
		return
	}
	held, knocks := map[ident.DeviceID]bool{}, map[ident.DeviceID]int{}
	for _, x := range slices.Clone(t.outbox) {
		if s.open >= maxFlying {
			return // the next answer pumps again
		}
		var to []account.Member
		open := false
		for _, m := range g.Members {
			switch d := m.Device; {
			case d == tx.me.Device || x.confirmed(d):
			case x.flying[d]:
				open = true
			case len(m.Token) == 0 && (x.outcomes[d] == wire.OutcomeAccepted || knocks[d] >= maxKnocks):
				knocks[d]++
				open = true // the receiver decides first
			case held[d] || !x.pause.Over(tx.now):
				held[d], open = true, true
			default:
				knocks[d]++
				to = append(to, m)
			}
		}
		if len(to) > 0 {
			switch err := tx.launch(s, t, g, x, to); {
			case unread(err):
				tx.unread = err
				return
			case err != nil:
				tx.entryProblem(x, t.ID, "the message can't be encrypted: "+err.Error())
				return
			}
		} else if !open && len(g.Members) > 1 {
			tx.complete(t, x)
		}
	}
}

// launch encrypts a message and sends it once that is durable.
func (tx *txn) launch(s *session, t *talk, g *groupState, x *entry, to []account.Member) error {
	rec, content, err := tx.storedMessage(t, x.rec.Position)
	if err != nil {
		return err
	}
	if e, ok := content.Body.(*wire.Erase); ok {
		tx.withdraw(s, t, e)
	}
	owed := t.order.Owed()
	content.Received = received(owed)
	env, err := tx.encrypt(g, content)
	if err != nil {
		return err
	}
	req := &wire.Send{Envelope: env, Withdraw: deeds.Withdrawable(rec.Withdraw, to)}
	for _, m := range to {
		x.flying[m.Device] = true
		req.Targets = append(req.Targets, wire.Target{Device: m.Device[:], Token: m.Token})
	}
	// O2: the generation of the message key is given up before the envelope
	// leaves. A crash after this commit leaves a key unused; the message is
	// encrypted anew under another one.
	tx.then(func() {
		s.request(req, func(tx *txn, body wire.ResponseBody, err error) error {
			return tx.landed(t, x, to, owed, body, err)
		})
	})
	return nil
}

// encrypt seals content into an envelope of a group's epoch. The state that
// gives the key up is written in this transaction.
func (tx *txn) encrypt(g *groupState, content *wire.Content) ([]byte, error) {
	tx.moved[g] = true
	return g.Seal(content)
}

// landed records what became of a message.
func (tx *txn) landed(t *talk, x *entry, to []account.Member, owed []order.Receipt, body wire.ResponseBody, err error) error {
	for _, m := range to {
		delete(x.flying, m.Device)
	}
	if x.gone { // taken back meanwhile
		tx.pumpAll()
		return nil
	}
	sent, ok := body.(*wire.Sent)
	if err == nil && !ok {
		err = line.ErrAnswer
	}
	if err != nil {
		if tx.session != nil && err != nil && !errors.Is(err, ErrOffline) { // the relay refused it as a whole
			x.pause = x.pause.Longer(tx.now, line.RetryAfter(err))
			tx.wakeAt(x.pause)
			tx.entryProblem(x, t.ID, why.Waits(tx.nameOf(t), err))
		}
		tx.pumpAll() // a new session may have found it in flight
		return nil
	}
	// O3: the outcomes are known. A crash before this commit leaves the message
	// in the outbox: it is sent again, and its receivers know it by its id.
	worst := wire.OutcomeLive
	for _, m := range to {
		x.outcomes[m.Device] = wire.OutcomeUnknown // unless the relay says more
	}
	for _, o := range sent.Outcomes {
		d, err := ident.DeviceIDFrom(o.Device)
		if _, asked := x.outcomes[d]; err != nil || !asked {
			continue
		}
		x.outcomes[d] = o.Outcome
		if told.OutcomeOf(o.Outcome).Confirmed() {
			if err := tx.told(t, d, owed); err != nil {
				return err
			}
		}
	}
	for _, m := range to {
		if !x.confirmed(m.Device) {
			worst = x.outcomes[m.Device]
		}
	}
	if err := tx.writeOutcomes(t, x); err != nil {
		return err
	}
	if worst != wire.OutcomeLive {
		x.pause = x.pause.Longer(tx.now, 0)
		tx.wakeAt(x.pause)
		tx.entryProblem(x, t.ID, told.Why[told.OutcomeOf(worst)])
		if worst == wire.OutcomeGone || worst == wire.OutcomeRefused {
			t.checked = nil // the chains may tell why
			t.pause = x.pause
		}
	}
	tx.pumpAll()
	tx.wake()
	return nil
}

// pumpAll sends what any conversation may send now.
func (tx *txn) pumpAll() {
	for _, t := range tx.talks {
		if len(t.outbox) > 0 {
			tx.pump(t)
		}
	}
}

// writeOutcomes keeps the outcomes with the message.
func (tx *txn) writeOutcomes(t *talk, x *entry) error {
	rec, _, err := tx.storedMessage(t, x.rec.Position)
	if err != nil {
		return err
	}
	rec.Outcomes = rec.Outcomes[:0]
	for d, o := range x.outcomes {
		rec.Outcomes = append(rec.Outcomes, wire.DeviceOutcome{Device: d[:], Outcome: o})
	}
	slices.SortFunc(rec.Outcomes, func(a, b wire.DeviceOutcome) int { return slices.Compare(a.Device, b.Device) })
	tx.Put(tx.home.Key(home.Message, t.ID[:]).At(x.rec.Position), rec)
	return nil
}

// complete takes a message out of the outbox that every device has.
func (tx *txn) complete(t *talk, x *entry) {
	x.gone = true
	t.outbox = slices.DeleteFunc(t.outbox, func(y *entry) bool { return x == y })
	tx.Delete(tx.home.Key(home.Outbox).At(x.at))
	rec, content, err := tx.storedMessage(t, x.rec.Position)
	switch {
	case err != nil:
		tx.unread = err
	case deeds.Hidden(content): // it has done its work
		tx.entomb(t, x.rec.Position, rec, content, wire.GoneHere)
	default:
		tx.startFading(t, x.rec.Position, rec, content)
	}
}

// retry ends all pauses.
func (e *engine) retry(ctx context.Context) error {
	return e.do(ctx, func(tx *txn) error {
		for _, x := range tx.unresolved {
			x.pause = pause{}
		}
		for _, t := range tx.talks {
			t.pause = pause{}
			for _, x := range t.outbox {
				x.pause = pause{}
			}
			for _, g := range t.groups {
				g.pause = pause{}
			}
		}
		tx.pumpAll()
		tx.wake()
		return nil
	})
}
