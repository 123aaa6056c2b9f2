package rejoin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// What a device is told whose leaf was replaced by one that it does not wait for.
var (
	ErrUnasked = errors.New("a member gave this device a place in the conversation that it had asked for long ago, and that it does not take: it asks the others to bring it back, or begins the conversation anew")
	ErrCopied  = errors.New("something that has the keys of this device took its place in the conversation: somebody may have a copy of this home; remove this device from your account with another one, and register it anew")
)

const (
	// patience is how long what waits to be sent waits for a helper: ten of them
	// had their turn by then.
	patience = 20 * time.Second
	// askAgain is how often a device asks, and hopes how long it does.
	askAgain = 24 * time.Hour
	hopes    = 7 * 24 * time.Hour
)

// Next is what a device does that lost its place in a room.
type Next int

// What it may do.
const (
	// Anew: it begins the conversation anew.
	Anew Next = iota
	// Ask: it asks the members.
	Ask
	// Wait: it has asked, and waits.
	Wait
)

// Asked is what it did so far; the zero value is nothing.
type Asked struct {
	// Since is when it began to ask, At when it asked last; Sent: that has left.
	Since, At time.Time
	Sent      bool
}

// Next tells what follows. members are those that it knew last; waits: something
// is to be sent in the room.
//
// A conversation of two devices is begun anew at once, which costs the other one
// no more than an answer would, and needs nobody to be there. Where there are
// more, they have a group that goes on: the device comes back into it, and begins
// anew only for what it has to say itself, or if nobody could help for a week.
func (a Asked) Next(members []account.Member, waits bool, now time.Time) Next {
	switch {
	case !several(members):
		return Anew
	case a.Since.IsZero():
		return Ask
	case now.Sub(a.Since) >= hopes || waits && now.Sub(a.At) >= patience:
		return Anew
	case !a.Sent || now.Sub(a.At) >= askAgain:
		return Ask
	}
	return Wait
}

// Patient is until when what waits to be sent waits for a helper.
func (a Asked) Patient() time.Time { return a.At.Add(patience) }

// Seal makes of a request what is sent to each member that it is for.
func Seal(box *wire.RejoinBox, members []account.Member, to func(account.Member) bool) (out []*wire.Send, err error) {
	plain := (&wire.Box{Body: box}).Append(nil)
	for _, m := range members {
		if !to(m) || !envelope.IsBoxKey(m.Keys.Box) {
			continue
		}
		sealed, err := envelope.SealBox(m.Keys.Box, plain)
		if err != nil {
			return nil, err
		}
		out = append(out, &wire.Send{Envelope: sealed, Class: wire.ClassHandshake, Targets: []wire.Target{{Device: m.Device[:], Token: m.Token}}})
	}
	return out, nil
}

// Why is what a device is told whose leaf was replaced by one that came back into
// the room ([account.CheckReplaced]): made tells whether it made that leaf for a
// request of its own, held whether the key is still here; nil: by what it asked
// for. A leaf that it did not make was made with its keys all the same.
func Why(made, held bool) error {
	switch {
	case held:
		return nil
	case made:
		return ErrUnasked
	}
	return ErrCopied
}

// Send sends a request. It reports whether somebody will read it.
func Send(ctx context.Context, reqs []*wire.Send, ask func(context.Context, wire.RequestBody) (wire.ResponseBody, error)) (reached bool, err error) {
	for _, req := range reqs {
		body, err := ask(ctx, req)
		if err != nil {
			return false, err
		}
		sent, ok := body.(*wire.Sent)
		if !ok {
			return false, line.ErrAnswer
		}
		reached = reached || waitsFor(sent)
	}
	return reached, nil
}

func waitsFor(sent *wire.Sent) bool {
	return slices.ContainsFunc(sent.Outcomes, func(o wire.DeviceOutcome) bool {
		return o.Outcome == wire.OutcomeLive || o.Outcome == wire.OutcomeStored || o.Outcome == wire.OutcomeHeld || o.Outcome == wire.OutcomeAccepted
	})
}

// several reports whether an account has more than one device in the room.
func several(members []account.Member) bool {
	seen := map[ident.AccountID]bool{}
	for _, m := range members {
		if seen[m.Account] {
			return true
		}
		seen[m.Account] = true
	}
	return false
}
