package relay

import (
	"crypto/subtle"
	"errors"
	"math"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/audience"
	"github.com/byre-messenger/byre/internal/relay/directory"
	"github.com/byre-messenger/byre/internal/relay/limit"
	"github.com/byre-messenger/byre/internal/wire"
)

// claimBy is who claims key packages of whom.
type claimBy struct{ by, of ident.AccountID }

// claimRate is how many one-time key packages of an account another one may
// take that has a delivery token of it; past it, and for strangers, there are
// last-resort ones alone, so that nobody can use up what others need.
var claimRate = limit.Rate{Burst: 8, PerSecond: 1. / 600}

// ask takes from the connection's bucket, or refuses the request.
func (s *Session) ask(id uint64, cost float64) bool {
	l := s.relay.cfg.Limits
	ok, wait := s.asks.Take(s.relay.cfg.Clock.Now(), limit.Rate{Burst: float64(l.Asks), PerSecond: float64(l.AsksPerSecond)}, cost)
	if !ok {
		s.limited(id, wait)
	}
	return ok
}

// lookUp tells who has a name. Who has not signed in does the work for it.
func (s *Session) lookUp(id uint64, m *wire.LookUp) {
	if !s.ask(id, s.early.Costs(s.signedIn)) {
		return
	}
	name, err := ident.ParseName(m.Name)
	if err != nil {
		s.refuse(id, directory.ErrNoName)
		return
	}
	if err := s.early.Name(s.signedIn, s.challenge.Nonce[:], name, m.Work, s.work); err != nil {
		s.refuse(id, err)
		return
	}
	a, err := s.relay.directory.LookUp(s.relay.life, name)
	s.tellAccount(id, a, err, true)
}

// readChain shows an account's chain to whoever knows its id, which can't be
// guessed: also to a device that waits to be a part of it (ADR 43).
func (s *Session) readChain(id uint64, m *wire.ReadChain) {
	account, err := ident.AccountIDFrom(m.Account)
	if err != nil {
		s.refuse(id, directory.ErrUnknown)
		return
	}
	if !s.ask(id, s.early.Costs(s.signedIn)) {
		return
	}
	if err := s.early.Chain(s.signedIn); err != nil {
		s.refuse(id, err)
		return
	}
	a, err := s.relay.directory.Account(s.relay.life, account)
	s.tellAccount(id, a, err, s.signedIn && account == s.account)
}

// tellAccount answers with an account, with its name if named is set.
func (s *Session) tellAccount(id uint64, a directory.Account, err error, named bool) {
	if err != nil {
		s.refuse(id, err)
		return
	}
	answer := &wire.Account{Account: a.ID[:], Chain: a.Chain}
	if named {
		answer.Name = a.Name
	}
	s.respond(id, answer)
}

// appendChain takes what a device presents, and of those who have not signed in
// what the recovery key signed (ADR 43).
func (s *Session) appendChain(id uint64, m *wire.AppendChain) {
	account, err := ident.AccountIDFrom(m.Account)
	if err != nil {
		s.refuse(id, directory.ErrUnknown)
		return
	}
	if !s.ask(id, 5) {
		return
	}
	// 1. Chain, devices and key packages, one commit (Y3).
	a, lost, err := s.relay.directory.AppendChain(s.relay.life, account, s.signedIn, m.Entries, m.Line)
	if err != nil {
		s.refuse(id, err)
		return
	}
	// Y4: sessions and mailboxes of devices that are gone. A crash before it
	// leaves records that nobody can fetch, until they expire.
	for _, dev := range lost {
		b := s.relay.router.find(s.relay.records.Tag(dev[:]))
		b.remove()
		b.unpin()
	}
	for _, dev := range a.Active {
		b := s.relay.router.find(s.relay.records.Tag(dev[:]))
		b.readmit()
		b.unpin()
	}
	s.tellAccount(id, a, nil, account == s.account)
}

func (s *Session) publish(id uint64, m *wire.PublishKeyPackages) {
	if !s.ask(id, 2) {
		return
	}
	err := s.relay.directory.Publish(s.relay.life, s.relay.cfg.Clock.Now(), s.device, m.OneTime, m.LastResort, m.Replace)
	if err != nil {
		s.refuse(id, err)
		return
	}
	s.respond(id, &wire.Done{})
}

func (s *Session) claim(id uint64, m *wire.ClaimKeyPackages) {
	account, err := ident.AccountIDFrom(m.Account)
	if err != nil || len(m.Devices) > devchain.MaxDevices {
		s.refuse(id, directory.ErrUnknown)
		return
	}
	var devices []ident.DeviceID
	for _, d := range m.Devices {
		dev, err := ident.DeviceIDFrom(d)
		if err != nil {
			s.fail(id, wire.FailureMalformed, "a device id has 16 bytes")
			return
		}
		devices = append(devices, dev)
	}
	if !s.ask(id, 1) {
		return
	}
	sparing, err := s.stranger(account, m.Known)
	if err != nil {
		s.refuse(id, err)
		return
	}
	got, err := s.relay.directory.Claim(s.relay.life, account, devices, sparing)
	if err != nil {
		s.refuse(id, err)
		return
	}
	s.respond(id, &wire.KeyPackages{Packages: got})
}

// stranger reports whether this session gets no one-time key package of an
// account: nobody of it has given it a delivery token, or it had its share.
func (s *Session) stranger(of ident.AccountID, known *wire.Target) (bool, error) {
	if of == s.account {
		return false, nil
	}
	if known == nil {
		return true, nil
	}
	t, err := audience.Read([]wire.Target{*known}, &s.relay.records)
	if err != nil {
		return true, nil //nolint:nilerr // a stranger who makes something up
	}
	found, err := s.relay.directory.Devices(s.relay.life, []ident.DeviceID{t[0].Device})
	if err != nil {
		return true, err
	}
	d := found[0]
	if t[0].Request || d == nil || !d.Active || d.Account != of || subtle.ConstantTimeCompare(t[0].Hash[:], d.Hash[:]) != 1 {
		return true, nil
	}
	ok, _ := s.relay.claims.Take(s.relay.cfg.Clock.Now(), claimBy{s.account, of}, 1)
	return !ok, nil
}

func (s *Session) setAudience(id uint64, m *wire.SetAudience) {
	if err := s.sets.Change(m, s.relay.cfg.Limits.AudienceTargets, &s.relay.records); err != nil {
		s.notReached(id, err)
		return
	}
	s.respond(id, &wire.Done{})
}

// notReached refuses a request for whom it was to reach.
func (s *Session) notReached(id uint64, err error) {
	code := wire.FailureMalformed
	if _, many := errors.AsType[audience.TooManyError](err); many {
		code = wire.FailureTooLarge
	}
	s.fail(id, code, err.Error())
}

// spend takes bytes x targets from the account's bucket, or refuses.
func (s *Session) spend(id uint64, bytes, targets int) bool {
	ok, wait := s.relay.sends.Take(s.relay.cfg.Clock.Now(), s.account, math.Max(1, float64(bytes)*float64(targets)))
	if !ok {
		s.limited(id, wait)
	}
	return ok
}
