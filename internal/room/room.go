// Package room is the order of one conversation as one device sees it: the
// numbers its own messages get, the order in which those of others are shown,
// the gaps between them, and the receipts that are owed and that came. It is
// pure: no I/O, no clock. Specification: docs/spec/content.md.
//
// Each sending device numbers its messages in a room from 1 without holes, so
// that a receiver finds exactly what is missing, whoever caused it.
package room

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
)

const (
	// MaxEarly is how many messages of one sender may wait for those before
	// them.
	MaxEarly = 1000
	// MaxLeap is how far a number may lie ahead. What lies farther is shown at
	// once and changes nothing: a broken sender must not blind this device.
	MaxLeap = 1 << 20
	// maxLost is how many spans are remembered per sender; what comes of
	// earlier ones is still shown, but not said to be healed.
	maxLost = 64
	// Patience is how long a hole may stay open before it counts as lost.
	Patience = time.Minute
)

// ErrUnsent says that a receipt confirms what was never sent.
var ErrUnsent = errors.New("receipt for a message that was not sent")

// Span is the numbers From, To and all between.
type Span struct{ From, To uint64 }

// Count is how many numbers the span has.
func (s Span) Count() uint64 { return s.To - s.From + 1 }

// sender is what was received from one device.
type sender struct {
	device ident.DeviceID
	upTo   uint64    // all up to here are shown or lost
	told   uint64    // the part of upTo that the sender knows
	seen   uint64    // the part of upTo that the owner was shown
	seenBy uint64    // the part of seen that the sender knows
	lost   []Span    // ascending
	early  []uint64  // ascending, all above upTo+1
	since  time.Time // when the hole behind upTo was found
}

// reader is how far one device has read this device's messages, and how far its
// owner was shown them.
type reader struct {
	device ident.DeviceID
	upTo   uint64
	seen   uint64
}

// Room is the order of one conversation. It is a value: Apply returns another
// one and leaves its receiver as it was. The zero value is a new conversation.
type Room struct {
	sent    uint64
	senders []sender // by device
	readers []reader // by device
}

// Event is something that happened. The set is closed.
//
//sumtype:decl
type Event interface{ isEvent() }

type (
	// Write asks for the number of a new message of this device.
	Write struct{}
	// Meet says that this device begins to hear a sender after UpTo: it was
	// added when those before had passed. It changes nothing for a sender that
	// was heard before.
	Meet struct {
		Device ident.DeviceID
		UpTo   uint64
	}
	// Arrive says that a message with a number came.
	Arrive struct {
		Device ident.DeviceID
		Seq    uint64
		At     time.Time
	}
	// GiveUp counts holes as lost: those older than Patience, or all where the
	// mailbox is drained and the relay told of a gap.
	GiveUp struct {
		Now time.Time
		All bool
	}
	// Look says that the owner was shown the messages of a device up to Seq, and
	// that its sender may know.
	Look struct {
		Device ident.DeviceID
		Seq    uint64
	}
	// Hush says that the owner wants nobody to learn what they were shown: what no
	// sender knows yet of that is forgotten.
	Hush struct{}
	// Told says that a sender has a receipt of this device: for all up to UpTo,
	// and that the owner was shown those up to Seen.
	Told Receipt
	// Confirm says that a device has read this device's messages up to UpTo, and
	// that its owner was shown those up to Seen.
	Confirm Receipt
)

func (Write) isEvent()   {}
func (Meet) isEvent()    {}
func (Arrive) isEvent()  {}
func (GiveUp) isEvent()  {}
func (Look) isEvent()    {}
func (Hush) isEvent()    {}
func (Told) isEvent()    {}
func (Confirm) isEvent() {}

// Effect is what the caller must do next.
type Effect interface{ Run(r Runner) error }

// Runner carries effects out, in their order. It has one method an effect.
type Runner interface {
	// Assign gives the new message its number.
	Assign(Assign) error
	// Hold keeps a message until its turn.
	Hold(Hold) error
	// Show shows a message: the one that came, or one that was held.
	Show(Show) error
	// Double is about a message that was shown before, if it has the same id;
	// with another id it is to be shown all the same.
	Double(Double) error
	// Lose tells that messages are given up.
	Lose(Lose) error
	// Read tells that own messages were read.
	Read(Read) error
}

type (
	// Assign is an effect: see [Runner].
	Assign struct{ Seq uint64 }
	// Hold is an effect: see [Runner].
	Hold struct {
		Device ident.DeviceID
		Seq    uint64
	}
	// Show is an effect: see [Runner].
	Show struct {
		Device ident.DeviceID
		Seq    uint64
		// Held: it was kept since it came.
		Held bool
		// Healed: it was counted as lost before.
		Healed bool
	}
	// Double is an effect: see [Runner].
	Double struct {
		Device ident.DeviceID
		Seq    uint64
	}
	// Lose is an effect: see [Runner].
	Lose struct {
		Device ident.DeviceID
		Span   Span
		// Since is when the hole was found, Until when it was given up.
		Since, Until time.Time
	}
	// Read is an effect: see [Runner].
	Read struct {
		Device ident.DeviceID
		Span   Span
		// Seen: not the device alone, its owner was shown them.
		Seen bool
	}
)

// Run has r carry out e.
func (e Assign) Run(r Runner) error { return r.Assign(e) }

// Run has r carry out e.
func (e Hold) Run(r Runner) error { return r.Hold(e) }

// Run has r carry out e.
func (e Show) Run(r Runner) error { return r.Show(e) }

// Run has r carry out e.
func (e Double) Run(r Runner) error { return r.Double(e) }

// Run has r carry out e.
func (e Lose) Run(r Runner) error { return r.Lose(e) }

// Run has r carry out e.
func (e Read) Run(r Runner) error { return r.Read(e) }

// Apply returns the room after ev and what to do about it. On error the room is
// returned unchanged.
func (r Room) Apply(ev Event) (Room, []Effect, error) {
	switch ev := ev.(type) {
	case Write:
		r.sent++
		return r, []Effect{Assign{r.sent}}, nil
	case Meet:
		if i, ok := r.sender(ev.Device); !ok {
			r.senders = slices.Insert(slices.Clone(r.senders), i, sender{device: ev.Device, upTo: ev.UpTo, told: ev.UpTo})
		}
		return r, nil, nil
	case Arrive:
		return r.arrive(ev)
	case GiveUp:
		return r.giveUp(ev)
	case Look:
		return r.change(ev.Device, func(s *sender) { s.seen = max(s.seen, min(ev.Seq, s.upTo)) }), nil, nil
	case Hush:
		r.senders = slices.Clone(r.senders)
		for i := range r.senders {
			r.senders[i].seen = r.senders[i].seenBy
		}
		return r, nil, nil
	case Told:
		return r.change(ev.Device, func(s *sender) {
			s.told, s.seenBy = max(s.told, min(ev.UpTo, s.upTo)), max(s.seenBy, min(ev.Seen, s.seen))
		}), nil, nil
	case Confirm:
		return r.confirm(ev)
	}
	return r, nil, fmt.Errorf("room: unknown event %T", ev)
}

func (r Room) arrive(ev Arrive) (Room, []Effect, error) {
	i, known := r.sender(ev.Device)
	r.senders = slices.Clone(r.senders)
	if !known {
		r.senders = slices.Insert(r.senders, i, sender{device: ev.Device})
	}
	s := r.senders[i]
	var effects []Effect
	switch {
	case ev.Seq <= s.upTo:
		at := slices.IndexFunc(s.lost, func(l Span) bool { return l.From <= ev.Seq && ev.Seq <= l.To })
		if at < 0 {
			return r, []Effect{Double{ev.Device, ev.Seq}}, nil
		}
		s.lost = without(s.lost, at, ev.Seq)
		effects = []Effect{Show{Device: ev.Device, Seq: ev.Seq, Healed: true}}
	case ev.Seq == s.upTo+1:
		s.upTo++
		effects = s.release([]Effect{Show{Device: ev.Device, Seq: ev.Seq}}, ev.At)
	case ev.Seq-s.upTo > MaxLeap:
		return r, []Effect{Show{Device: ev.Device, Seq: ev.Seq}}, nil
	default:
		at, held := slices.BinarySearch(s.early, ev.Seq)
		if held {
			return r, []Effect{Double{ev.Device, ev.Seq}}, nil
		}
		if len(s.early) == 0 {
			s.since = ev.At
		}
		s.early = slices.Insert(slices.Clone(s.early), at, ev.Seq)
		effects = []Effect{Hold{ev.Device, ev.Seq}}
		if len(s.early) > MaxEarly {
			effects = s.lose(effects, ev.At)
		}
	}
	r.senders[i] = s
	return r, effects, nil
}

func (r Room) giveUp(ev GiveUp) (Room, []Effect, error) {
	var effects []Effect
	r.senders = slices.Clone(r.senders)
	for i, s := range r.senders {
		for len(s.early) > 0 && (ev.All || ev.Now.Sub(s.since) >= Patience) {
			effects = s.lose(effects, ev.Now)
		}
		r.senders[i] = s
	}
	return r, effects, nil
}

func (r Room) confirm(ev Confirm) (Room, []Effect, error) {
	if upTo := max(ev.UpTo, ev.Seen); upTo > r.sent {
		return r, nil, fmt.Errorf("%w: %d of %d", ErrUnsent, upTo, r.sent)
	}
	i, known := slices.BinarySearchFunc(r.readers, ev.Device, func(x reader, d ident.DeviceID) int { return bytes.Compare(x.device[:], d[:]) })
	old := reader{device: ev.Device}
	if known {
		old = r.readers[i]
	}
	x, effects := old, []Effect(nil)
	if ev.UpTo > x.upTo {
		x.upTo, effects = ev.UpTo, append(effects, Read{Device: ev.Device, Span: Span{old.upTo + 1, ev.UpTo}})
	}
	if ev.Seen > x.seen {
		x.seen, effects = ev.Seen, append(effects, Read{ev.Device, Span{old.seen + 1, ev.Seen}, true})
	}
	if x == old {
		return r, nil, nil
	}
	r.readers = slices.Clone(r.readers)
	if !known {
		r.readers = slices.Insert(r.readers, i, x)
	}
	r.readers[i] = x
	return r, effects, nil
}

// change returns the room with a sender changed, if it is known.
func (r Room) change(d ident.DeviceID, by func(*sender)) Room {
	if i, ok := r.sender(d); ok {
		r.senders = slices.Clone(r.senders)
		by(&r.senders[i])
	}
	return r
}

// release shows what was held and has its turn now.
func (s *sender) release(effects []Effect, now time.Time) []Effect {
	n := 0
	for n < len(s.early) && s.early[n] == s.upTo+1 {
		s.upTo++
		effects = append(effects, Show{Device: s.device, Seq: s.upTo, Held: true})
		n++
	}
	s.early = slices.Clone(s.early[n:])
	if len(s.early) == 0 {
		s.since = time.Time{}
	} else if n > 0 {
		s.since = now // the next hole has its own minute
	}
	return effects
}

// lose gives the first hole up and shows what waited for it.
func (s *sender) lose(effects []Effect, now time.Time) []Effect {
	span := Span{s.upTo + 1, s.early[0] - 1}
	effects = append(effects, Lose{Device: s.device, Span: span, Since: s.since, Until: now})
	s.lost = append(slices.Clone(s.lost), span)
	if len(s.lost) > maxLost {
		s.lost = s.lost[1:]
	}
	s.upTo = span.To
	return s.release(effects, now)
}

// without returns spans without n, which lies in the one at i.
func without(spans []Span, i int, n uint64) []Span {
	s := spans[i]
	var rest []Span
	if s.From < n {
		rest = append(rest, Span{s.From, n - 1})
	}
	if n < s.To {
		rest = append(rest, Span{n + 1, s.To})
	}
	return slices.Concat(spans[:i], rest, spans[i+1:])
}

func (r Room) sender(d ident.DeviceID) (int, bool) {
	return slices.BinarySearchFunc(r.senders, d, func(s sender, d ident.DeviceID) int { return bytes.Compare(s.device[:], d[:]) })
}
