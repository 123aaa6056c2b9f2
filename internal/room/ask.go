package room

import (
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Sent is the number of this device's last message, 0 before the first.
func (r Room) Sent() uint64 { return r.sent }

// Receipt confirms all messages of a device up to a number, and those up to Seen
// as shown to the reader's owner.
type Receipt struct {
	Device ident.DeviceID
	UpTo   uint64
	Seen   uint64
}

// Wire is receipts as content carries them.
func Wire(list []Receipt) []wire.Received {
	var out []wire.Received
	for _, r := range list {
		out = append(out, wire.Received{Device: r.Device[:], UpTo: r.UpTo, Seen: r.Seen})
	}
	return out
}

// Owed returns the receipts whose senders do not know them.
func (r Room) Owed() []Receipt {
	var out []Receipt
	for _, s := range r.senders {
		if s.upTo > s.told || s.seen > s.seenBy {
			out = append(out, Receipt{s.device, s.upTo, s.seen})
		}
	}
	return out
}

// Unsaid reports whether a sender does not know yet what the owner was shown of
// its messages.
func (r Room) Unsaid() bool {
	return slices.ContainsFunc(r.senders, func(s sender) bool { return s.seen > s.seenBy })
}

// Heard returns how far each device is known here, this one as self: what a
// device that joins now has to count from.
func (r Room) Heard(self ident.DeviceID) []Receipt {
	out := []Receipt{{Device: self, UpTo: r.sent}}
	for _, s := range r.senders {
		out = append(out, Receipt{Device: s.device, UpTo: s.upTo})
	}
	return out
}

// UpTo is up to which number all messages of another device are shown or lost here.
func (r Room) UpTo(d ident.DeviceID) uint64 {
	if i, ok := r.sender(d); ok {
		return r.senders[i].upTo
	}
	return 0
}

// Due returns when the oldest hole is to be given up; ok is false if there is
// none.
func (r Room) Due() (at time.Time, ok bool) {
	for _, s := range r.senders {
		if len(s.early) > 0 && (!ok || s.since.Add(Patience).Before(at)) {
			at, ok = s.since.Add(Patience), true
		}
	}
	return at, ok
}

// ReadBy returns how far a device has read this device's messages.
func (r Room) ReadBy(d ident.DeviceID) uint64 {
	for _, x := range r.readers {
		if x.device == d {
			return x.upTo
		}
	}
	return 0
}

// SeenBy returns how far the owner of a device was shown this device's messages.
func (r Room) SeenBy(d ident.DeviceID) uint64 {
	for _, x := range r.readers {
		if x.device == d {
			return x.seen
		}
	}
	return 0
}

// Record returns the room as the home keeps it.
func (r Room) Record() *wire.SequenceRecord {
	out := &wire.SequenceRecord{Sent: r.sent}
	for _, s := range r.senders {
		rec := wire.SenderRecord{Device: s.device[:], UpTo: s.upTo, Told: s.told, Early: s.early}
		for _, l := range s.lost {
			rec.Lost = append(rec.Lost, wire.SpanRecord{From: l.From, To: l.To})
		}
		if !s.since.IsZero() {
			rec.WaitingSince = s.since.UnixMilli()
		}
		out.Senders = append(out.Senders, rec)
		if s.seen > 0 {
			out.Shown = append(out.Shown, wire.Received{Device: s.device[:], UpTo: s.seenBy, Seen: s.seen})
		}
	}
	for _, x := range r.readers {
		out.Confirmed = append(out.Confirmed, wire.Received{Device: x.device[:], UpTo: x.upTo, Seen: x.seen})
	}
	return out
}

// FromRecord returns the room that a record tells of.
func FromRecord(rec *wire.SequenceRecord) (Room, error) {
	r := Room{}
	if rec == nil {
		return r, nil
	}
	r.sent = rec.Sent
	for _, s := range rec.Senders {
		d, err := ident.DeviceIDFrom(s.Device)
		if err != nil {
			return Room{}, err
		}
		out := sender{device: d, upTo: s.UpTo, told: s.Told, early: s.Early}
		for _, l := range s.Lost {
			out.lost = append(out.lost, Span{l.From, l.To})
		}
		if s.WaitingSince != 0 {
			out.since = time.UnixMilli(s.WaitingSince)
		}
		r.senders = append(r.senders, out)
	}
	for _, x := range rec.Shown {
		d, err := ident.DeviceIDFrom(x.Device)
		if err != nil {
			return Room{}, err
		}
		r = r.change(d, func(s *sender) { s.seen, s.seenBy = x.Seen, x.UpTo })
	}
	for _, c := range rec.Confirmed {
		d, err := ident.DeviceIDFrom(c.Device)
		if err != nil {
			return Room{}, err
		}
		r.readers = append(r.readers, reader{d, c.UpTo, c.Seen})
	}
	return r, nil
}

// Lacks reports whether a message of a device was given up and never came.
func (r Room) Lacks(d ident.DeviceID, seq uint64) bool {
	i, known := r.sender(d)
	return known && slices.ContainsFunc(r.senders[i].lost, func(l Span) bool { return l.From <= seq && seq <= l.To })
}
