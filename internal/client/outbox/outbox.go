// Package outbox is what waits to be sent: where each message stands at each
// device, and which may go there next. It is pure: the time is given to it.
package outbox

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/again"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// maxKnocks is how many messages go into the request box of a device that
// does not know this one yet; the rest waits for its answer.
const maxKnocks = 3

// Entry is one message of the outbox.
type Entry struct {
	At  uint64 // place in the outbox
	Rec wire.OutboxRecord
	ID  ident.MessageID
	Seq uint64
	// Outcomes tell what became of it; Flying names the devices whose outcome is
	// open in the present session.
	Outcomes map[ident.DeviceID]wire.Outcome
	Flying   map[ident.DeviceID]bool
	Gone     bool // it left the outbox
	Pause    again.Pause
	// Recall is about what the message, if it deletes others, takes back.
	Recall Recall
}

// Recall is how far the relay was asked to take back what a message deletes.
type Recall struct {
	Asked bool // the answer is open in the present session
	Done  bool // nothing is to be asked any more
	Pause again.Pause
}

// New is a message that has no place yet.
func New(id ident.MessageID) *Entry {
	return &Entry{ID: id, Rec: wire.OutboxRecord{Id: id[:]}, Outcomes: map[ident.DeviceID]wire.Outcome{}, Flying: map[ident.DeviceID]bool{}}
}

// Load reads what the home keeps at a place of the outbox.
func Load(at uint64, record []byte) (*Entry, error) {
	var rec wire.OutboxRecord
	if err := rec.Parse(record); err != nil {
		return nil, err
	}
	id, err := ident.MessageIDFrom(rec.Id)
	x := New(id)
	x.At, x.Rec = at, rec
	return x, err
}

// Sort puts what waits in the order of its numbers.
func Sort(list []*Entry) {
	slices.SortFunc(list, func(a, b *Entry) int { return cmp.Compare(a.Seq, b.Seq) })
}

// Without returns the list without an entry.
func Without(list []*Entry, x *Entry) []*Entry {
	return slices.DeleteFunc(list, func(y *Entry) bool { return x == y })
}

// Find returns the entry of a message, nil if there is none.
func Find(list []*Entry, id ident.MessageID) *Entry {
	for _, x := range list {
		if x.ID == id {
			return x
		}
	}
	return nil
}

// Confirmed reports whether the relay answers for the entry at a device.
func (x *Entry) Confirmed(d ident.DeviceID) bool { return told.OutcomeOf(x.Outcomes[d]).Confirmed() }

// Recorded takes the outcomes that a message's record has.
func (x *Entry) Recorded(list []wire.DeviceOutcome) {
	for _, o := range list {
		x.Outcomes[ident.DeviceID(o.Device)] = o.Outcome
	}
}

// Record returns the outcomes as a message's record keeps them.
func (x *Entry) Record() []wire.DeviceOutcome {
	var out []wire.DeviceOutcome
	for d, o := range x.Outcomes {
		out = append(out, wire.DeviceOutcome{Device: d[:], Outcome: o})
	}
	slices.SortFunc(out, func(a, b wire.DeviceOutcome) int { return bytes.Compare(a.Device, b.Device) })
	return out
}

// Answered takes the relay's outcomes for the devices that the entry was sent to.
// What the relay says nothing of is unknown, and of other devices it can say
// nothing. It returns the devices that it answers for now, and the outcome of
// one that it does not answer for: OutcomeLive if there is none.
func (x *Entry) Answered(to []account.Member, said []wire.DeviceOutcome) (confirmed []ident.DeviceID, worst wire.Outcome) {
	worst = wire.OutcomeLive
	for _, m := range to {
		x.Outcomes[m.Device] = wire.OutcomeUnknown
	}
	for _, o := range said {
		d, err := ident.DeviceIDFrom(o.Device)
		if _, asked := x.Outcomes[d]; err != nil || !asked {
			continue
		}
		if x.Outcomes[d] = o.Outcome; x.Confirmed(d) {
			confirmed = append(confirmed, d)
		}
	}
	for _, m := range to {
		if !x.Confirmed(m.Device) {
			worst = x.Outcomes[m.Device]
		}
	}
	return confirmed, worst
}

// Landed notes that the answer for some devices has come.
func (x *Entry) Landed(to []account.Member) {
	for _, m := range to {
		delete(x.Flying, m.Device)
	}
}

// Round is one look at what waits for the members of a group, in the order of
// its numbers. Messages go to a device in that order: one that failed there
// holds back those behind it, until it is tried again.
type Round struct {
	me     ident.DeviceID
	now    time.Time
	held   map[ident.DeviceID]bool
	knocks map[ident.DeviceID]int
}

// NewRound begins a look.
func NewRound(me ident.DeviceID, now time.Time) *Round {
	return &Round{me, now, map[ident.DeviceID]bool{}, map[ident.DeviceID]int{}}
}

// Next returns the members that an entry may be sent to now, and whether it has
// to wait for others. It is asked about one entry after the other.
func (r *Round) Next(x *Entry, members []account.Member) (to []account.Member, open bool) {
	for _, m := range members {
		switch d := m.Device; {
		case d == r.me || x.Confirmed(d):
		case x.Flying[d]:
			open = true
		case len(m.Token) == 0 && (x.Outcomes[d] == wire.OutcomeAccepted || r.knocks[d] >= maxKnocks):
			r.knocks[d]++
			open = true // the receiver decides first
		case r.held[d] || !x.Pause.Over(r.now):
			r.held[d], open = true, true
		default:
			r.knocks[d]++
			to = append(to, m)
		}
	}
	return to, open
}

// Options change how a message is sent.
type Options struct {
	// ReplyTo is the message answered, or zero.
	ReplyTo ident.MessageID
	// ID, unless zero, is the message's; it must be random. Sending again under
	// it is no second message: the first is returned.
	ID ident.MessageID
}
