// Package follow takes a group through the logs of its epochs at the relay: a
// pending commit is offered, what others appended takes its effect, Welcomes
// that the relay may not have are sent again (docs/spec/content.md, ADR 12 and
// 13). It holds no state: each step is durable before the next begins.
package follow

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/client/groups"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/wire"
)

// Session is a signed-in connection and the device behind it.
type Session interface {
	// Ask asks the relay and waits for the answer; a refusal is an error.
	Ask(ctx context.Context, body wire.RequestBody) (wire.ResponseBody, error)
	// Do runs fn as one step of the device. It is durable when Do returns; after
	// an error of fn nothing is written.
	Do(ctx context.Context, fn func(Step) error) error
}

// Step is one step of the device, as far as the group is concerned.
type Step interface {
	// Home is where it writes.
	Home() *home.Tx
	// Now is the device's time.
	Now() time.Time
	// Moved carries out what follows from what the log did to the group.
	Moved(m groups.Moved) error
	// Renew makes a commit pending that renews this device's keys.
	Renew() error
	// Save has the group written.
	Save()
	// Settled goes on with what waited for the log: it was read to its end, or the
	// group is given up.
	Settled() error
}

// maxIdle is how often a log is asked for without coming to another epoch, and
// errEndless what is told then.
const maxIdle = 100

var errEndless = errors.New("the server shows a conversation's log that comes to no end: the message waits; tell the server's operator")

// errUnwelcomed says that the relay does not answer for a Welcome.
var errUnwelcomed = errors.New("the server could not promise to tell a new device of the conversation: it is tried again")

// Append offers a group's pending commit to its epoch's log.
func Append(ctx context.Context, s Session, g *groups.Group) error {
	var req *wire.AppendEpoch
	if err := s.Do(ctx, func(Step) error {
		req = g.Offer()
		return nil
	}); err != nil || req == nil {
		return err
	}
	body, err := s.Ask(ctx, req)
	if err != nil {
		return err
	}
	return s.Do(ctx, func(st Step) error {
		if !g.Offers(req) {
			return nil
		}
		var m groups.Moved
		var err error
		switch body := body.(type) {
		case *wire.EpochAppended:
			// G2: the log has the commit, so the group moves on. A crash before
			// this commit leaves G1; reading the log then tells that it won.
			m, err = g.Confirm(st.Home(), st.Now())
		case *wire.EpochLog:
			if !body.Over && len(body.Entries) == 0 {
				// The log is said to be shorter than what was read of it.
				g.Again()
				st.Save()
				return nil
			}
			m, err = g.Follow(st.Home(), body, st.Now())
		default:
			err = line.ErrAnswer
		}
		if err != nil {
			return err
		}
		return st.Moved(m)
	})
}

// ToTheEnd reads the logs of a group until it is in its last epoch.
func ToTheEnd(ctx context.Context, s Session, g *groups.Group) error {
	f := following{Session: s, g: g}
	for {
		if err := f.welcomeAgain(ctx); err != nil {
			return err
		}
		var req *wire.ReadEpoch
		if err := s.Do(ctx, func(Step) (err error) {
			req, err = f.next()
			return err
		}); err != nil || req == nil {
			return err
		}
		body, err := s.Ask(ctx, req)
		if err != nil {
			return err
		}
		log, ok := body.(*wire.EpochLog)
		if !ok {
			return line.ErrAnswer
		}
		f.offer = false
		// G3: an entry of the log takes effect. A crash before this commit leaves
		// the log to be read again.
		if err := s.Do(ctx, func(st Step) error { return f.read(st, req, log) }); err != nil {
			return err
		}
		if f.offer {
			if err := Append(ctx, s, g); err != nil {
				return err
			}
		}
	}
}

// following is a group whose logs are being read.
type following struct {
	Session
	g *groups.Group

	epoch  uint64
	idle   int  // how often it was asked for in this epoch
	healed bool // a commit of this device's own stands against junk
	offer  bool // there is one to be offered
}

// next is the next question, nil if there is none.
func (f *following) next() (*wire.ReadEpoch, error) {
	g := f.g
	if g.Rec.Over || !g.Unsure() {
		return nil, nil //nolint:nilnil // nothing to ask
	}
	if f.idle++; g.Rec.Epoch != f.epoch {
		f.epoch, f.idle = g.Rec.Epoch, 0
	} else if f.idle > maxIdle {
		return nil, errEndless
	}
	return &wire.ReadEpoch{Handle: g.Handle(), From: g.Rec.Skipped}, nil
}

// read has an answer take its effect.
func (f *following) read(st Step, req *wire.ReadEpoch, log *wire.EpochLog) error {
	g := f.g
	if !bytes.Equal(req.Handle, g.Handle()) {
		return nil // it moved on meanwhile
	}
	m, err := g.Follow(st.Home(), log, st.Now())
	if err != nil {
		return err
	}
	if err := st.Moved(m); err != nil || m.Epoch {
		return err
	} else if m.Lost != nil {
		return st.Settled()
	}
	switch f.offer = g.Offer() != nil; {
	case f.offer:
		return nil
	case len(log.Entries) > 0:
		return nil // there may be more than goes into a frame
	case g.Blocked() && f.healed:
		return errEndless
	case g.Blocked(): // a log with junk alone would end (ADR 13); this is G1
		f.offer, f.healed = true, true
		return st.Renew()
	}
	g.Sure(st.Now())
	st.Save()
	return st.Settled()
}

// welcomeAgain sends the Welcomes that the relay may not have.
func (f *following) welcomeAgain(ctx context.Context) error {
	for {
		var req *wire.Send
		if err := f.Do(ctx, func(Step) error {
			if len(f.g.Rec.Unsent) > 0 {
				w := f.g.Rec.Unsent[0]
				req = &wire.Send{Envelope: w.Envelope, Class: wire.ClassHandshake}
				if w.Target != nil {
					req.Targets = []wire.Target{*w.Target}
				}
			}
			return nil
		}); err != nil || req == nil {
			return err
		}
		body, err := f.Ask(ctx, req)
		if err != nil {
			return err
		}
		if sent, ok := body.(*wire.Sent); !ok || len(sent.Outcomes) == 1 && sent.Outcomes[0].Outcome == wire.OutcomeUnknown {
			return errUnwelcomed
		}
		// G4: the relay has the Welcome. A crash before this commit has it sent
		// once more, and the device that joined knows it.
		if err := f.Do(ctx, func(st Step) error {
			f.g.Welcomed(1)
			st.Save()
			return nil
		}); err != nil {
			return err
		}
	}
}
