package mailbox_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/wire"
)

// hours is how many of them a segment of keys lives.
const hours = 72

// sent is an envelope as its sender knows it.
type sent struct {
	id       int
	class    wire.Class
	liveOnly bool
	answers  []wire.Outcome
	read     int  // how often the device confirmed it
	lost     bool // a crash came before its answer
	expired  bool
	started  bool // a store was asked for

	withdrawn bool // it must not be delivered any more
	recalled  bool // it was withdrawn once, whatever a crash did to that
}

// op is something the mailbox asked of the store and that is not done yet.
type op struct {
	flight *mailbox.Flight
	forget *mailbox.Forgetting
}

// model is a mailbox with a device, senders and a store around it, each moved
// by the test.
type model struct {
	t   *rapid.T
	mb  *mailbox.Mailbox
	now time.Time

	sent  []*sent
	ops   []op // in the order asked
	own   []*mailbox.Flight
	loads [][]mailbox.Record
	disk  map[uint64]int // n -> id
	at    map[uint64]int64
	// segments of keys, by n, and the lowest that lives.
	segments map[uint64]uint32
	oldest   uint32
	diskGap  mailbox.Gap

	connected bool
	seq       uint64
	got       []int // ids delivered in this session, by seq-1
	acked     uint64
	drained   int
	before    int   // the last id when the session began
	first     []int // ids in order of their first delivery since the last crash
	removed   bool
}

var began = time.Date(2026, 11, 1, 0, 20, 0, 0, time.UTC)

func newModel(t *rapid.T) *model {
	return &model{
		t: t, mb: &mailbox.Mailbox{}, now: began,
		disk: map[uint64]int{}, at: map[uint64]int64{}, segments: map[uint64]uint32{},
	}
}

// The effects.

func (m *model) Deliver(d mailbox.Delivery) {
	if !m.connected {
		m.t.Fatal("delivered to a device that is away")
	}
	if m.seq++; d.Seq != m.seq {
		m.t.Fatalf("delivery %d after %d", d.Seq, m.seq-1)
	}
	id := number(d.Envelope)
	if m.sent[id].withdrawn {
		m.t.Fatalf("%d was withdrawn and is delivered", id)
	}
	if n := len(m.got); n > 0 && m.got[n-1] >= id {
		m.t.Fatalf("%d delivered after %d", id, m.got[n-1])
	}
	if d.Class != m.sent[id].class {
		m.t.Fatalf("%d delivered as %s", id, d.Class)
	}
	if d.Class == wire.ClassHandshake && !m.kept(id) {
		m.t.Fatal("a handshake was delivered before it was stored")
	}
	if (id > m.before) != (m.drained == 1) {
		m.t.Fatalf("%d delivered, %d waited at the beginning, told %d times that it is drained", id, m.before, m.drained)
	}
	m.got = append(m.got, id)
	if !slices.Contains(m.first, id) {
		m.first = append(m.first, id)
	}
	if n := m.seq - m.acked; n > mailbox.WindowMax {
		m.t.Fatalf("%d deliveries wait for their confirmation", n)
	}
}

func (m *model) Drained() { m.drained++ }

func (m *model) Answer(t mailbox.Ticket, o wire.Outcome) {
	s := m.sent[t.Index]
	s.answers = append(s.answers, o)
	if len(s.answers) > 1 {
		m.t.Fatalf("%d was answered %v", t.Index, s.answers)
	}
	if o == wire.OutcomeLive && s.read == 0 && !m.covered(t.Index) {
		m.t.Fatalf("%d was answered live and the device has not confirmed it", t.Index)
	}
	if o == wire.OutcomeUnknown && (s.read > 0 || m.covered(t.Index)) {
		m.t.Fatalf("%d was confirmed and answered unknown", t.Index)
	}
	if o == wire.OutcomeStored && s.liveOnly {
		m.t.Fatalf("%d is live only and was stored", t.Index)
	}
}

// covered reports whether the confirmation that is being handled is for id.
func (m *model) covered(id int) bool {
	i := slices.Index(m.got, id)
	return i >= 0 && uint64(i) < m.acked
}

func (m *model) Store(flights []*mailbox.Flight) {
	for _, f := range flights {
		m.sent[number(f.Envelope)].started = true
		m.ops = append(m.ops, op{flight: f})
	}
}

func (m *model) Forget(f mailbox.Forgetting) { m.ops = append(m.ops, op{forget: &f}) }

func (m *model) Load(records []mailbox.Record) {
	if len(records) == 0 {
		m.t.Fatal("a load of nothing")
	}
	if len(m.loads) > 0 {
		m.t.Fatal("two loads at a time")
	}
	m.loads = append(m.loads, records)
}

func number(envelope []byte) (id int) {
	if _, err := fmt.Sscanf(string(envelope), "%d", &id); err != nil {
		panic(err)
	}
	return id
}

// The actions.

func (m *model) arrive(t *rapid.T) {
	s := &sent{id: len(m.sent)}
	m.sent = append(m.sent, s)
	a := mailbox.Arrival{Envelope: fmt.Append(nil, s.id), Sender: 1, Ticket: mailbox.Ticket{Index: s.id}}
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		a.Class = wire.ClassHandshake
	case 1:
		a.Class, a.Elsewhere = wire.ClassHandshake, true
	case 2:
		a.LiveOnly = true
	case 3:
		a.Tight = true
	}
	s.class, s.liveOnly = a.Class, a.LiveOnly
	a.Withdraw = withdrawTag(s)
	f := m.mb.Arrive(m.now, a, m)
	if a.Elsewhere && f != nil {
		m.own = append(m.own, f)
	}
}

func (m *model) connect(*rapid.T) {
	if m.removed {
		return
	}
	m.mb.Expire(m.now, m.oldest, m)
	m.connected, m.seq, m.got, m.acked, m.drained, m.before = true, 0, nil, 0, 0, len(m.sent)-1
	m.mb.Connect()
	m.mb.Resume(m.now, m)
}

func (m *model) disconnect(*rapid.T) {
	m.connected = false
	m.mb.Disconnect(m)
}

func (m *model) ack(t *rapid.T) {
	if !m.connected || m.seq == m.acked {
		return
	}
	m.acked = rapid.Uint64Range(m.acked, m.seq).Draw(t, "n")
	for _, id := range m.got[:m.acked] {
		m.sent[id].read++
	}
	if _, err := m.mb.Ack(m.now, m.acked, m); err != nil {
		t.Fatal(err)
	}
	if _, err := m.mb.Ack(m.now, m.seq+1, m); !errors.Is(err, mailbox.ErrNeverDelivered) {
		t.Fatalf("a confirmation of what was never delivered: %v", err)
	}
}

func (m *model) pass(t *rapid.T) {
	m.now = m.now.Add(rapid.SampledFrom([]time.Duration{time.Second, 6 * time.Second, time.Hour, 30 * time.Hour}).Draw(t, "time"))
	m.mb.Tick(m.now, m)
	if at, ok := m.mb.Deadline(); ok && !at.After(m.now) {
		t.Fatal("a deadline is left behind")
	}
	if gone := m.segment() - hours + 1; m.now.Sub(began) >= hours*time.Hour {
		m.oldest = max(m.oldest, gone)
	}
	m.mb.Expire(m.now, m.oldest, m)
	for _, rec := range m.mb.Records() {
		if rec.Segment < m.oldest {
			t.Fatal("something waits past its time")
		}
	}
}

// commit does the next thing that the store was asked for.
func (m *model) commit(t *rapid.T) {
	if len(m.ops) == 0 {
		return
	}
	o := m.ops[0]
	how := rapid.IntRange(0, 5).Draw(t, "how") // 0: fails before, 1: fails behind its effect
	if o.forget != nil {
		if how == 0 {
			return // repeated later
		}
		m.ops = m.ops[1:]
		m.forget(*o.forget)
		return
	}
	m.ops = m.ops[1:]
	m.store(o.flight, how)
}

// elsewhere decides an append.
func (m *model) elsewhere(t *rapid.T) {
	if len(m.own) == 0 {
		return
	}
	f := m.own[0]
	m.own = m.own[1:]
	m.store(f, rapid.IntRange(0, 5).Draw(t, "how"))
}

func (m *model) store(f *mailbox.Flight, how int) {
	if how != 0 {
		if _, twice := m.disk[f.N]; twice {
			m.t.Fatalf("place %d is written twice", f.N)
		}
		m.disk[f.N], m.at[f.N], m.segments[f.N] = number(f.Envelope), f.Arrived, m.segment()
	}
	var err error
	if how < 2 {
		err = errors.New("the disk failed")
	}
	m.mb.Stored(m.now, f, mailbox.Place{Handle: f.N + 1000, Segment: m.segment()}, err, m)
}

func (m *model) forget(f mailbox.Forgetting) {
	for _, rec := range f.Records {
		if id, ok := m.disk[rec.N]; ok && f.Gap != nil && f.Gap.Count > 0 {
			m.sent[id].expired = true
		}
		delete(m.disk, rec.N)
	}
	if f.Gap != nil {
		m.diskGap = *f.Gap
	}
	if f.Then != nil {
		f.Then()
	}
}

func (m *model) load(t *rapid.T) {
	if len(m.loads) == 0 {
		return
	}
	want := m.loads[0]
	m.loads = nil
	if rapid.IntRange(0, 9).Draw(t, "fails") == 0 {
		m.mb.Loaded(m.now, nil, false, m)
		m.disconnect(t) // as the relay does
		return
	}
	var got []mailbox.Loaded
	for _, rec := range want {
		l := mailbox.Loaded{N: rec.N}
		if id, ok := m.disk[rec.N]; ok && m.segments[rec.N] >= m.oldest {
			l.Arrived, l.Class, l.Envelope = m.at[rec.N], m.sent[id].class, fmt.Append(nil, id)
		} else if ok {
			l.Expired = true
		}
		got = append(got, l)
	}
	m.mb.Loaded(m.now, got, true, m)
}

func (m *model) ackGap(*rapid.T) {
	done := false
	m.mb.AckGap(m.mb.Gap().Generation, func() { done = true }, m)
	_ = done
}

// crash loses all that is in memory and starts again from the store.
func (m *model) crash(t *rapid.T) {
	if m.removed {
		return
	}
	for _, o := range m.ops {
		// What was asked for may have become durable without an answer.
		if rapid.Bool().Draw(t, "durable") {
			if o.flight != nil {
				m.disk[o.flight.N], m.at[o.flight.N], m.segments[o.flight.N] = number(o.flight.Envelope), o.flight.Arrived, m.segment()
			} else {
				m.forget(*o.forget)
			}
			continue
		}
		break // the log of a store is cut at one place
	}
	for _, s := range m.sent {
		if len(s.answers) == 0 {
			s.lost = true
		}
		s.withdrawn = false // it may come back, if its deletion was not durable
	}
	m.ops, m.own, m.loads, m.connected, m.first = nil, nil, nil, false, nil
	m.mb = &mailbox.Mailbox{}
	for _, n := range slices.Sorted(keys(m.disk)) {
		m.mb.Restore(mailbox.Record{
			N: n, Place: mailbox.Place{Handle: n + 1000, Segment: m.segments[n]}, Arrived: m.at[n] / 3600000 * 3600000,
			Withdraw: withdrawTag(m.sent[m.disk[n]]),
		}, len(fmt.Append(nil, m.disk[n])))
	}
	m.mb.RestoreGap(m.diskGap)
	m.mb.Expire(m.now, m.oldest, m)
}

func keys(disk map[uint64]int) func(func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for n := range disk {
			if !yield(n) {
				return
			}
		}
	}
}

// check holds after every action.
func (m *model) check(t *rapid.T) {
	for _, s := range m.sent {
		if len(s.answers) == 0 || s.answers[0] != wire.OutcomeStored || s.read > 0 || s.expired || s.recalled {
			continue
		}
		if !m.kept(s.id) {
			t.Fatalf("%d was answered stored and is nowhere", s.id)
		}
	}
	if !m.connected && m.mb.Summary().Held > 0 {
		t.Fatal("the device is away, and something is in memory alone")
	}
	if !slices.IsSorted(m.first) {
		t.Fatalf("first deliveries out of order: %v", m.first)
	}
}

// kept reports whether an envelope is on the disk, or leaves it by expiry.
func (m *model) kept(id int) bool {
	for _, at := range m.disk {
		if at == id {
			return true
		}
	}
	return m.removed
}

// TestDeliveredOrDurable plays random lives of a mailbox and then lets its
// device read: what a sender was told is stored or live was confirmed, counted
// as expired, or is read now; everybody is answered once; the order holds.
func TestDeliveredOrDurable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"arrive": m.arrive, "arrive too": m.arrive, "arrive as well": m.arrive,
			"connect": m.connect, "connect too": m.connect, "disconnect": m.disconnect,
			"ack": m.ack, "ack too": m.ack, "pass": m.pass,
			"commit": m.commit, "commit too": m.commit, "commit as well": m.commit, "elsewhere": m.elsewhere,
			"load": m.load, "load too": m.load, "die": m.die, "withdraw": m.withdraw, "ackGap": m.ackGap, "crash": m.crash, "": m.check,
		})
		m.finish()
	})
}

// finish lets everything come to an end without further trouble.
func (m *model) finish() {
	m.connect(m.t)
	for range 100_000 {
		switch {
		case len(m.own) > 0:
			f := m.own[0]
			m.own = m.own[1:]
			m.store(f, 2)
		case len(m.ops) > 0 && m.ops[0].forget != nil:
			o := m.ops[0]
			m.ops = m.ops[1:]
			m.forget(*o.forget)
		case len(m.ops) > 0:
			o := m.ops[0]
			m.ops = m.ops[1:]
			m.store(o.flight, 2)
		case len(m.loads) > 0:
			m.loadAll()
		case m.acked < m.seq:
			m.acked = m.seq
			for _, id := range m.got {
				m.sent[id].read++
			}
			if _, err := m.mb.Ack(m.now, m.acked, m); err != nil {
				m.t.Fatal(err)
			}
		default:
			m.verdict()
			return
		}
	}
	m.t.Fatal("it does not come to an end")
}

func (m *model) loadAll() {
	want := m.loads[0]
	m.loads = nil
	var got []mailbox.Loaded
	for _, rec := range want {
		l := mailbox.Loaded{N: rec.N}
		if id, ok := m.disk[rec.N]; ok && m.segments[rec.N] >= m.oldest {
			l.Arrived, l.Class, l.Envelope = m.at[rec.N], m.sent[id].class, fmt.Append(nil, id)
		} else if ok {
			l.Expired = true
		}
		got = append(got, l)
	}
	m.mb.Loaded(m.now, got, true, m)
}

func (m *model) verdict() {
	if m.drained != 1 {
		m.t.Fatalf("told %d times that it is drained", m.drained)
	}
	if len(m.disk) > 0 || m.mb.Summary() != (mailbox.Summary{}) {
		m.t.Fatalf("all was confirmed and %v is left, %+v", m.disk, m.mb.Summary())
	}
	for _, s := range m.sent {
		switch {
		case len(s.answers) == 0 && !s.lost:
			m.t.Fatalf("%d was never answered", s.id)
		case len(s.answers) == 0:
		case (s.answers[0] == wire.OutcomeStored || s.answers[0] == wire.OutcomeLive) && s.read == 0 && !s.expired && !s.recalled:
			m.t.Fatalf("%d was answered %s and never read", s.id, s.answers[0])
		case s.liveOnly && s.started:
			m.t.Fatalf("%d is live only and went to the store", s.id)
		}
	}
}
