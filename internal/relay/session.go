package relay

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/audience"
	"github.com/byre-messenger/byre/internal/relay/early"
	"github.com/byre-messenger/byre/internal/relay/limit"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/relay/meeting"
	"github.com/byre-messenger/byre/internal/relay/session"
	"github.com/byre-messenger/byre/internal/wire"
)

// Protocol versions that the relay speaks.
const protocolMin, protocolMax = 1, 1

const (
	maxFrame      = 1 << 20
	signInTimeout = 30 * time.Second
)

// Session is one connection of one device. Handle has one caller at a time, the
// connection's reader; Closed may be called from any goroutine.
type Session struct {
	relay     *Relay
	link      Link
	challenge session.Challenge
	work      int // what an account costs on this connection, in bits
	ended     atomic.Bool

	// Of the reader alone.
	signedIn bool
	account  ident.AccountID
	device   ident.DeviceID
	sender   uint32 // stands for the account where envelopes are counted
	asks     limit.Bucket
	early    early.Asked
	sets     audience.Sets

	open      atomic.Int64 // Sends that are not answered
	openBytes atomic.Int64

	grace *grace // nil where the relay was going down already

	mu     sync.Mutex
	closed bool
	box    *box // once signed in; pinned until closed
}

// Open begins a session on a new connection and writes the relay's Hello. The
// caller must call Closed when the connection is gone, whoever ended it.
func (r *Relay) Open(link Link) *Session {
	s := &Session{relay: r, link: link, challenge: session.Challenge{ServerKey: r.serverKey}}
	_, _ = rand.Read(s.challenge.Nonce[:]) // never fails
	s.work = int(r.registerWork())
	r.counters.connections.Add(1)
	r.counters.opened.Add(1)
	r.mu.Lock()
	r.sessions[s] = struct{}{}
	r.mu.Unlock()
	s.write(&wire.Hello{
		ProtocolMin: protocolMin, ProtocolMax: protocolMax, Features: featureWithdraw | featureLinking, ServerKey: r.serverKey, Nonce: s.challenge.Nonce[:],
		RetentionHours: uint32(r.cfg.Retention / time.Hour),              //nolint:gosec // at most 72
		Registration:   r.cfg.Registration, RegisterWork: uint32(s.work), //nolint:gosec // at most 26
	})
	if !r.gate.Enter() {
		s.end(Stopping)
		return s
	}
	defer r.gate.Leave()
	s.grace = &grace{}
	s.grace.session.Store(s)
	r.timers.Add(r.cfg.Clock.Now().Add(signInTimeout), s.grace)
	return s
}

// grace is the time until sign-in. The timers keep it to its end: a session that
// is gone before must not stay in memory with its connection, or whoever
// reconnects a thousand times a second fills it.
type grace struct {
	session atomic.Pointer[Session]
	more    bool // it was given more time: of the timers alone
}

// Due implements [timer.Timed].
func (g *grace) Due(now time.Time) {
	s := g.session.Load()
	if s == nil {
		return
	}
	if !g.more && s.relay.places.Met(line{s}) {
		g.more = true
		s.relay.timers.Add(now.Add(meeting.Lifetime-signInTimeout), g)
		return
	}
	s.expire()
}

// expire ends the session if it has not signed in by now.
func (s *Session) expire() {
	s.mu.Lock()
	idle := s.box == nil && !s.closed
	s.mu.Unlock()
	if idle {
		s.end(NotSignedIn)
	}
}

// Handle takes one frame of the device. It may wait for the disk where the
// device waits as well (sign-in, directory, epoch log), never for another
// device. The relay does not keep frame.
func (s *Session) Handle(frame []byte) {
	open := s.relay.gate.Enter()
	if open {
		defer s.relay.gate.Leave()
	}
	if s.ended.Load() {
		return
	}
	var f wire.Frame
	if len(frame) > maxFrame || f.Parse(frame) != nil {
		s.end(Malformed)
		return
	}
	req, ok := f.Body.(*wire.Request)
	if !ok {
		s.end(Malformed)
		return
	}
	if ack, ok := req.Body.(*wire.Ack); ok && s.signedIn {
		s.ack(ack)
		return
	}
	if req.Id == 0 {
		s.end(Malformed)
		return
	}
	if !open {
		s.fail(req.Id, wire.FailureUnavailable, "the server is going down, connect again")
		return
	}
	s.handle(req)
}

// handle answers a request, now or later.
func (s *Session) handle(req *wire.Request) {
	if grows(req.Body) && s.relay.cfg.Full() {
		s.fail(req.Id, wire.FailureUnavailable, "the server's disk is full, try again later")
		return
	}
	switch m := req.Body.(type) {
	case *wire.Register:
		s.register(req.Id, m)
		return
	case *wire.LookUp:
		s.lookUp(req.Id, m)
		return
	case *wire.SignIn:
		s.signIn(req.Id, m)
		return
	case *wire.MeetLink, *wire.PostLink:
		s.meeting(req)
		return
	case *wire.ReadChain:
		s.readChain(req.Id, m)
		return
	case *wire.AppendChain:
		s.appendChain(req.Id, m)
		return
	default:
		if !s.signedIn {
			s.fail(req.Id, wire.FailureNotSignedIn, "sign in first")
			return
		}
	}
	switch m := req.Body.(type) {
	case *wire.PublishKeyPackages:
		s.publish(req.Id, m)
	case *wire.ClaimKeyPackages:
		s.claim(req.Id, m)
	case *wire.SetAudience:
		s.setAudience(req.Id, m)
	case *wire.Send:
		s.send(req.Id, m)
	case *wire.Withdraw:
		s.withdraw(req.Id, m)
	case *wire.AckGap:
		s.ackGap(req.Id, m)
	case *wire.AppendEpoch:
		s.appendEpoch(req.Id, m)
	case *wire.ReadEpoch:
		s.readEpoch(req.Id, m)
	case *wire.ReadHeld:
		s.readHeld(req.Id)
	case *wire.OpenLink, *wire.CloseLink:
		s.meeting(req)
	case nil, *wire.Register, *wire.LookUp, *wire.SignIn, *wire.Ack, *wire.MeetLink, *wire.PostLink, *wire.ReadChain, *wire.AppendChain:
		s.fail(req.Id, wire.FailureMalformed, "the server does not know this request; it may be older than this device")
	}
}

// grows reports whether a request leaves more in the store than it finds there.
// What Send brings is refused by each mailbox for itself; a sign-in writes over
// what it wrote before, and everything else makes room.
func grows(body wire.RequestBody) bool {
	switch body.(type) {
	case *wire.Register, *wire.AppendChain, *wire.PublishKeyPackages, *wire.AppendEpoch:
		return true
	default:
		return false
	}
}

// ack takes a confirmation. Its session may have been superseded meanwhile.
func (s *Session) ack(m *wire.Ack) {
	b := s.box
	b.with(func(mb *mailbox.Mailbox, fx mailbox.Effects) {
		if b.session != s {
			return
		}
		n, err := mb.Ack(s.relay.cfg.Clock.Now(), m.N, fx)
		if err != nil {
			s.end(Malformed)
		}
		s.relay.counters.acked.Add(uint64(n)) //nolint:gosec // a count
	})
}

func (s *Session) ackGap(id uint64, m *wire.AckGap) {
	b := s.box
	b.with(func(mb *mailbox.Mailbox, fx mailbox.Effects) {
		if b.session == s {
			mb.AckGap(m.Generation, func() { s.respond(id, &wire.Done{}) }, fx)
		}
	})
}

// SignedIn reports whether the device has signed in. It is for the caller of
// Handle.
func (s *Session) SignedIn() bool { return s.signedIn }

// Closed tells that the connection is gone. Calling it again is harmless; a
// frame handled afterwards is ignored.
func (s *Session) Closed() {
	s.ended.Store(true)
	s.mu.Lock()
	first, b := !s.closed, s.box
	s.closed = true
	s.mu.Unlock()
	if !first {
		return
	}
	if s.grace != nil {
		s.grace.session.Store(nil)
	}
	s.relay.places.Leave(line{s})
	s.relay.counters.connections.Add(-1)
	s.relay.mu.Lock()
	delete(s.relay.sessions, s)
	s.relay.mu.Unlock()
	if b == nil {
		return
	}
	s.relay.counters.signedIn.Add(-1)
	b.with(func(mb *mailbox.Mailbox, fx mailbox.Effects) {
		if b.session == s {
			b.session = nil
			mb.Disconnect(fx)
		}
	})
	b.unpin()
}

// end closes the connection; the edge calls Closed for it. It may be called
// with locks held.
func (s *Session) end(reason Reason) {
	if !s.ended.Swap(true) {
		s.link.Close(reason)
	}
}

// push tells the device something unasked.
func (s *Session) push(body wire.PushBody) { s.write(&wire.Push{Body: body}) }

// respond answers a request.
func (s *Session) respond(id uint64, body wire.ResponseBody) {
	s.write(&wire.Response{Id: id, Body: body})
}

// fail refuses a request with a sentence for people.
func (s *Session) fail(id uint64, code wire.FailureCode, text string) {
	s.respond(id, &wire.Failure{Code: code, Text: text})
}

// limited refuses a request that may be asked again later.
func (s *Session) limited(id uint64, wait time.Duration) {
	s.respond(id, &wire.Failure{
		Code: wire.FailureLimited, Text: "too much at once, try again later",
		RetryAfterMs: uint64(max(wait, time.Millisecond).Milliseconds()), //nolint:gosec // not negative
	})
}

func (s *Session) write(body wire.FrameBody) {
	f := wire.Frame{Body: body}
	s.link.Write(f.Append(make([]byte, 0, f.EncodedLen())))
}
