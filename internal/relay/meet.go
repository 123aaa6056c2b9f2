package relay

import (
	"github.com/byre-messenger/byre/internal/relay/early"
	"github.com/byre-messenger/byre/internal/relay/meeting"
	"github.com/byre-messenger/byre/internal/wire"
)

// featureLinking is the bit of Hello.features that tells of OpenLink and what
// belongs to it (ADR 43).
const featureLinking = 1 << 1

// line is a session as the places of linking know it.
type line struct{ session *Session }

// Push implements [meeting.Line].
func (l line) Push(body wire.PushBody) { l.session.push(body) }

// Gone implements [meeting.Line].
func (l line) Gone() bool { return l.session.ended.Load() }

// meeting answers what is asked about a place.
func (s *Session) meeting(req *wire.Request) {
	cost := 1.
	if _, ok := req.Body.(*wire.MeetLink); ok {
		cost = early.Cost
	}
	if !s.ask(req.Id, cost) {
		return
	}
	var by *meeting.Owner
	if s.signedIn {
		by = &meeting.Owner{Account: s.account, Device: s.device}
	}
	if answer := s.relay.places.Answer(s.relay.cfg.Clock.Ran(), line{s}, by, req.Body); answer != nil {
		s.respond(req.Id, answer)
	}
}
