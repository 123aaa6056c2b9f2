package mailbox

import (
	"time"

	"github.com/byre-messenger/byre/internal/wire"
)

// Withdraw takes out every envelope that is withdrawn by tag and that the device
// has not confirmed, wherever it is, and destroys its key. It reports whether
// there was one. It is not counted in the gap: its sender did not want it read.
//
// What the device was given and has not confirmed is taken out as well: the relay
// has it no more, the device may.
func (m *Mailbox) Withdraw(now time.Time, tag uint64, fx Effects) bool {
	var out, gone []Record
	for i := range m.items {
		it := &m.items[i]
		if tag == 0 || it.withdraw != tag {
			continue
		}
		out = append(out, it.record())
		switch it.state {
		case held:
			fx.Answer(it.flight.ticket, wire.OutcomeGone)
		case storing:
			it.flight.fate = unwanted
		case stored:
			gone = append(gone, it.record())
		}
	}
	if len(out) == 0 {
		return false
	}
	m.removeAll(out)
	if len(gone) > 0 {
		fx.Forget(Forgetting{Records: gone})
	}
	m.pump(now, fx)
	return true
}
