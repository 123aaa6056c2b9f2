package relay

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/directory"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/internal/work"
)

// MaxRegisterWork is the most bits of work that a relay may ask for at quiet
// times; under a rush it asks for up to rushBits more, which clients still do.
const MaxRegisterWork = work.Most - rushBits

// rushBits is how much dearer accounts get when many are made: one bit more, and
// so twice the work, for each doubling above rushFrom an hour.
const (
	rushBits = 4
	rushFrom = 256
)

// registration is what a relay keeps of how fast accounts are made. Who makes
// them it does not know.
type registration struct {
	mu    sync.Mutex
	count float64   // accounts made, halved each hour
	at    time.Time // when count was right
}

// made counts one more account.
func (r *registration) made(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fade(now)
	r.count++
}

// rush tells how many bits of work an account costs more than at quiet times.
func (r *registration) rush(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fade(now)
	return min(bits.Len(uint(r.count/rushFrom)), rushBits)
}

func (r *registration) fade(now time.Time) {
	if d := now.Sub(r.at); d > 0 {
		r.count *= math.Exp2(-d.Hours())
		r.at = now
	}
}

// registerWork tells what an account costs now.
func (r *Relay) registerWork() uint32 {
	if r.cfg.Registration != RegistrationOpen || r.cfg.RegisterWork == 0 {
		return 0
	}
	return uint32(r.cfg.RegisterWork + r.newcomers.rush(r.cfg.Clock.Now())) //nolint:gosec // at most 26
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
		s.relay.newcomers.made(s.relay.cfg.Clock.Now())
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
