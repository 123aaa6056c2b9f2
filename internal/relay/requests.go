package relay

import (
	"time"

	"github.com/byre-messenger/byre/internal/relay/limit"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/wire"
)

// The request box of a device is where those write who have no delivery token
// (ADR 21). It is a part of the mailbox: what lies in it is sealed, waits its
// turn, and expires as all else. Whoever writes there is answered the same and
// at once, whatever becomes of it: whether the device exists, is connected, or
// has room.
const (
	// requestsMax is how many of them wait for a device.
	requestsMax = 20
	// requester stands for all of them where a mailbox counts who fills it: it
	// is even, and what stands for an account is odd.
	requester = 2
)

// knockRate is how much of one device's request box an account may take: a
// Welcome and what was said with it, for few conversations in a retention time.
var knockRate = limit.Rate{Burst: 5, PerSecond: 5 / (72 * time.Hour).Seconds()}

// knock is who writes to which request box.
type knock struct {
	by uint32 // stands for an account
	to mailbox.Tag
}

// request takes an envelope into the request box, or drops it. It returns the
// flight where the caller stores it.
func (b *box) request(now time.Time, m *mailbox.Mailbox, a mailbox.Arrival, fx mailbox.Effects) *mailbox.Flight {
	fx.Answer(a.Ticket, wire.OutcomeAccepted)
	if !b.known || !b.active || a.LiveOnly || m.Fills(requester) >= requestsMax {
		return nil
	}
	if ok, _ := b.relay.knocks.Take(now, knock{a.Sender, b.tag}, 1); !ok {
		return nil
	}
	// Never in memory alone: the device would answer for itself how soon it
	// confirms.
	// Nor can it be withdrawn: the answer would tell whether it waits.
	a.Ticket, a.Sender, a.Tight, a.Withdraw = mailbox.Ticket{}, requester, true, 0
	return m.Arrive(now, a, fx)
}
