package relay

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/audience"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/wire"
)

// sizes are those an envelope may have; the last one is for handshake alone.
var sizes = []int{256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10}

const maxMessage = 64 << 10

// goal returns the targets of a request: those named and those of an audience.
func (s *Session) goal(id uint64, named []wire.Target, set uint64) ([]audience.Target, bool) {
	out, err := s.sets.Of(named, set, s.relay.cfg.Limits.Targets, &s.relay.records)
	if err != nil {
		s.notReached(id, err)
	}
	return out, err == nil
}

// asking is a request that waits for the outcomes of its targets.
type asking struct {
	session  *Session
	size     int
	targets  []audience.Target
	outcomes []wire.Outcome
	left     atomic.Int64
	done     func([]wire.DeviceOutcome) // called once, when all are known
}

// asking returns a request that begin admitted. Besides the targets it waits
// for one release, by whoever hands the envelopes out.
func (s *Session) asking(size int, targets []audience.Target, done func([]wire.DeviceOutcome)) *asking {
	a := &asking{session: s, size: size, targets: targets, outcomes: make([]wire.Outcome, len(targets)), done: done}
	a.left.Store(int64(len(targets)) + 1)
	return a
}

// Answer implements [mailbox.Asker].
func (a *asking) Answer(i int, o wire.Outcome) {
	a.outcomes[i] = o
	a.release()
}

func (a *asking) release() {
	if a.left.Add(-1) > 0 {
		return
	}
	out := make([]wire.DeviceOutcome, len(a.targets))
	for i := range a.targets {
		out[i] = wire.DeviceOutcome{Device: a.targets[i].Device[:], Outcome: a.outcomes[i]}
	}
	a.session.done(a.size)
	a.done(out)
}

// begin admits a request that stays open until its outcomes are known.
func (s *Session) begin(id uint64, size, targets int) bool {
	l := s.relay.cfg.Limits
	if s.open.Load() >= int64(l.OpenRequests) || s.openBytes.Load()+int64(size) > int64(l.OpenBytes) {
		s.limited(id, 0)
		return false
	}
	if !s.spend(id, size, targets) {
		return false
	}
	s.open.Add(1)
	s.openBytes.Add(int64(size))
	return true
}

// done lets go of what begin admitted.
func (s *Session) done(size int) {
	s.open.Add(-1)
	s.openBytes.Add(-int64(size))
}

func (s *Session) send(id uint64, m *wire.Send) {
	handshake := m.Class == wire.ClassHandshake
	switch {
	case m.Class != wire.ClassMessage && !handshake:
		s.fail(id, wire.FailureMalformed, "the server does not know this class of envelope")
		return
	case !fits(len(m.Envelope), handshake):
		s.fail(id, wire.FailureMalformed, "an envelope has one of the sizes 256, 1024, 4096, 16384 or 65536 bytes")
		return
	case handshake && m.LiveOnly:
		s.fail(id, wire.FailureMalformed, "a handshake is always stored: it can't be live only")
		return
	case handshake && len(m.Withdraw) > 0:
		s.fail(id, wire.FailureMalformed, "a handshake can't be withdrawn: others may have acted on it")
		return
	}
	targets, ok := s.goal(id, m.Targets, m.Audience)
	if !ok {
		return
	}
	if n := len(m.Withdraw); n > 0 && n != len(targets)*mailbox.WithdrawSize {
		s.fail(id, wire.FailureMalformed, "withdraw has 16 bytes for each target, those of the audience included, or none")
		return
	}
	if !s.begin(id, len(m.Envelope), len(targets)) {
		return
	}
	a := s.asking(len(m.Envelope), targets, func(out []wire.DeviceOutcome) { s.respond(id, &wire.Sent{Outcomes: out}) })
	defer a.release()
	boxes, err := s.relay.boxes(targets)
	if err != nil {
		s.relay.logFailure(err)
		for i := range targets {
			a.Answer(i, wire.OutcomeUnknown)
		}
		return
	}
	now := s.relay.cfg.Clock.Now()
	arrival := s.arrival(m.Envelope, m.Class)
	arrival.LiveOnly = m.LiveOnly
	for i, b := range boxes {
		arrival.Ticket = mailbox.Ticket{To: a, Index: i}
		if len(m.Withdraw) > 0 {
			arrival.Withdraw = s.relay.records.WithdrawTag(b.tag, [mailbox.WithdrawSize]byte(m.Withdraw[i*mailbox.WithdrawSize:]))
		}
		b.arrive(now, &targets[i], arrival)
		s.relay.router.release(b)
	}
}

// arrival is an envelope of this session, copied once for all its targets.
func (s *Session) arrival(envelope []byte, c wire.Class) mailbox.Arrival {
	return mailbox.Arrival{
		Envelope: bytes.Clone(envelope), Class: c, Sender: s.sender,
		Tight:  s.relay.memory.Load() > int64(s.relay.cfg.Limits.Memory),
		NoRoom: s.relay.cfg.Full(),
	}
}

func fits(size int, handshake bool) bool {
	return slices.Contains(sizes, size) && (handshake || size <= maxMessage)
}

// boxes returns the mailboxes of targets, pinned, with what the directory says
// of their devices.
func (r *Relay) boxes(targets []audience.Target) ([]*box, error) {
	boxes := make([]*box, len(targets))
	var missing []int
	for i, t := range targets {
		boxes[i] = r.router.find(t.Tag)
		if !boxes[i].isKnown() {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return boxes, nil
	}
	ids := make([]ident.DeviceID, len(missing))
	for i, at := range missing {
		ids[i] = targets[at].Device
	}
	devices, err := r.directory.Devices(r.life, ids)
	if err != nil {
		for _, b := range boxes {
			r.router.release(b)
		}
		return nil, fmt.Errorf("read devices: %w", err)
	}
	for i, at := range missing {
		boxes[at].learn(devices[i])
	}
	return boxes, nil
}

func (b *box) isKnown() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known
}
