package relay

import (
	"crypto/subtle"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/audience"
	"github.com/byre-messenger/byre/internal/relay/directory"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/relay/session"
	"github.com/byre-messenger/byre/internal/wire"
)

// box is one device's mailbox in memory, with the session that has it.
type box struct {
	relay *Relay
	tag   mailbox.Tag
	pins  atomic.Int32 // who needs the box to stay in memory

	mu      sync.Mutex
	mb      mailbox.Mailbox
	session *Session  // or nil
	since   time.Time // of the session
	counter uint64    // of the newest sign-in
	armed   bool      // a timeout is set
	held    int       // bytes that the relay's memory counts for this box

	// What the directory says of the device, once known. A sign-in or removal
	// sets it after its commit, a reader only what is not known yet: so an old
	// reading never replaces a newer one.
	known   bool
	active  bool
	account ident.AccountID
	hash    [session.HashSize]byte
}

func (b *box) pin()   { b.pins.Add(1) }
func (b *box) unpin() { b.pins.Add(-1) }

// with runs fn on the mailbox and then does what follows from it.
func (b *box) with(fn func(m *mailbox.Mailbox, fx mailbox.Effects)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fn(&b.mb, hands{b})
	b.after()
}

// after keeps timeout and memory in step with the mailbox; b.mu is held.
func (b *box) after() {
	if now := b.mb.HeldBytes(); now != b.held {
		b.relay.memory.Add(int64(now - b.held))
		b.held = now
	}
	if at, ok := b.mb.Deadline(); ok && !b.armed {
		b.armed = true
		b.pin()
		b.relay.timers.Add(at, b)
	}
}

// Due is called when the timeout set by after is over.
func (b *box) Due(now time.Time) {
	b.with(func(m *mailbox.Mailbox, fx mailbox.Effects) {
		b.armed = false
		m.Tick(now, fx)
	})
	b.unpin()
}

// stored tells the mailbox what became of flights; sealed may be shorter where
// sealing failed.
func (b *box) stored(flights []*mailbox.Flight, sealed []mailbox.Sealed, err error) {
	now := b.relay.cfg.Clock.Now()
	b.with(func(m *mailbox.Mailbox, fx mailbox.Effects) {
		for i, f := range flights {
			var at mailbox.Place
			if i < len(sealed) {
				at = sealed[i].Place
			}
			if err == nil {
				b.relay.countStored(f.Class)
			}
			m.Stored(now, f, at, err, fx)
		}
	})
}

// arrive hands an envelope to the mailbox if the target has its delivery token,
// or to its request box. It returns the flight where the caller stores it.
func (b *box) arrive(now time.Time, to *audience.Target, a mailbox.Arrival) (f *mailbox.Flight) {
	b.with(func(m *mailbox.Mailbox, fx mailbox.Effects) {
		switch {
		case to.Request:
			f = b.request(now, m, a, fx)
		case !b.known || !b.active:
			fx.Answer(a.Ticket, wire.OutcomeGone)
		case subtle.ConstantTimeCompare(to.Hash[:], b.hash[:]) != 1:
			fx.Answer(a.Ticket, wire.OutcomeRefused)
		default:
			f = m.Arrive(now, a, fx)
		}
	})
	return f
}

// learn takes what a reader found in the directory, if nothing is known yet.
func (b *box) learn(d *directory.Device) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known || d == nil {
		return
	}
	b.known, b.active, b.account, b.hash = true, d.Active, d.Account, d.Hash
}

// remove ends the mailbox of a device that the chain removed.
func (b *box) remove() {
	b.with(func(m *mailbox.Mailbox, fx mailbox.Effects) {
		b.known, b.active, b.hash = true, false, [session.HashSize]byte{}
		if s := b.session; s != nil {
			b.session = nil
			s.end(Removed)
		}
		m.Remove(fx)
	})
}

// readmit opens the mailbox of a device that the chain has again, if it was
// closed. Nobody has a token for it until the device signs in.
func (b *box) readmit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mb.Removed() {
		b.active = true
		b.mb.Readmit()
	}
}

// load reads records for the mailbox.
func (b *box) load(want []mailbox.Record) {
	got, err := b.relay.records.Load(b.relay.life, b.tag, want)
	b.with(func(m *mailbox.Mailbox, fx mailbox.Effects) {
		if err != nil && b.session != nil {
			b.relay.cfg.Log.Error("waiting envelopes can't be read", slog.Any("err", err), slog.Int("n", len(want)))
			b.session.end(Failed)
		}
		m.Loaded(b.relay.cfg.Clock.Now(), got, err == nil, fx)
	})
	b.unpin()
}

// hands carries out what a mailbox decides; its box is locked meanwhile, so
// nothing here blocks.
type hands struct{ b *box }

func (h hands) Deliver(d mailbox.Delivery) {
	if h.b.session == nil {
		return
	}
	h.b.session.push(&wire.Deliver{
		N: d.Seq, Envelope: d.Envelope, Class: d.Class, Stored: d.Stored,
		WaitedMs: uint64(d.Waited.Milliseconds()), //nolint:gosec // not negative
	})
}

func (h hands) Drained() {
	if h.b.session != nil {
		h.b.session.push(&wire.Drained{})
	}
}

func (h hands) Answer(t mailbox.Ticket, o wire.Outcome) {
	switch {
	case o == wire.OutcomeLive:
		h.b.relay.counters.live.Add(1)
	case o == wire.OutcomeStored && !h.b.relay.records.Sealer.Durable():
		o = wire.OutcomeHeld
	}
	if t.To != nil {
		t.To.Answer(t.Index, o)
	}
}

func (h hands) Store(flights []*mailbox.Flight) {
	h.b.relay.commits.add(op{box: h.b, store: flights})
}

func (h hands) Forget(f mailbox.Forgetting) {
	// The keys first, and now: also where the disk takes no deletion any more
	// nobody can open what was confirmed.
	h.b.relay.records.Forget(h.b.tag, f.Records)
	h.b.relay.commits.add(op{box: h.b, forget: f})
}

func (h hands) Load(records []mailbox.Record) {
	h.b.pin()
	h.b.relay.work.Go(func() { h.b.load(records) })
}
