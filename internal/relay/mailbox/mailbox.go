// Package mailbox is the rule by which envelopes reach one device: delivered or
// durable (docs/spec/relay.md, Mailbox). [Mailbox] is a state machine without
// clock and I/O; what is to be done outside it tells through [Effects].
// [Records] are what of it stands in the store.
package mailbox

import (
	"errors"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/wire"
)

// Bounds of a mailbox.
const (
	MaxCount     = 20_000    // envelopes
	MaxBytes     = 256 << 20 // bytes of envelopes
	Share        = 5         // one account may fill a fifth
	ReserveCount = 2_000     // envelopes of room that messages leave to handshake
	ReserveBytes = 16 << 20  // bytes of it
	WindowMax    = 256       // deliveries that wait for their Ack
	WindowSize   = 4 << 20   // bytes of them
	HeldMax      = 1024      // envelopes that are in memory alone
	HeldSize     = 4 << 20   // bytes of them
	AckTimeout   = 10 * time.Second
)

// ErrNeverDelivered says that a device confirmed what it was not given.
var ErrNeverDelivered = errors.New("a confirmation of something never delivered")

// Ticket names one answer that is owed. The machine gives each back once.
type Ticket struct {
	To    Asker
	Index int // which of the asker's targets this is
}

// Asker is who waits for outcomes.
type Asker interface {
	// Answer tells the outcome for one target, once. It does not block.
	Answer(index int, o wire.Outcome)
}

// Arrival is an envelope that comes in.
type Arrival struct {
	Envelope []byte // kept, and must not change any more
	Class    wire.Class
	LiveOnly bool
	// Sender counts what one account fills; 0 is not counted.
	Sender uint32
	// Withdraw is the tag by which it is withdrawn; 0: by nothing.
	Withdraw uint64
	Ticket   Ticket
	// Tight asks to hold nothing more in memory: what could be live is stored.
	Tight bool
	// NoRoom says that the disk is full: what would be stored is refused, and
	// counts into the gap.
	NoRoom bool
	// Elsewhere says that the caller stores the envelope in a commit of its own
	// and tells the outcome by Stored.
	Elsewhere bool
}

// Flight is an envelope in memory. It belongs to the machine; whoever stores it
// reads the exported fields.
type Flight struct {
	N        uint64 // place in the mailbox, never given twice while it is kept
	Arrived  int64  // unix milliseconds, never before that of a lower N
	Class    wire.Class
	Envelope []byte
	Withdraw uint64 // the tag by which it is withdrawn

	liveOnly bool
	ticket   Ticket
	fate     fate
}

// fate is what became of an envelope while it was on its way to the store.
type fate uint8

const (
	expected  fate = iota // it still waits here
	confirmed             // the device confirmed it
	unwanted              // the device was removed, or it was withdrawn
)

// Delivery is one envelope for the device.
type Delivery struct {
	Seq      uint64 // counts from 1 in each session
	Envelope []byte
	Class    wire.Class
	Stored   bool
	Waited   time.Duration
}

// Place is where the key of a record is, as the sealer says.
type Place struct {
	Handle  uint64
	Segment uint32 // the hour of keys that it dies with
}

// Record names what is stored of one envelope.
type Record struct {
	Place

	N        uint64
	Arrived  int64  // unix milliseconds; right to the hour
	Withdraw uint64 // the tag by which it is withdrawn
}

// Forgetting is what goes from the store in one commit.
type Forgetting struct {
	Records []Record
	// Gap, unless nil, is the mailbox's gap from then on; a count of 0 is none.
	Gap *Gap
	// Then, unless nil, is called when the commit is durable.
	Then func()
}

// Effects carries out what a mailbox decides, in the order of the calls. It
// must not call the mailbox. What is stored, forgotten and loaded happens later;
// stores and forgets of one mailbox must happen in the order in which they were
// asked for, and a forget is repeated until it succeeds.
type Effects interface {
	// Deliver hands an envelope to the connected device.
	Deliver(d Delivery)
	// Drained tells the device that it has all that waited at its sign-in.
	Drained()
	// Answer tells a sender the outcome.
	Answer(t Ticket, o wire.Outcome)
	// Store makes flights durable; Stored is called with the outcome of each.
	Store(flights []*Flight)
	// Forget destroys the keys of records at once, and then deletes the records
	// and sets the gap in one commit.
	Forget(f Forgetting)
	// Load reads records; Loaded is called with what they hold.
	Load(records []Record)
}

// state is where an envelope is.
type state uint8

const (
	held    state = iota // in memory alone
	storing              // in memory, on its way to the store
	stored               // in the store, perhaps in memory too
)

// item is one envelope of the mailbox. Those that only wait have no flight.
type item struct {
	n, handle uint64
	seq       uint64 // number of its delivery in this session, 0: not delivered
	arrived   int64
	withdraw  uint64
	sender    uint32
	size      uint32
	segment   uint32
	state     state
	flight    *Flight
}

// Mailbox is the mailbox of one device. Its zero value is empty and its device
// away. It is for one goroutine at a time.
type Mailbox struct {
	// items are in order of n. The first cursor of them were delivered in this
	// session, with ascending seq.
	items  []item
	cursor int
	nextN  uint64
	lastMs int64 // arrival of the last item ever
	bytes  int64
	usage  map[uint32]usage

	held, heldBytes   int // items in memory alone
	oldestHeld        int64
	onDisk            int // items stored or on their way
	window, windowLen int // bytes and number of what was delivered and not confirmed

	connected bool
	slow      bool // the device did not confirm in time: what comes is stored
	loading   bool
	stopping  bool
	removed   bool
	seq       uint64 // of the last delivery
	drainTo   uint64 // n of the last item at sign-in
	draining  bool

	gap, told Gap
}

// usage is what one account fills.
type usage struct {
	count int
	bytes int64
}

// Arrive takes an envelope in. It returns its flight where the caller stores it
// (Elsewhere), and nil if the answer was given already.
func (m *Mailbox) Arrive(now time.Time, a Arrival, fx Effects) *Flight {
	store := a.Class == wire.ClassHandshake || !m.connected || m.slow || m.stopping || a.Tight
	switch {
	case m.removed, a.LiveOnly && (!m.connected || m.slow || m.stopping || a.Tight):
		fx.Answer(a.Ticket, wire.OutcomeGone)
		return nil
	case !m.room(a), store && a.NoRoom:
		fx.Answer(a.Ticket, wire.OutcomeFull)
		if !a.LiveOnly {
			m.missed(now, fx)
		}
		return nil
	}
	m.nextN = max(m.nextN, 1)
	m.lastMs = max(m.lastMs, now.UnixMilli())
	f := &Flight{N: m.nextN, Arrived: m.lastMs, Class: a.Class, Envelope: a.Envelope, Withdraw: a.Withdraw, liveOnly: a.LiveOnly, ticket: a.Ticket}
	m.nextN++
	m.push(item{n: f.N, arrived: f.Arrived, withdraw: f.Withdraw, sender: a.Sender, size: uint32(len(a.Envelope)), flight: f}) //nolint:gosec // a frame has at most 1 MiB
	if store {
		m.items[len(m.items)-1].state = storing
		m.onDisk++
		if !a.Elsewhere {
			fx.Store([]*Flight{f})
		}
		m.pump(now, fx)
		return f
	}
	if m.held == 0 {
		m.oldestHeld = f.Arrived
	}
	m.held++
	m.heldBytes += len(a.Envelope)
	m.pump(now, fx)
	if m.held > HeldMax || m.heldBytes > HeldSize {
		m.spill(fx)
		m.slow = m.onDisk > 0
	}
	return nil
}

// Connect begins a session: what was delivered in an earlier one and not
// confirmed is delivered anew. It returns how many envelopes wait. The caller
// tells the device so, and then calls Resume.
func (m *Mailbox) Connect() (waiting int) {
	m.rewind()
	m.connected, m.slow, m.draining = true, false, true
	m.drainTo = 0
	if len(m.items) > 0 {
		m.drainTo = m.items[len(m.items)-1].n
	}
	m.told = m.gap
	return len(m.items)
}

// Resume begins to deliver.
func (m *Mailbox) Resume(now time.Time, fx Effects) { m.pump(now, fx) }

// Ack takes the device's confirmation of all deliveries up to seq, and returns
// how many envelopes that were.
func (m *Mailbox) Ack(now time.Time, seq uint64, fx Effects) (int, error) {
	if seq > m.seq {
		return 0, ErrNeverDelivered
	}
	var gone []Record
	n := 0
	for ; n < m.cursor && m.items[n].seq <= seq; n++ {
		it := &m.items[n]
		m.leave(it)
		switch it.state {
		case held:
			fx.Answer(it.flight.ticket, wire.OutcomeLive)
		case storing:
			it.flight.fate = confirmed
		case stored:
			gone = append(gone, it.record())
		}
	}
	m.cut(n)
	if len(gone) > 0 {
		fx.Forget(Forgetting{Records: gone})
	}
	m.pump(now, fx)
	return n, nil
}

// Disconnect ends the session: what is in memory alone is stored.
func (m *Mailbox) Disconnect(fx Effects) {
	m.rewind()
	m.connected, m.slow, m.draining = false, false, false
	m.spill(fx)
}

// Stop makes everything that comes from now on, and all that is in memory
// alone, go to the store.
func (m *Mailbox) Stop(fx Effects) {
	m.stopping = true
	m.spill(fx)
}

// Deadline tells when Tick must be called next; false: it need not.
func (m *Mailbox) Deadline() (time.Time, bool) {
	return time.UnixMilli(m.oldestHeld).Add(AckTimeout), m.held > 0
}

// Tick stores everything that is in memory alone if the device took too long to
// confirm the oldest of it.
func (m *Mailbox) Tick(now time.Time, fx Effects) {
	if m.held == 0 {
		return
	}
	i := slices.IndexFunc(m.items, func(it item) bool { return it.state == held })
	m.oldestHeld = m.items[i].arrived
	if due, _ := m.Deadline(); !due.After(now) {
		m.spill(fx)
		m.slow = m.onDisk > 0
		m.pump(now, fx)
	}
}

// Stored tells what became of a flight on its way to the store. at is where the
// sealer has its key. If err is not nil nothing is known to be durable.
func (m *Mailbox) Stored(now time.Time, f *Flight, at Place, err error, fx Effects) {
	rec := Record{N: f.N, Place: at, Arrived: f.Arrived}
	switch {
	case f.fate == unwanted:
		fx.Answer(f.ticket, wire.OutcomeGone)
	case f.fate == confirmed && err != nil:
		fx.Answer(f.ticket, wire.OutcomeLive)
	case err == nil:
		fx.Answer(f.ticket, wire.OutcomeStored)
	default:
		fx.Answer(f.ticket, wire.OutcomeUnknown)
	}
	f.ticket = Ticket{}
	if i, ok := m.find(f.N); ok {
		if err == nil {
			it := &m.items[i]
			it.state, it.handle, it.segment = stored, at.Handle, at.Segment
			if !m.connected || it.seq != 0 || i > m.cursor+WindowMax {
				it.flight = nil // it can be loaded again
			}
			m.pump(now, fx)
			return
		}
		m.remove(i)
	}
	// Confirmed, unwanted, or failed: whatever the store has of it goes.
	fx.Forget(Forgetting{Records: []Record{rec}})
	m.pump(now, fx)
}

// Loaded is a record as it was read.
type Loaded struct {
	N        uint64
	Arrived  int64 // exact
	Class    wire.Class
	Envelope []byte // nil: the record or its key is gone
	// Expired: the key is gone because its time was over.
	Expired bool
}

// Loaded tells what was read. If ok is false the read failed, and the caller
// ends the session.
func (m *Mailbox) Loaded(now time.Time, got []Loaded, ok bool, fx Effects) {
	m.loading = false
	if !m.connected || !ok {
		return
	}
	var lost []Record
	var gap *Gap
	for _, l := range got {
		i, there := m.find(l.N)
		if !there || m.items[i].state != stored || m.items[i].seq != 0 {
			continue
		}
		if l.Envelope == nil {
			lost = append(lost, m.items[i].record())
			if l.Expired {
				m.widen(now, m.items[i].arrived, m.items[i].arrived, 1)
				gap = &Gap{}
			}
			m.remove(i)
			continue
		}
		m.items[i].flight = &Flight{N: l.N, Arrived: l.Arrived, Class: l.Class, Envelope: l.Envelope}
	}
	if gap != nil {
		*gap = m.gap
	}
	if len(lost) > 0 {
		fx.Forget(Forgetting{Records: lost, Gap: gap})
	}
	m.pump(now, fx)
}

// Remove ends the mailbox: the chain removed its device.
func (m *Mailbox) Remove(fx Effects) {
	m.removed, m.connected, m.draining = true, false, false
	out := Forgetting{}
	for i := range m.items {
		switch it := &m.items[i]; it.state {
		case held:
			fx.Answer(it.flight.ticket, wire.OutcomeGone)
		case storing:
			it.flight.fate = unwanted
		case stored:
			out.Records = append(out.Records, it.record())
		}
	}
	if m.gap.Count > 0 {
		m.gap = Gap{}
		out.Gap = &Gap{}
	}
	if out.Gap != nil || len(out.Records) > 0 {
		fx.Forget(out)
	}
	*m = Mailbox{removed: true, nextN: m.nextN, lastMs: m.lastMs, loading: m.loading}
}
