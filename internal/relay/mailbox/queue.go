package mailbox

import (
	"slices"
	"sort"
	"time"

	"github.com/byre-messenger/byre/internal/wire"
)

// pump delivers what may be delivered now.
func (m *Mailbox) pump(now time.Time, fx Effects) {
	for m.connected {
		if m.draining && (m.cursor == len(m.items) || m.items[m.cursor].n > m.drainTo) {
			m.draining = false
			fx.Drained()
		}
		if m.cursor == len(m.items) {
			break
		}
		it := &m.items[m.cursor]
		if !m.fits(int(it.size), m.windowLen, m.window) {
			break
		}
		f := it.flight
		if f == nil {
			m.load(fx)
			break
		}
		if it.state == storing && f.Class == wire.ClassHandshake {
			break // always stored first
		}
		m.seq++
		it.seq = m.seq
		m.cursor++
		m.windowLen++
		m.window += int(it.size)
		if it.state == stored {
			it.flight = nil // it can be loaded again
		}
		fx.Deliver(Delivery{
			Seq: it.seq, Envelope: f.Envelope, Class: f.Class, Stored: it.state != held,
			Waited: max(0, now.Sub(time.UnixMilli(f.Arrived))),
		})
	}
}

// fits reports whether one more envelope may be delivered. A single one always
// may.
func (*Mailbox) fits(size, n, bytes int) bool {
	return n == 0 || (n < WindowMax && bytes+size <= WindowSize)
}

// load asks for the next envelopes that are in the store alone.
func (m *Mailbox) load(fx Effects) {
	if m.loading {
		return
	}
	var want []Record
	n, bytes := m.windowLen, m.window
	for _, it := range m.items[m.cursor:] {
		if it.flight != nil || !m.fits(int(it.size), n, bytes) {
			break
		}
		want = append(want, it.record())
		n++
		bytes += int(it.size)
	}
	m.loading = true
	fx.Load(want)
}

// spill sends everything that is in memory alone to the store, in order. What
// must never be stored is given up.
func (m *Mailbox) spill(fx Effects) {
	if m.held == 0 {
		return
	}
	out := make([]*Flight, 0, m.held)
	for i := 0; i < len(m.items); i++ {
		it := &m.items[i]
		switch {
		case it.state != held:
		case it.flight.liveOnly:
			fx.Answer(it.flight.ticket, wire.OutcomeGone)
			m.remove(i)
			i--
		default:
			m.unhold(it)
			it.state = storing
			m.onDisk++
			out = append(out, it.flight)
		}
	}
	if len(out) > 0 {
		fx.Store(out)
	}
}

// rewind forgets what was delivered, for the next session.
func (m *Mailbox) rewind() {
	for i := range m.cursor {
		m.items[i].seq = 0
	}
	for i := m.cursor; i < len(m.items); i++ {
		if m.items[i].state == stored {
			m.items[i].flight = nil
		}
	}
	m.cursor, m.seq, m.window, m.windowLen = 0, 0, 0, 0
}

// room reports whether one more envelope fits.
func (m *Mailbox) room(a Arrival) bool {
	count, bytes, size := MaxCount, int64(MaxBytes), int64(len(a.Envelope))
	if a.Class != wire.ClassHandshake {
		count, bytes = count-ReserveCount, bytes-ReserveBytes
	}
	u := m.usage[a.Sender]
	return len(m.items) < count && m.bytes+size <= bytes &&
		(a.Sender == 0 || (u.count < MaxCount/Share && u.bytes+size <= MaxBytes/Share))
}

// Fills tells how many envelopes of a sender are here.
func (m *Mailbox) Fills(sender uint32) int { return m.usage[sender].count }

// push appends an item.
func (m *Mailbox) push(it item) {
	m.items = append(m.items, it)
	m.bytes += int64(it.size)
	if it.sender == 0 {
		return
	}
	if m.usage == nil {
		m.usage = map[uint32]usage{}
	}
	u := m.usage[it.sender]
	m.usage[it.sender] = usage{u.count + 1, u.bytes + int64(it.size)}
}

// leave takes an item out of all counts, but not out of items.
func (m *Mailbox) leave(it *item) {
	m.bytes -= int64(it.size)
	if it.sender != 0 {
		u := m.usage[it.sender]
		if u = (usage{u.count - 1, u.bytes - int64(it.size)}); u.count == 0 {
			delete(m.usage, it.sender)
		} else {
			m.usage[it.sender] = u
		}
	}
	if it.seq != 0 {
		m.windowLen--
		m.window -= int(it.size)
	}
	if it.state == held {
		m.unhold(it)
	} else if m.onDisk--; m.onDisk == 0 {
		m.slow = false
	}
}

func (m *Mailbox) unhold(it *item) {
	m.held--
	m.heldBytes -= int(it.size)
}

// remove takes out the item at i.
func (m *Mailbox) remove(i int) {
	m.leave(&m.items[i])
	if i < m.cursor {
		m.cursor--
	}
	m.items = slices.Delete(m.items, i, i+1)
}

// removeAll takes out many, which are in ascending order of n.
func (m *Mailbox) removeAll(gone []Record) {
	kept, cursor := m.items[:0], m.cursor
	for i := range m.items {
		it := m.items[i]
		if len(gone) > 0 && it.n == gone[0].N {
			gone = gone[1:]
			m.leave(&it)
			if i < m.cursor {
				cursor--
			}
			continue
		}
		kept = append(kept, it)
	}
	clear(m.items[len(kept):])
	m.items, m.cursor = kept, cursor
}

// cut drops the first n items, which have left the counts; the cursor is not
// before them.
func (m *Mailbox) cut(n int) {
	clear(m.items[:n]) // lets go of envelopes
	m.items = m.items[n:]
	m.cursor -= n
	if len(m.items) == 0 {
		m.items = nil
		m.usage = nil
	}
}

// find returns where the item n is.
func (m *Mailbox) find(n uint64) (int, bool) {
	i := sort.Search(len(m.items), func(i int) bool { return m.items[i].n >= n })
	return i, i < len(m.items) && m.items[i].n == n
}

func (it *item) record() Record {
	return Record{N: it.n, Place: Place{it.handle, it.segment}, Arrived: it.arrived, Withdraw: it.withdraw}
}
