package relay

import (
	"errors"
	"hash/maphash"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/directory"
	"github.com/byre-messenger/byre/internal/relay/early"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/relay/session"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// signIn opens the session: the device proves itself, its counter is made
// durable, and the mailbox is its own.
func (s *Session) signIn(id uint64, m *wire.SignIn) {
	if s.signedIn {
		s.fail(id, wire.FailureMalformed, "this connection has signed in already")
		return
	}
	if m.Protocol < protocolMin || m.Protocol > protocolMax {
		s.fail(id, wire.FailureVersion, "the server speaks protocol 1")
		return
	}
	if !s.ask(id, 1) {
		return
	}
	in, err := session.Read(m)
	if err != nil {
		s.refuse(id, err)
		return
	}
	// 1. Who it is. Nothing is written.
	ctx := s.relay.life
	known, err := s.relay.directory.Devices(ctx, []ident.DeviceID{in.Device})
	if err != nil {
		s.refuse(id, err)
		return
	}
	if known[0] == nil || known[0].Account != in.Account || s.challenge.Verify(in, known[0].SignIn) != nil {
		s.refuse(id, session.ErrRefused)
		return
	}
	b := s.relay.router.find(s.relay.records.Tag(in.Device[:]))
	// 2. The counter and the delivery hash become durable (Y2). A crash behind this
	// leaves a counter that was used for nothing; the device takes the next.
	now := s.relay.cfg.Clock.Now()
	var gap mailbox.Gap // what a device missed that is on its chain again (ADR 17)
	stock, err := s.relay.directory.SignIn(ctx, in, func(batch *store.Batch) {
		gap = mailbox.Gap{Count: 1, To: now.Unix(), Generation: uint64(now.UnixMilli())}
		s.relay.records.SetGap(batch, b.tag, gap)
	})
	if err != nil {
		b.unpin()
		s.refuse(id, err)
		return
	}
	// 3. What is past its time is dropped before it could be delivered.
	b.expire()
	// 4. The mailbox changes hands, in memory.
	s.relay.places.Leave(line{s})
	s.attach(id, b, in, stock, gap)
}

// attach gives the mailbox to this session and answers the sign-in.
func (s *Session) attach(id uint64, b *box, in session.SignIn, stock directory.Stock, gap mailbox.Gap) {
	now := s.relay.cfg.Clock.Now()
	b.with(func(mb *mailbox.Mailbox, fx mailbox.Effects) {
		if mb.Removed() {
			// The chain removed the device between the commit and here.
			b.unpin()
			s.refuse(id, session.ErrRemoved)
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			b.unpin()
			return
		}
		s.box = b
		s.mu.Unlock()
		s.relay.counters.signedIn.Add(1)
		s.signedIn, s.account, s.device = true, in.Account, in.Device
		s.sender = s.relay.sender(in.Account)
		if in.Counter <= b.counter {
			// A newer sign-in overtook this one between its commit and here.
			s.push(&wire.Superseded{})
			s.end(Superseded)
			return
		}
		if old := b.session; old != nil {
			old.push(&wire.Superseded{})
			old.end(Superseded)
		}
		b.session, b.since, b.counter = s, now, in.Counter
		b.known, b.active, b.account, b.hash = true, true, in.Account, in.Hash
		mb.Returned(gap)
		answer := &wire.SignedIn{
			Proof:              s.challenge.Prove(in, s.relay.cfg.ServerKey),
			Waiting:            uint64(mb.Connect()),  //nolint:gosec // a count
			OneTimeKeyPackages: uint32(stock.OneTime), //nolint:gosec // at most 16
			LastResortAt:       stock.LastResortAt,
			Now:                now.UnixMilli(),
		}
		if g := mb.Gap(); g.Count > 0 {
			answer.Gap = &wire.Gap{Count: g.Count, From: g.From, To: g.To, Generation: g.Generation, Restored: g.Restored}
		}
		s.respond(id, answer)
		mb.Resume(now, fx)
	})
}

// sender is what stands for an account where a mailbox counts what it fills:
// only this process can tell whose it is.
func (r *Relay) sender(id ident.AccountID) uint32 {
	n := maphash.Comparable(r.seed, id)
	return uint32(n>>32) | 1
}

// refuse answers a request with what an error says.
func (s *Session) refuse(id uint64, err error) {
	for _, c := range refusals {
		if errors.Is(err, c.err) {
			s.fail(id, c.code, c.err.Error())
			return
		}
	}
	s.relay.logFailure(err)
	s.fail(id, wire.FailureUnavailable, "the server can't read or write its data, try again later")
}

// refusals are the errors that a device may be told as they are.
var refusals = []struct {
	err  error
	code wire.FailureCode
}{
	{session.ErrMalformed, wire.FailureMalformed},
	{session.ErrRefused, wire.FailureSignInRefused},
	{session.ErrOldCopy, wire.FailureOldCopy},
	{session.ErrRemoved, wire.FailureDeviceRemoved},
	{directory.ErrNoDevice, wire.FailureSignInRefused},
	{directory.ErrNameTaken, wire.FailureNameTaken},
	{directory.ErrNameAlike, wire.FailureNameAlike},
	{directory.ErrOtherName, wire.FailureNameRefused},
	{directory.ErrNoName, wire.FailureNameUnknown},
	{directory.ErrUnknown, wire.FailureAccountUnknown},
	{directory.ErrChain, wire.FailureChainRefused},
	{directory.ErrChainTooLong, wire.FailureChainRefused},
	{directory.ErrDeviceTaken, wire.FailureChainRefused},
	{directory.ErrTooMany, wire.FailureTooLarge},
	{directory.ErrKeyPackage, wire.FailureTooLarge},
	{directory.ErrInvitation, wire.FailureRegistrationClosed},
	{early.ErrChains, wire.FailureLimited},
	{early.ErrNames, wire.FailureLimited},
	{early.ErrWork, wire.FailureWork},
}
