package meeting

import (
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/wire"
)

// Answer carries out OpenLink, MeetLink, PostLink or CloseLink and returns what it
// is answered; nil for any other request, or where nobody hears it. by is nil for a connection without
// sign-in, for which the caller refuses OpenLink and CloseLink. Nothing of the
// request is kept. What is pushed for it may come before the answer.
func (p *Places) Answer(ran time.Duration, l Line, by *Owner, m wire.RequestBody) wire.ResponseBody {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tick(ran)
	if l.Gone() {
		return nil // nobody would ever take it away from its places
	}
	switch m := m.(type) {
	case *wire.OpenLink:
		return at(m.Place, func(n name) error {
			if by == nil {
				return errUnknown
			}
			return p.open(ran, l, *by, n)
		})
	case *wire.MeetLink:
		if by != nil {
			return malformed("a device that is signed in meets nobody: it opens a place")
		}
		return at(m.Place, func(n name) error { return p.meet(l, n) })
	case *wire.PostLink:
		if m.Slot < 1 || m.Slot > slots || len(m.Message) != MessageSize {
			return malformed("a message has 2,048 bytes and one of six slots")
		}
		if ofOwner(int(m.Slot)) != (by != nil) {
			return malformed("slots 2 and 5 are of the device that opened the place, the others of the one that met it")
		}
		return at(m.Place, func(n name) error { return p.post(l, by, n, int(m.Slot), m.Message) })
	case *wire.CloseLink:
		return at(m.Place, func(n name) error {
			if at := p.byName[n]; at != nil && by != nil && at.owner == *by {
				p.end(at)
			}
			return nil
		})
	default:
		return nil
	}
}

// at answers what is done at a place.
func at(place []byte, do func(name) error) wire.ResponseBody {
	if len(place) != PlaceSize {
		return malformed("a place has 32 bytes")
	}
	err := do(name(place))
	if err == nil {
		return &wire.Done{}
	}
	f := &wire.Failure{Code: wire.FailureLimited, Text: err.Error()}
	switch {
	case errors.Is(err, errUnknown):
		f.Code = wire.FailureLinkUnknown
	case errors.Is(err, errTaken):
		f.Code = wire.FailureLinkTaken
	}
	if l, ok := errors.AsType[limitedError](err); ok {
		f.RetryAfterMs = uint64(max(l.wait, time.Millisecond).Milliseconds()) //nolint:gosec // not negative
	}
	return f
}

func malformed(text string) *wire.Failure {
	return &wire.Failure{Code: wire.FailureMalformed, Text: text}
}
