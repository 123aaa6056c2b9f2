package client

import (
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/groups"
	"github.com/byre-messenger/byre/internal/client/inbox"
	"github.com/byre-messenger/byre/internal/client/shelf"
	"github.com/byre-messenger/byre/internal/ident"
	order "github.com/byre-messenger/byre/internal/room"
	"github.com/byre-messenger/byre/internal/wire"
)

// deliver reads an envelope.
//
// I1: message, keys, order and what recognises a double are written in one
// transaction, and acknowledged after it. A crash before this commit leaves the
// envelope at the relay, one after it an envelope that is recognised when it
// comes again.
//
// What does not open, or says what it must not, is dropped: an error means that
// the home could not be read, and ends the session.
func (tx *txn) deliver(d *wire.Deliver) error {
	if !tx.inbox.First(d.Envelope) {
		return nil
	}
	in := inbox.Delivery{Envelope: d.Envelope, At: tx.now, Stored: d.Stored, WaitedMs: d.WaitedMs}
	opened, err := tx.read(in)
	if err == nil && !opened {
		tx.inbox.Wait(tx.Tx, in)
	}
	return err
}

// read opens an envelope with the keys of the live epochs, or as a box. It
// reports whether it did.
func (tx *txn) read(in inbox.Delivery) (bool, error) {
	for _, g := range tx.groups {
		o, ok := g.Open(tx.Tx, in.Envelope, in.Sent(), in.At)
		if !ok {
			continue
		}
		if o.Changed {
			tx.moved[g] = true
		}
		if g.Unsure() {
			tx.wake()
		}
		if o.Plaintext == nil {
			return true, nil
		}
		return true, tx.content(g, o.From, o.Plaintext, in)
	}
	plain, err := tx.me.Box.Open(in.Envelope)
	if err != nil {
		return false, nil //nolint:nilerr // it waits for a key
	}
	var box wire.Box
	if err := box.Parse(plain); err != nil {
		return true, nil //nolint:nilerr // a box of a newer byre
	}
	switch body := box.Body.(type) {
	case *wire.WelcomeBox:
		return tx.welcomed(body)
	case *wire.RejoinBox:
		tx.asksBack(body, in)
	case nil:
	}
	return true, nil
}

// content takes what a member said.
func (tx *txn) content(g *groupState, from account.Member, plain []byte, in inbox.Delivery) error {
	var c wire.Content
	if err := c.Parse(plain); err != nil {
		return nil //nolint:nilerr // garbage of a member
	}
	t := g.talk
	if p, ok := tx.people.Pins[from.Account]; ok && !p.View.Lists(from.Device) {
		// It was removed, and shows a chain of before; what it said in time was
		// read before the chain was.
		tx.problem(t.ID, ident.MessageID{}, fmt.Sprintf("a device that no longer speaks for %s wrote: that is not shown", tx.people.Called(from.Account)))
		return nil
	}
	if t.Home() {
		return tx.hears(g, from, c.Body)
	}
	for _, r := range c.Received {
		if err := tx.confirm(t, from.Device, r, true); err != nil {
			return err
		}
		if g.Rec.Alone && string(r.Device) == string(from.Device[:]) { // else it may hide what was lost in another one
			if err := tx.happen(t, order.Meet{Device: from.Device, UpTo: r.UpTo}, nil); err != nil {
				return err
			}
		}
	}
	if _, err := ident.MessageIDFrom(c.Id); err != nil || c.Seq == 0 {
		return nil //nolint:nilerr // a receipt
	}
	if e, ok := c.Body.(*wire.Erase); ok {
		if err := tx.erased(t, from, e); err != nil {
			return err
		}
	}
	c.Received = nil
	rec := &wire.MessageRecord{
		Room: t.ID[:], Account: from.Account[:], Device: from.Device[:],
		Content: inbox.Kept(plain, &c), ReadAt: in.At.UnixMilli(), Stored: in.Stored, WaitedMs: in.WaitedMs,
	}
	if err := tx.happen(t, order.Arrive{Device: from.Device, Seq: c.Seq, At: tx.now}, rec); err != nil {
		return err
	}
	tx.offerSoon(t)
	return nil
}

// reopen tries what waited for a key.
func (tx *txn) reopen() error { return tx.inbox.Retry(tx.Tx, tx.now, tx.read) }

// suspect has the logs read where envelopes came that no key opens: a change of
// a room may have passed this device by.
func (tx *txn) suspect(s *session) {
	if last := tx.inbox.Last(); !s.drained || s.puzzled == last || tx.inbox.Fresh() == 0 {
		return
	} else {
		s.puzzled = last
	}
	for _, g := range tx.groups {
		if !g.Rec.Over {
			g.Again() // from its beginning: what was skipped may not have been there
			tx.moved[g] = true
		}
	}
	tx.despair(s)
	tx.wake()
}

// despair notes that no log opened what waits, once all are read.
func (tx *txn) despair(s *session) {
	for _, g := range tx.groups {
		if !g.Rec.Over && g.Unsure() {
			return
		}
	}
	tx.inbox.Tried(tx.Tx, s.puzzled)
}

// welcomed joins a group, or has the owner asked whether to. It reports false for
// a Welcome that has to wait for a log.
func (tx *txn) welcomed(w *wire.WelcomeBox) (bool, error) {
	g, r, by, err := tx.enter(w)
	switch {
	case errors.Is(err, errNotForMe):
		return true, nil // garbage, or for a key that was used
	case err != nil:
		tx.problem(ident.RoomID{}, ident.MessageID{}, "somebody tried to begin a conversation in a way that does not hold: it was refused")
		return true, nil //nolint:nilerr // refused
	case tx.present(g):
		return false, nil
	case tx.asked(r, w):
		return true, nil
	}
	return true, tx.join(g, r, by, w)
}

// present reports whether a Welcome is for a later epoch of a group in which this
// device is: then it may have been taken out and added again. The group's log
// tells; a Welcome alone does not part a device from the others.
func (tx *txn) present(made *groups.Group) bool {
	g, known := tx.groups[string(made.ID)]
	if !known || g.Rec.Over || made.Rec.Epoch <= g.Rec.Epoch {
		return false
	}
	g.Rec.ReadLog = true
	tx.moved[g] = true
	tx.wake()
	return true
}

// errNotForMe says that this device has no key for a Welcome.
var errNotForMe = errors.New("there is no key for this conversation here any more: ask the other person to write again")

// enter reads a Welcome, changing nothing.
func (tx *txn) enter(w *wire.WelcomeBox) (*groups.Group, account.Room, shelf.Found, error) {
	by, err := tx.shelf.Find(w.Welcome)
	if err != nil {
		return nil, account.Room{}, by, errors.Join(errNotForMe, err)
	}
	if err := account.CheckWelcomeBox(w); err != nil {
		return nil, account.Room{}, by, err
	}
	g, r, err := tx.mls().Join(w.Welcome, by.Key, tx.listed, tx.now)
	if err == nil && (!r.Has(tx.me.Account) || len(by.Room) > 0 && string(by.Room) != string(r.ID[:])) {
		err = account.ErrLeaf
	}
	return g, r, by, err
}

// join makes a group this device's own.
//
// I2: the key package is erased with the commit that writes the group. A crash
// before it leaves the Welcome at the relay and the key package here.
func (tx *txn) join(made *groups.Group, r account.Room, by shelf.Found, w *wire.WelcomeBox) error {
	old, known := tx.groups[string(made.ID)]
	if !made.HasOther() || known && (!old.Rec.Over || made.Rec.Epoch <= old.Rec.Epoch) {
		return nil // nobody there, or known, or a Welcome of before this device was taken out
	}
	if known && !old.Rec.Removed && len(by.Room) == 0 {
		return nil // its leaf was replaced, and it did not ask for that (ADR 14)
	}
	if t, ok := tx.talks[r.ID]; ok && groups.Usable(t.groups) >= maxGroups {
		return nil
	}
	by.Used(tx.Tx)
	t := tx.talkOf(r)
	if known {
		tx.discard(old)
	}
	t.checked = nil
	tx.leaveDeaf(t)
	tx.back(t, made, by, known)
	if tx.adoptGroup(t, made, old); t.Home() {
		tx.ours.Suspect(tx.Tx)
	}
	for _, m := range made.Members {
		tx.seeChain(m.Chain)
	}
	tx.people.Claim(tx.Tx, w.Names)
	tx.replace(t, w.Replaces)
	for _, s := range w.Sent {
		d, err := ident.DeviceIDFrom(s.Device)
		switch {
		case err != nil || !made.Has(d):
		case d == tx.me.Device:
			err = tx.resend(t, made.By.Device, s.UpTo)
		default:
			err = tx.happen(t, order.Meet{Device: d, UpTo: s.UpTo}, nil)
		}
		if unread(err) {
			return err
		}
	}
	tx.wake()
	return tx.reopen()
}
