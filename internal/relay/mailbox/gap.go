package mailbox

import (
	"math/bits"
	"time"
)

// Gap is what the device has not been given: it expired, or found the mailbox
// full (ADR 17).
type Gap struct {
	Count uint64
	// From and To are when the first and the last of it arrived (unix seconds;
	// to the hour for what an earlier process stored), 0 if that is not known.
	From, To int64
	// Generation rises with each change, also over gaps that were confirmed.
	Generation uint64
	// Restored: the server was set back to a backup (ADR 35).
	Restored bool
}

// hourMs is an hour in milliseconds.
const hourMs = int64(time.Hour / time.Millisecond)

// Dies tells when what arrived at a time (unix milliseconds) expires, right to the
// hour and if the clock was: it is a reckoning for people to read. What decides is
// the segment of keys ([Mailbox.Expire]).
func Dies(arrived int64, retention time.Duration) time.Time {
	return time.UnixMilli(arrived - arrived%hourMs).Add(retention)
}

// Expire drops what has waited for the retention time: its segment of keys is not
// among those that live any more (its number is below oldest). Segments die by
// time that nobody can set, so a clock that leaps drops nothing, and one that is
// set back keeps nothing. It counts them in the gap, in one commit, and returns how
// many envelopes that were.
func (m *Mailbox) Expire(now time.Time, oldest uint32, fx Effects) int {
	var out []Record
	for i := range m.items {
		it := &m.items[i]
		if it.state == stored && it.segment < oldest {
			out = append(out, it.record())
		}
	}
	if len(out) == 0 {
		return 0
	}
	m.removeAll(out)
	m.widen(now, out[0].Arrived, out[len(out)-1].Arrived, len(out))
	gap := m.gap
	fx.Forget(Forgetting{Records: out, Gap: &gap})
	m.pump(now, fx)
	return len(out)
}

// missed counts what found the mailbox full. It is written at each doubling of
// the count, so that nobody can make the relay write by sending to a full
// mailbox: a crash may halve the count, but never loses the notice.
func (m *Mailbox) missed(now time.Time, fx Effects) {
	m.widen(now, now.UnixMilli(), now.UnixMilli(), 1)
	if bits.OnesCount64(m.gap.Count) == 1 {
		gap := m.gap
		fx.Forget(Forgetting{Gap: &gap})
	}
}

// Returned notes that the device was off its account's chain for a while: what
// was sent meanwhile is not counted, but it has to be told (ADR 17).
func (m *Mailbox) Returned(g Gap) {
	if m.gap.Count == 0 {
		m.gap = g
	}
}

// widen adds n envelopes that arrived from a time to another (unix
// milliseconds) to the gap.
func (m *Mailbox) widen(now time.Time, from, to int64, n int) {
	if m.gap.Count == 0 || from/1000 < m.gap.From {
		m.gap.From = from / 1000
	}
	m.gap.To = max(m.gap.To, to/1000)
	m.gap.Count += uint64(n) //nolint:gosec // a count
	m.gap.Generation = max(m.gap.Generation+1, uint64(now.UnixMilli()))
}

// Gap returns the gap as it is told at sign-in.
func (m *Mailbox) Gap() Gap { return m.gap }

// AckGap forgets the gap that was told at sign-in, but not what expired since.
// then is called when that is durable, at once if there is nothing to do.
func (m *Mailbox) AckGap(generation uint64, then func(), fx Effects) {
	if m.told.Count == 0 || m.told.Generation != generation {
		then()
		return
	}
	if m.gap.Count -= m.told.Count; m.gap.Count == 0 {
		m.gap = Gap{}
	} else {
		m.gap.From, m.gap.Restored = m.told.To, false
	}
	m.told = Gap{}
	gap := m.gap
	fx.Forget(Forgetting{Gap: &gap, Then: then})
}

// Restore puts back what the store holds, in ascending order of n, before any
// event.
func (m *Mailbox) Restore(rec Record, size int) {
	m.push(item{
		n: rec.N, handle: rec.Handle, segment: rec.Segment, arrived: rec.Arrived, withdraw: rec.Withdraw, state: stored,
		size: uint32(size), //nolint:gosec // checked when it was stored
	})
	m.onDisk++
	m.nextN = rec.N + 1
	m.lastMs = max(m.lastMs, rec.Arrived)
}

// RestoreGap puts back the gap that the store holds.
func (m *Mailbox) RestoreGap(g Gap) { m.gap = g }

// Summary is what a status shows of a mailbox.
type Summary struct {
	Count  int   // envelopes, in memory or stored
	OnDisk int   // of them stored or on their way
	Held   int   // of them in memory alone
	Oldest int64 // arrival of the oldest (unix milliseconds), 0 if none
}

// Summary counts what waits.
func (m *Mailbox) Summary() Summary {
	s := Summary{Count: len(m.items), OnDisk: m.onDisk, Held: m.held}
	if len(m.items) > 0 {
		s.Oldest = m.items[0].arrived
	}
	return s
}

// Records returns what stands in the store, for those who count it by class.
func (m *Mailbox) Records() []Record {
	var out []Record
	for _, it := range m.items {
		if it.state == stored {
			out = append(out, it.record())
		}
	}
	return out
}

// Idle reports whether nothing would be lost if the mailbox were dropped from
// memory and made anew from the store.
func (m *Mailbox) Idle() bool {
	return len(m.items) == 0 && !m.connected && !m.loading && m.gap.Count == 0
}

// HeldBytes is how much is in memory alone.
func (m *Mailbox) HeldBytes() int { return m.heldBytes }

// Readmit opens the mailbox of a device that was removed and that its account's
// recovery brought back.
func (m *Mailbox) Readmit() { m.removed = false }

// Removed reports whether the mailbox has ended.
func (m *Mailbox) Removed() bool { return m.removed }

// InMemory returns what is not in the store yet.
func (m *Mailbox) InMemory() []*Flight {
	var out []*Flight
	for i := range m.items {
		if it := &m.items[i]; it.state != stored {
			out = append(out, it.flight)
		}
	}
	return out
}
