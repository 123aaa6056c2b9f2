package relay

import (
	"errors"
	"log/slog"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/audience"
	"github.com/byre-messenger/byre/internal/relay/epochlog"
	"github.com/byre-messenger/byre/internal/relay/limit"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// entriesByAccount is how many entries one account may put into one log.
const entriesByAccount = 4

// appendRate is how often an account may append, over all logs.
var appendRate = limit.Rate{Burst: 1000, PerSecond: 0.1}

// entryBy is who appends to which log. It is in memory alone: the store must
// not tell who is in a room. The device is zero where all of the account's are
// counted together.
type entryBy struct {
	account ident.AccountID
	device  ident.DeviceID
	handle  epochlog.Handle
}

// errLost marks the flights of an append that came second.
var errLost = errors.New("another entry was there first")

// reserved is a place in a mailbox for an envelope that is stored with an epoch
// log's entry.
type reserved struct {
	box    *box
	flight *mailbox.Flight
	sealed mailbox.Sealed
}

// late is the time by which epochs end.
func (r *Relay) late() time.Time { return r.time.At(r.keys.Now()) }

func (s *Session) readEpoch(id uint64, m *wire.ReadEpoch) {
	if len(m.Handle) != epochlog.HandleSize {
		s.fail(id, wire.FailureMalformed, "an epoch's handle has 32 bytes")
		return
	}
	if s.ask(id, 1) {
		s.tellEpoch(id, epochlog.Handle(m.Handle), m.From)
	}
}

func (s *Session) tellEpoch(id uint64, h epochlog.Handle, from uint64) {
	page, err := s.relay.epochs.Read(s.relay.life, s.relay.late(), h, from)
	if err != nil {
		s.refuse(id, err)
		return
	}
	s.respond(id, &wire.EpochLog{From: page.From, Entries: page.Entries, Over: page.Over})
}

func (s *Session) appendEpoch(id uint64, m *wire.AppendEpoch) {
	if len(m.Handle) != epochlog.HandleSize || !fits(len(m.Commit), true) {
		s.fail(id, wire.FailureMalformed, "an epoch's handle has 32 bytes, and a commit the size of an envelope")
		return
	}
	p := &appending{session: s, id: id, handle: epochlog.Handle(m.Handle), after: m.After, size: len(m.Commit)}
	size, joining := len(m.Commit), make([]wire.Target, 0, len(m.Welcomes))
	for _, w := range m.Welcomes {
		if w.Target == nil || !fits(len(w.Envelope), true) {
			s.fail(id, wire.FailureMalformed, "a Welcome has a target and the size of an envelope")
			return
		}
		size += len(w.Envelope)
		joining = append(joining, *w.Target)
	}
	targets, ok := s.goal(id, m.Targets, m.Audience)
	if !ok {
		return
	}
	welcomed, ok := s.goal(id, joining, 0)
	if !ok {
		return
	}
	p.members = len(targets)
	targets = append(targets, welcomed...)
	// 1. Whoever comes second is told so before anything is touched.
	page, err := s.relay.epochs.Read(s.relay.life, s.relay.late(), p.handle, 0)
	if err != nil {
		s.refuse(id, err)
		return
	}
	if page.Over || page.Count != m.After {
		s.tellEpoch(id, p.handle, m.After)
		return
	}
	boxes, err := s.relay.boxes(targets)
	if err != nil {
		s.refuse(id, err)
		return
	}
	p.fanOut(m, size, targets, boxes)
	for _, b := range boxes {
		s.relay.router.release(b)
	}
}

// fanOut admits the append and carries it out.
func (p *appending) fanOut(m *wire.AppendEpoch, size int, targets []audience.Target, boxes []*box) {
	s := p.session
	entry, err := s.relay.epochs.Seal(p.handle, p.after, m.Commit)
	if err != nil {
		s.refuse(p.id, err)
		return
	}
	p.entry = entry
	if !p.mayAppend() {
		s.relay.epochs.GiveUp(entry)
		return
	}
	if !s.begin(p.id, size, max(1, len(targets))) {
		p.giveBack()
		return
	}
	a := s.asking(size, targets, p.tell)
	// 2. Every envelope takes its place in its mailbox; nothing behind it is
	// delivered until the append is decided.
	now, commit := s.relay.cfg.Clock.Now(), s.arrival(m.Commit, wire.ClassHandshake)
	for i, b := range boxes {
		arrival := commit
		if i >= p.members {
			arrival = s.arrival(m.Welcomes[i-p.members].Envelope, wire.ClassHandshake)
		}
		arrival.Elsewhere, arrival.Ticket = true, mailbox.Ticket{To: a, Index: i}
		if f := b.arrive(now, &targets[i], arrival); f != nil {
			p.places = append(p.places, reserved{box: b, flight: f})
		}
	}
	// 3. One commit, or none. 4. The mailboxes learn what became of it.
	p.decide()
	a.release()
}

// mayAppend takes from the buckets that an append needs. A device's first entry
// into a log is refused by no limit of the log: else a thief on one device, or
// a crowd, could shut others out of their own room (ADR 13).
func (p *appending) mayAppend() bool {
	s, now := p.session, p.session.relay.cfg.Clock.Now()
	if ok, wait := s.relay.appends.Take(now, s.account, 1); !ok {
		s.limited(p.id, wait)
		return false
	}
	if ok, wait := s.relay.commitBytes.Take(now, s.account, float64(p.size)); !ok {
		s.relay.appends.Give(s.account, 1)
		s.limited(p.id, wait)
		return false
	}
	p.counted = entryBy{s.account, s.device, p.handle}
	if ok, _ := s.relay.firsts.Take(now, p.counted, 1); ok {
		p.first = true
		return true
	}
	p.counted.device = ident.DeviceID{}
	ok, wait := s.relay.entries.Take(now, p.counted, 1)
	if ok && p.after >= epochlog.MaxEntries {
		ok, wait = false, s.relay.cfg.Retention
		s.relay.entries.Give(p.counted, 1)
	}
	if !ok {
		s.relay.appends.Give(s.account, 1)
		s.relay.commitBytes.Give(s.account, float64(p.size))
		s.limited(p.id, wait)
	}
	return ok
}

// giveBack returns what an append took that did not enter.
func (p *appending) giveBack() {
	r := p.session.relay
	r.epochs.GiveUp(p.entry)
	r.appends.Give(p.session.account, 1)
	r.commitBytes.Give(p.session.account, float64(p.size))
	if p.first {
		r.firsts.Give(p.counted, 1)
	} else {
		r.entries.Give(p.counted, 1)
	}
}

// appending is one append under way.
type appending struct {
	session *Session
	id      uint64
	handle  epochlog.Handle
	after   uint64
	entry   epochlog.Entry
	size    int // of the commit
	members int // how many targets get the commit; the others get Welcomes
	places  []reserved
	counted entryBy
	first   bool // the device's first entry into this log
	won     bool
	err     error
}

// decide appends, and tells the mailboxes.
func (p *appending) decide() {
	r := p.session.relay
	for i := range p.places {
		place := &p.places[i]
		if place.sealed, p.err = r.records.Seal(place.box.tag, place.flight); p.err != nil {
			break
		}
	}
	if p.err == nil {
		p.won, p.err = p.commit(r)
	}
	err := p.err
	if err != nil {
		// The outcome is unknown. The caller reads the log when it comes back:
		// if its entry stands there it sends the Welcomes again, and members
		// fetch the commit from the log, since their mailboxes drop it.
		r.logFailure(err)
	} else if !p.won {
		err = errLost
		p.giveBack()
	}
	for _, place := range p.places {
		place.box.stored([]*mailbox.Flight{place.flight}, []mailbox.Sealed{place.sealed}, err)
	}
}

// commit appends in a few tries; the log recognises an entry that it has.
func (p *appending) commit(r *Relay) (won bool, err error) {
	also := func(b *store.Batch) {
		for i := range p.places {
			r.records.Put(b, p.places[i].sealed)
		}
	}
	// L1: entry, fan-out and Welcomes. A crash before this commit leaves nothing
	// of the append; one behind it leaves all of it, and the caller finds its
	// entry in the log.
	for _, d := range append([]time.Duration{0}, patience...) {
		if d > 0 && r.cfg.Clock.Sleep(r.life, d) != nil {
			break
		}
		if won, err = r.epochs.Append(r.life, r.late(), p.entry, also); err == nil {
			return won, nil
		}
		r.cfg.Log.Error("an append failed", slog.Any("err", err))
	}
	return false, err
}

// tell answers the request.
func (p *appending) tell(out []wire.DeviceOutcome) {
	switch {
	case p.err != nil:
		p.session.fail(p.id, wire.FailureUnavailable, "the server can't write its data; read the epoch's log before trying again")
	case !p.won:
		p.session.tellEpoch(p.id, p.handle, p.after)
	default:
		p.session.respond(p.id, &wire.EpochAppended{Outcomes: out[:p.members], Welcomes: out[p.members:]})
	}
}
