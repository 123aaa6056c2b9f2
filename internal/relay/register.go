package relay

import (
	"context"
	"fmt"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/directory"
	"github.com/byre-messenger/byre/internal/relay/rush"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/internal/work"
)

// MaxRegisterWork is the most bits of work that a relay may ask for at quiet
// times; under a rush it asks for up to rush.Bits more, which clients still do.
const MaxRegisterWork = work.Most - rush.Bits

// registerWork tells what an account costs now.
func (r *Relay) registerWork() uint32 {
	if r.cfg.Registration != RegistrationOpen || r.cfg.RegisterWork == 0 {
		return 0
	}
	return uint32(r.cfg.RegisterWork + r.newcomers.Bits(r.cfg.Clock.Now())) //nolint:gosec // at most 26
}

// register makes an account. Whatever is wrong with it is told before anything
// is written.
func (s *Session) register(id uint64, m *wire.Register) {
	if m.Protocol < protocolMin || m.Protocol > protocolMax {
		s.fail(id, wire.FailureVersion, "the server speaks protocol 1")
		return
	}
	if !s.ask(id, 10) {
		return
	}
	var invitation []byte
	switch s.relay.cfg.Registration {
	case RegistrationOpen:
	case RegistrationInvite:
		if invitation = directory.ReadCode(m.Invitation); len(invitation) == 0 {
			s.fail(id, wire.FailureRegistrationClosed, "this server needs an invitation: ask its operator for one")
			return
		}
	case RegistrationClosed:
		s.fail(id, wire.FailureRegistrationClosed, "this server makes no new accounts")
		return
	}
	name, err := ident.ParseName(m.Name)
	if err != nil {
		s.fail(id, wire.FailureNameRefused, err.Error())
		return
	}
	if m.Chain == nil {
		s.refuse(id, directory.ErrChain)
		return
	}
	chain, err := devchain.Verify(m.Chain)
	if err != nil {
		s.refuse(id, directory.ErrChain)
		return
	}
	if !work.Proves(s.challenge.Nonce[:], chain.ID(), m.Work, s.work) {
		s.fail(id, wire.FailureWork, fmt.Sprintf("an account costs %d bits of work on this server now: update byre, or try again", s.work))
		return
	}
	fresh, err := s.relay.directory.Register(s.relay.life, s.relay.cfg.Clock.Now(), name, chain, invitation)
	if err != nil {
		s.refuse(id, err)
		return
	}
	if fresh {
		s.relay.newcomers.Made(s.relay.cfg.Clock.Now())
	}
	s.respond(id, &wire.Done{})
}

// Invite makes an invitation with which uses accounts can be made, and returns
// its code. It needs no registration by invitation: the mode may change.
func (r *Relay) Invite(ctx context.Context, uses int) (string, error) {
	code, err := r.directory.Invite(ctx, uses)
	if err != nil {
		return "", fmt.Errorf("invite: %w", err)
	}
	return code, nil
}
