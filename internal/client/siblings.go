package client

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/again"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/ours"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	order "github.com/byre-messenger/byre/internal/room"
	"github.com/byre-messenger/byre/internal/wire"
)

// maxDeviceName is the longest name of a device in bytes.
const maxDeviceName = 64

// firstKeys is how long a device that was just let in is given to publish its key
// packages.
const firstKeys = time.Second

var errDeviceName = errors.New("a device's name has at most 64 bytes and none that can't be seen")

// Shared returns what a user interface keeps under a name for all devices of the
// account, nil if there is nothing: a draft, that a conversation is pinned.
func (c *Client) Shared(ctx context.Context, name string) (value []byte, err error) {
	err = c.e.look(ctx, func(tx *txn) error { value = tx.ours.Get(ours.Key(ours.Value, []byte(name))); return nil })
	return value, err
}

// Share keeps a value of at most [ours.MaxValue] bytes under a name, here and on
// the other devices; no bytes remove it. Of two devices' values the later stays.
func (c *Client) Share(ctx context.Context, name string, value []byte) error {
	return c.e.do(ctx, func(tx *txn) error { return tx.keeps(ours.Key(ours.Value, []byte(name)), value) })
}

// NameDevice says what the owner calls a device of the account, which no other
// account learns; an empty name takes it back.
func (c *Client) NameDevice(ctx context.Context, id ident.DeviceID, name string) error {
	if len(name) > maxDeviceName || !utf8.ValidString(name) || slices.ContainsFunc([]rune(name), unicode.IsControl) {
		return errDeviceName
	}
	return c.e.do(ctx, func(tx *txn) error {
		if !tx.own().View.Lists(id) {
			return account.ErrNoDevice
		}
		return tx.keeps(ours.Key(ours.Name, id[:]), []byte(name))
	})
}

// keeps keeps a value for all devices.
//
// X2: it is kept, and owed to the others. A crash before this commit leaves the
// old one; one after it has them told at the next connection.
func (tx *txn) keeps(key string, value []byte) error {
	changed, err := tx.ours.Set(tx.Tx, key, value, tx.now)
	if changed {
		tx.pumpHome()
	}
	return err
}

// raise keeps how far the messages of devices were read in a conversation.
func (tx *txn) raise(t *talk, upTo map[string]uint64) error {
	for name, seq := range upTo {
		d := ident.DeviceID([]byte(name))
		if err := tx.ours.Saw(tx.Tx, t.ID, d, seq, t.order.UpTo(d), tx.now); err != nil {
			return err
		}
	}
	tx.pumpHome()
	return nil
}

func (tx *txn) pumpHome() {
	if t, ok := tx.talks[account.Home(tx.me.Account).ID]; ok && tx.owes(t) {
		tx.pump(t)
		tx.wake()
	}
}

// owes reports whether something waits to be sent in a conversation.
func (tx *txn) owes(t *talk) bool {
	return len(t.outbox) > 0 || t.Home() && tx.ours.Owes()
}

// compared reports whether the owner compared a person's safety number on any of
// the devices that shared it.
func (e *engine) compared(id ident.AccountID) bool {
	return len(e.ours.Get(ours.Key(ours.Safety, id[:]))) > 0
}

// siblings notes which devices an account has, if it is the own one. Those that
// came by a step of this device are told of all that it knows, also of what it
// knows from before there was another one.
func (tx *txn) siblings(of ident.AccountID, view devchain.View, sponsored bool) {
	if of != tx.me.Account {
		return
	}
	if sponsored {
		before := map[string]bool{ours.Key(ours.Ask): tx.requests.Ask}
		for id, p := range tx.people.Pins {
			before[ours.Key(ours.Safety, id[:])] = p.Record.ConfirmedAt != 0
		}
		for key, is := range before {
			if is && tx.ours.Get(key) == nil {
				_, _ = tx.ours.Set(tx.Tx, key, ours.Flag(true), tx.now) // it is short
			}
		}
	}
	var listed []ident.DeviceID
	for _, d := range view.Listed() {
		listed = append(listed, d.ID)
	}
	if tx.ours.Lists(tx.Tx, listed, sponsored); len(listed) < 2 {
		return
	}
	t := tx.talkOf(account.Home(of))
	if t.pause = (again.Pause{}); sponsored {
		t.pause = again.Pause{Until: tx.now.Add(firstKeys)}
		tx.wakeAt(t.pause)
	}
}

// share tells the other devices of the account what they lack, one message at a
// time.
func (tx *txn) share(s *session, t *talk, g *groupState) {
	if s.sharing || s.open+tx.launched >= maxFlying {
		return
	}
	p := tx.ours.Next(g.Others(), tx.now)
	if p == nil {
		return
	}
	id, req := ident.NewMessageID(), &wire.Send{}
	var err error
	if req.Envelope, err = tx.encrypt(g, &wire.Content{Id: id[:], SentAt: tx.now.UnixMilli(), Body: p.Sync}); err != nil {
		return // owed still
	}
	for _, m := range g.Members {
		if slices.Contains(p.To, m.Device) {
			req.Targets = append(req.Targets, wire.Target{Device: m.Device[:], Token: m.Token})
		}
	}
	// O5: the key of the message is given up. A crash after this commit leaves it
	// owed.
	s.sharing = true
	tx.then(func() {
		s.request(req, func(tx *txn, body wire.ResponseBody, err error) error {
			s.sharing = false
			tx.shared(t, p, body, err)
			return nil
		})
	})
}

// shared notes what became of what the others were told.
//
// O6: who has it is known. A crash before this commit has it told once more,
// which changes nothing.
func (tx *txn) shared(t *talk, p *ours.Parcel, body wire.ResponseBody, err error) {
	if tx.session == nil || errors.Is(err, line.ErrOffline) {
		return
	}
	var said []wire.DeviceOutcome
	if sent, ok := body.(*wire.Sent); ok && err == nil {
		said = sent.Outcomes
	}
	pause := tx.ours.Told(tx.Tx, p, said, tx.now)
	tx.wakeAt(pause)
	for _, o := range said {
		if o.Outcome == wire.OutcomeGone || o.Outcome == wire.OutcomeRefused {
			t.checked, t.pause = nil, pause // the chain may tell why
		}
	}
	tx.pumpAll()
	tx.wake()
}

// hears takes what another device of the account says, and nods to it: else it
// could not know that this one follows (ADR 12).
func (tx *txn) hears(g *groupState, from account.Member, body wire.ContentBody) error {
	sync, ok := body.(*wire.Sync)
	if !ok {
		return nil
	}
	var values []string
	var read []ident.RoomID
	for _, c := range tx.ours.Take(tx.Tx, from.Device, sync, tx.now) {
		switch name := c.Key[1:]; ours.Kind(c.Key[0]) {
		case ours.Ask:
			tx.ask(len(tx.ours.Get(c.Key)) > 0)
		case ours.Value:
			values = append(values, name)
		case ours.Seen:
			room, d := ident.RoomID([]byte(name)), ident.DeviceID([]byte(name[ident.RoomSize:]))
			if err := tx.readElsewhere(room, d, c.Was, tx.ours.Number(c.Key)); err != nil {
				return err
			}
			read = append(read, room)
		case ours.Name, ours.Safety:
		}
	}
	if tx.cfg.Shared != nil && len(values)+len(read) > 0 {
		tx.then(func() { tx.cfg.Shared(values, read) })
	}
	if s := tx.session; s != nil && s.drained && s.open < maxFlying && len(from.Token) > 0 {
		id := ident.NewMessageID()
		env, err := tx.encrypt(g, &wire.Content{Id: id[:], SentAt: tx.now.UnixMilli(), Body: &wire.Receipt{}})
		if err == nil {
			tx.then(func() {
				s.request(&wire.Send{Envelope: env, LiveOnly: true, Targets: []wire.Target{{Device: from.Device[:], Token: from.Token}}},
					func(*txn, wire.ResponseBody, error) error { return nil })
			})
		}
	}
	tx.pumpHome()
	return nil
}

// readElsewhere has the time of messages begin that the owner was shown on another
// device.
func (tx *txn) readElsewhere(room ident.RoomID, d ident.DeviceID, was, upTo uint64) error {
	t, ok := tx.talks[room]
	if !ok {
		return nil
	}
	upTo = min(upTo, t.order.UpTo(d)) // what is not here yet begins when it comes
	for i := range min(upTo-min(was, upTo), order.MaxEarly) {
		seq := upTo - i
		at, rec, content, err := tx.numbered(t, d, seq)
		if err != nil {
			return err
		}
		if at != nil {
			tx.startFading(t, at.Position, rec, content)
		}
	}
	return nil
}
