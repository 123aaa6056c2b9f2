package meet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/wire"
)

// connect opens a line; what comes of it is put into the queue.
func (m *meeting) connect() {
	m.work.Go(func() {
		l, leave, err := m.lines(m.ctx, m.pushed)
		// Whoever is first has the line: the side, or the end of the meeting.
		var claim sync.Once
		taken := make(chan struct{})
		m.in.put(func() {
			claim.Do(func() {
				m.connected(l, leave, err)
				close(taken)
			})
		})
		select {
		case <-taken:
		case <-m.ctx.Done():
			claim.Do(func() {
				if err == nil {
					leave()
				}
			})
		}
	})
}

// connected takes a line, or why there is none. The first line must come: nobody
// waits for a server that is not there.
func (m *meeting) connected(l *line.Line, leave func(), err error) {
	if err == nil && l.Hello.Features&featureLinking == 0 {
		leave()
		m.fail(ErrTooOld)
		return
	}
	if err != nil {
		if m.since.IsZero() {
			m.fail(err)
			return
		}
		m.reconnect(err)
		return
	}
	m.line, m.leave, m.since = l, leave, m.clock.Now()
	m.unwait = context.AfterFunc(l.Context(), func() {
		m.in.put(func() {
			if m.line == l {
				m.reconnect(l.Err())
			}
		})
	})
	m.greet()
}

// hangUp leaves the line.
func (m *meeting) hangUp() {
	if m.line != nil {
		m.unwait() // or the line, which others use, would keep all this
		m.line, m.stands, m.early, m.closing = nil, false, nil, false
		m.leave()
	}
}

// reconnect opens another line after a pause, unless none can be had any more.
func (m *meeting) reconnect(err error) {
	if why.Hopeless(err) {
		m.fail(err)
		return
	}
	if m.line != nil && m.clock.Now().Sub(m.since) >= calmAfter {
		m.pace = line.Pace{}
	}
	m.hangUp()
	m.later(m.pace.Next(0, err), m.connect)
}

// request asks on the present line. f is called in the goroutine of the side, and
// only while the line is the present one.
func (m *meeting) request(body wire.RequestBody, f line.Answer) {
	l := m.line
	l.Request(body, func(body wire.ResponseBody, err error) {
		m.in.put(func() {
			if m.line == l {
				f(body, err)
			}
		})
	})
}

// greet goes to the place.
func (m *meeting) greet() {
	if m.line == nil || m.stands {
		return
	}
	body := m.side.greets()
	if body == nil {
		return
	}
	m.request(body, func(_ wire.ResponseBody, err error) {
		refusal, refused := errors.AsType[*line.RefusedError](err)
		switch {
		case err == nil:
			m.arrive()
		case !refused: // the line has ended
		case refusal.Code == wire.FailureLinkTaken:
			m.happens(linking.Taken{})
		case refusal.Code == wire.FailureLinkUnknown:
			m.unknown()
		case !m.met && refusal.Code != wire.FailureUnavailable:
			m.fail(err)
		default:
			m.later(max(againAfter, refusal.RetryAfter), m.greet)
		}
	})
}

// arrive says what this side has said before, and what is new. A side that has
// ended says that.
func (m *meeting) arrive() {
	m.stands, m.met, m.lost = true, true, time.Time{}
	if m.why == 0 {
		m.posted, m.said = nil, false
		m.happens(linking.Connected{})
		m.hear()
	} else if n := len(m.posted); n > 0 {
		m.write(m.posted[n-1])
	}
}

// unknown is what a joiner is told where nobody waits: it was never there, or is
// no more, or the relay has forgotten it and the sponsor will be back.
func (m *meeting) unknown() {
	now := m.clock.Now()
	if m.lost.IsZero() {
		m.lost = now
	}
	if !m.met || now.Sub(m.lost) >= patience {
		m.happens(linking.Closed{}) // nothing to one that has consented: it looks at the chain
		return
	}
	m.later(againAfter, m.greet)
}

// post writes into a slot, now or when this side stands at its place.
func (m *meeting) post(p linking.Post) {
	m.posted, m.said = append(m.posted, p), false
	if m.stands {
		m.write(p)
	}
}

func (m *meeting) write(p linking.Post) {
	m.request(&wire.PostLink{Place: p.Place[:], Slot: uint32(p.Slot), Message: p.Bytes}, func(_ wire.ResponseBody, err error) {
		last := len(m.posted) > 0 && m.posted[len(m.posted)-1].Slot == p.Slot
		refusal, refused := errors.AsType[*line.RefusedError](err)
		switch {
		case err == nil:
			m.said = m.said || last
		case !refused: // the line has ended
		case refusal.Code == wire.FailureLinkTaken:
			m.said = m.said || last
			m.happens(linking.Taken{})
		default:
			// The relay has forgotten the place, or this line has said enough.
			m.away(max(againAfter, refusal.RetryAfter))
		}
		m.hear()
	})
}

// away goes to the place anew, after a pause.
func (m *meeting) away(pause time.Duration) {
	if m.stands {
		m.stands = false
		m.later(pause, m.greet)
	}
}

// told takes what was pushed. It may come before the answer to the greeting, or to
// a post, and is heard behind it: somebody else at the place is noticed by what
// stands in this side's slots.
func (m *meeting) told(ev linking.Event) {
	m.early = append(m.early, ev)
	m.hear()
}

// hear hears what was pushed, once this side stands at its place and what it has
// said stands there.
func (m *meeting) hear() {
	for len(m.early) > 0 && m.stands && (m.said || len(m.posted) == 0) {
		ev := m.early[0]
		m.early = m.early[1:]
		m.happens(ev)
	}
}

// pushed takes what the server says of places.
func (m *meeting) pushed(body wire.PushBody) {
	var ev linking.Event
	var at []byte
	switch b := body.(type) {
	case *wire.LinkArrived:
		if b.Slot > 255 || len(b.Message) > linking.Size {
			return
		}
		at, ev = b.Place, linking.Arrived{Slot: linking.Slot(b.Slot), Bytes: b.Message, At: m.clock.Now()}
	case *wire.LinkTaken:
		at, ev = b.Place, linking.Taken{}
	case *wire.LinkClosed:
		at, ev = b.Place, linking.Closed{}
	default:
		return
	}
	if string(at) != string(m.place[:]) {
		return
	}
	switch n := m.pushes.Add(1); {
	case n <= maxPushes:
		m.in.put(func() { m.told(ev) })
	case n == maxPushes+1:
		m.in.put(func() { m.fail(errFlood) })
	}
}
