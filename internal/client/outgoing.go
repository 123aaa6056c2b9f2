package client

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/again"
	"github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/outbox"
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
	// checkedFor is how long the accounts' chains are taken as read while the
	// connection lasts.
	checkedFor = time.Hour
)

// Send writes a message to a person, by name, or to a room, by id. It is
// durable in the outbox when Send returns, and goes when the device is
// connected (Run, Sync). A name that is not known yet is looked up then; if
// nobody has it the message is dropped with a Problem event, and WaitFor tells.
func (c *Client) Send(ctx context.Context, to, text string, o outbox.Options) (m told.Message, err error) {
	if err := checkText(text); err != nil {
		return m, err
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
	err = c.e.do(ctx, func(tx *txn) error {
		if tx.signIn.OldCopy {
			return why.ErrOldCopy
		}
		if again {
			if m, err = tx.find(id); !errors.Is(err, why.ErrUnknownMessage) {
				return err // it is there already
			}
		}
		content := &wire.Content{Id: id[:], SentAt: tx.now.UnixMilli(), Body: body}
		if t, ok := tx.talkTo(to); ok {
			x := tx.queue(id)
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
		if own, err := ident.ParseName(tx.device.Name); err == nil && bytes.Equal(own.Key(), name.Key()) {
			return why.ErrSelf
		}
		x := tx.queue(id)
		x.Rec.Name, x.Rec.Content = name.String(), content.Append(nil)
		tx.unresolved = append(tx.unresolved, x)
		tx.putEntry(x)
		tx.wake()
		m, err = tx.find(id)
		return err
	})
	return m, err
}

func checkText(text string) error {
	switch {
	case text == "":
		return why.ErrEmpty
	case len(text) > maxText:
		return why.ErrTooLong
	case !utf8.ValidString(text):
		return why.ErrNoText
	}
	return nil
}

// talkTo finds the conversation that a name or the id of a room means.
func (tx *txn) talkTo(to string) (*talk, bool) {
	if id, err := ident.ParseRoomID(to); err == nil {
		if t, ok := tx.talks[id]; ok && !t.Home() {
			return t, true
		}
		for a := range tx.people.Pins { // a friend to whom nothing was said yet
			if r := account.Direct(a, tx.me.Account); r.ID == id && a != tx.me.Account {
				return tx.talkOf(r), true
			}
		}
	}
	if a, err := tx.people.Find(to); err == nil && a != tx.me.Account {
		return tx.talkOf(account.Direct(a, tx.me.Account)), true
	}
	return nil, false
}

// queue gives a message its place in the outbox.
func (tx *txn) queue(id ident.MessageID) *outbox.Entry {
	x := outbox.New(id)
	x.At = tx.nextOut
	tx.nextOut++
	return x
}

func (tx *txn) putEntry(x *outbox.Entry) {
	if !x.Gone {
		tx.Put(tx.home.Key(home.Outbox).At(x.At), &x.Rec)
	}
}

// place gives a message its number and its place in the history.
func (tx *txn) place(t *talk, x *outbox.Entry, content *wire.Content) error {
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
	t.order, content.Seq, x.Seq = next, r.seq, r.seq
	rec := &wire.MessageRecord{Room: t.ID[:], Account: tx.me.Account[:], Device: tx.me.Device[:], ReadAt: tx.now.UnixMilli()}
	if text, ok := content.Body.(*wire.Text); ok {
		rec.Withdraw = deeds.NewWithdraw()
		if text.Disappear = t.disappear; t.disappear > 0 {
			rec.Key = t.next + 1
		}
	}
	rec.Content = content.Append(nil)
	x.Rec.Room, x.Rec.Position = t.ID[:], tx.record(t, rec, tx.me.Device, x.Seq, x.ID)
	x.Rec.Name, x.Rec.Content = "", nil
	t.outbox = append(t.outbox, x)
	tx.putEntry(x)
	return nil
}

// resolve places a message whose receiver is known now.
func (tx *txn) resolve(x *outbox.Entry, to ident.AccountID) error {
	var content wire.Content
	if err := content.Parse(x.Rec.Content); err != nil {
		return err
	}
	t := tx.talkOf(account.Direct(to, tx.me.Account))
	if err := tx.place(t, x, &content); err != nil {
		return err
	}
	tx.unresolved = outbox.Without(tx.unresolved, x)
	tx.wake()
	tx.pump(t)
	return nil
}

// drop takes a message out of the outbox that can never be sent.
//
// O4: it is gone, and the owner will be told. A crash before the commit has it
// looked up again.
func (tx *txn) drop(x *outbox.Entry, reason error) {
	if x.Gone {
		return
	}
	tx.unresolved = outbox.Without(tx.unresolved, x)
	tx.dropped[x.ID] = reason
	tx.Delete(tx.home.Key(home.Outbox).At(x.At))
	tx.problem(ident.RoomID{}, x.ID, x.Rec.Name+": "+reason.Error())
}

// entryProblem records why a message waits, and tells it when it changes.
func (tx *txn) entryProblem(x *outbox.Entry, room ident.RoomID, problem string) {
	if x.Rec.Problem == problem || x.Gone {
		return
	}
	x.Rec.Problem = problem
	tx.putEntry(x)
	if problem != "" {
		tx.problem(room, x.ID, problem)
	}
}

// pump sends what a conversation may send now.
func (tx *txn) pump(t *talk) {
	s, g := tx.session, t.sending()
	if s == nil || !s.drained || t.checked != s || g == nil || t.stuck() {
		return
	}
	recheck := func() { t.checked = nil; tx.wake() }
	if tx.now.Sub(t.since) > checkedFor && tx.owes(t) {
		recheck()
		return
	}
	if g.RenewalDue(tx.now) && g.pause.Over(tx.now) && tx.owes(t) {
		g.pause = g.pause.Longer(tx.now, 0)
		recheck()
		return
	}
	if t.Home() {
		tx.share(s, t, g)
		return
	}
	round := outbox.NewRound(tx.me.Device, tx.now)
	for _, x := range slices.Clone(t.outbox) {
		if s.open+tx.launched >= maxFlying {
			return // the next answer pumps again
		}
		to, open := round.Next(x, g.Members)
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
			tx.finish(s, t, x)
		}
	}
}

// launch encrypts a message and sends it once that is durable.
func (tx *txn) launch(s *session, t *talk, g *groupState, x *outbox.Entry, to []account.Member) error {
	rec, content, err := tx.storedMessage(t, x.Rec.Position)
	if err != nil {
		return err
	}
	tx.recalled(s, t, x, rec, content)
	owed := t.order.Owed()
	content.Received = order.Wire(owed)
	env, err := tx.encrypt(g, content)
	if err != nil {
		return err
	}
	req := &wire.Send{Envelope: env, Withdraw: deeds.Withdrawable(rec.Withdraw, to)}
	for _, m := range to {
		x.Flying[m.Device] = true
		req.Targets = append(req.Targets, wire.Target{Device: m.Device[:], Token: m.Token})
	}
	// O2: the generation of the message key is given up before the envelope
	// leaves. A crash after this commit leaves a key unused; the message is
	// encrypted anew under another one.
	tx.launched++
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
	if r := g.Before(g.talk.order.ReadBy); r.UpTo > 0 {
		content.Received = append(content.Received, r)
	}
	return g.Seal(content)
}

// landed records what became of a message.
func (tx *txn) landed(t *talk, x *outbox.Entry, to []account.Member, owed []order.Receipt, body wire.ResponseBody, err error) error {
	x.Landed(to)
	if x.Gone { // taken back meanwhile
		tx.pumpAll()
		return nil
	}
	sent, ok := body.(*wire.Sent)
	if err == nil && !ok {
		err = line.ErrAnswer
	}
	if err != nil {
		if tx.session != nil && err != nil && !errors.Is(err, line.ErrOffline) { // the relay refused it as a whole
			x.Pause = x.Pause.Longer(tx.now, line.RetryAfter(err))
			tx.wakeAt(x.Pause)
			tx.entryProblem(x, t.ID, why.Waits(tx.nameOf(t), err))
		}
		tx.pumpAll() // a new session may have found it in flight
		return nil
	}
	// O3: the outcomes are known. A crash before this commit leaves the message
	// in the outbox: it is sent again, and its receivers know it by its id.
	confirmed, worst := x.Answered(to, sent.Outcomes)
	for _, d := range confirmed {
		if err := tx.told(t, d, owed); err != nil {
			return err
		}
	}
	if err := tx.writeOutcomes(t, x); err != nil {
		return err
	}
	if worst != wire.OutcomeLive {
		x.Pause = x.Pause.Longer(tx.now, 0)
		tx.wakeAt(x.Pause)
		tx.entryProblem(x, t.ID, told.Why[told.OutcomeOf(worst)])
		if worst == wire.OutcomeGone || worst == wire.OutcomeRefused {
			t.checked = nil // the chains may tell why
			t.pause = x.Pause
		}
	}
	tx.pumpAll()
	tx.wake()
	return nil
}

// pumpAll sends what any conversation may send now.
func (tx *txn) pumpAll() {
	for _, t := range tx.talks {
		if tx.owes(t) {
			tx.pump(t)
		}
	}
}

// writeOutcomes keeps the outcomes with the message.
func (tx *txn) writeOutcomes(t *talk, x *outbox.Entry) error {
	rec, _, err := tx.storedMessage(t, x.Rec.Position)
	if err != nil {
		return err
	}
	rec.Outcomes = x.Record()
	tx.Put(tx.home.Key(home.Message, t.ID[:]).At(x.Rec.Position), rec)
	return nil
}

// finish completes a message once nothing of what it says is left to do.
func (tx *txn) finish(s *session, t *talk, x *outbox.Entry) {
	rec, content, err := tx.storedMessage(t, x.Rec.Position)
	if err != nil {
		tx.unread = err
	} else if tx.recalled(s, t, x, rec, content) {
		tx.complete(t, x)
	}
}

// complete takes a message out of the outbox that every device has.
func (tx *txn) complete(t *talk, x *outbox.Entry) {
	x.Gone = true
	t.outbox = outbox.Without(t.outbox, x)
	tx.Delete(tx.home.Key(home.Outbox).At(x.At))
	rec, content, err := tx.storedMessage(t, x.Rec.Position)
	switch {
	case err != nil:
		tx.unread = err
	case deeds.Hidden(content): // it has done its work
		tx.entomb(t, x.Rec.Position, rec, content, wire.GoneHere)
	default:
		tx.startFading(t, x.Rec.Position, rec, content)
	}
}

// Retry ends the pauses between tries. It does not connect.
func (c *Client) Retry(ctx context.Context) error {
	return c.e.do(ctx, func(tx *txn) error {
		tx.ours.Retry()
		for _, x := range tx.unresolved {
			x.Pause = again.Pause{}
		}
		for _, t := range tx.talks {
			t.pause = again.Pause{}
			for _, x := range t.outbox {
				x.Pause, x.Recall.Pause = again.Pause{}, again.Pause{}
			}
			for _, g := range t.groups {
				g.pause = again.Pause{}
			}
		}
		tx.pumpAll()
		tx.wake()
		return nil
	})
}
