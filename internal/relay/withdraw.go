package relay

import (
	"crypto/sha256"
	"fmt"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/wire"
)

// featureWithdraw is the bit of Hello.features that tells of Withdraw.
const featureWithdraw = 1 << 0

// perAsk is how many withdrawals count as one thing asked.
const perAsk = 64

// withdraw takes envelopes back (R6). Whoever shows the handle has the right, and
// everybody else is answered as if there were nothing: a wrong handle, a device
// that never was, and an envelope that was confirmed look alike.
func (s *Session) withdraw(id uint64, m *wire.Withdraw) {
	if limit := s.relay.cfg.Limits.Targets; len(m.Items) > limit {
		s.fail(id, wire.FailureTooLarge, fmt.Sprintf("one request withdraws at most %d envelopes", limit))
		return
	}
	for i := range m.Items {
		if len(m.Items[i].Device) != ident.DeviceSize || len(m.Items[i].Handle) != seal.WithdrawSize {
			s.fail(id, wire.FailureMalformed, "a withdrawal has a device id of 16 bytes and a handle of 32")
			return
		}
	}
	if !s.ask(id, 1+float64(len(m.Items)/perAsk)) {
		return
	}
	out := make([]wire.WithdrawOutcome, len(m.Items))
	for i, it := range m.Items {
		out[i] = wire.WithdrawOutcome{Device: it.Device, Withdrawn: s.relay.withdraw(it.Device, it.Handle)}
	}
	s.respond(id, &wire.Withdrawn{Outcomes: out})
}

// withdraw takes one envelope out of the mailbox of a device.
func (r *Relay) withdraw(device, handle []byte) (found bool) {
	hash := sha256.Sum256(handle)
	b := r.router.find(r.records.Tag(device))
	tag := r.records.WithdrawTag(b.tag, [mailbox.WithdrawSize]byte(hash[:]))
	b.with(func(mb *mailbox.Mailbox, fx mailbox.Effects) { found = mb.Withdraw(r.cfg.Clock.Now(), tag, fx) })
	r.router.release(b)
	if found {
		r.counters.withdrawn.Add(1)
	}
	return found
}
