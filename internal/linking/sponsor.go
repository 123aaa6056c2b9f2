package linking

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// ErrFull says that the account has as many devices as it may have.
var ErrFull = errors.New("the account has 20 devices, which is the most: remove one that is not used any more first")

// errEvent says that an event is the other side's, or none.
var errEvent = errors.New("linking: no event for this side")

// Sponsor is the side of a device that the account has. It is a value: Apply
// returns another one and leaves its receiver as it was.
//
// Nothing of it is durable until Sign. A crash before leaves nothing: the code is
// gone, and the joiner, if it waits, waits for a step that is never signed. A
// crash behind it leaves the step, which is offered until the relay has it or has
// refused it.
type Sponsor struct {
	side
	phase  sponsorPhase
	offer  offer
	unlock secret.Bytes // what a Verdict shows unless it is Linked
	commit []byte       // what Hello commits to
	joiner *wire.DeviceKeys
	raw    []byte // the bytes of joiner
	agreed bool
	assent []byte // the joiner's signature
}

type sponsorPhase uint8

const (
	sponsorWaits    sponsorPhase = iota // for Hello
	sponsorOffers                       // waits for Open
	sponsorCompares                     // waits for its person and for Consent
	sponsorSigns
	sponsorEnded
)

// NewSponsor begins linking with a fresh code. The chain is the account's as the
// relay shows it, name what it is called there, and device one of it: this one. It returns [ErrFull] where no
// device can be added.
func NewSponsor(code Code, serverKey [ed25519.PublicKeySize]byte, name ident.Name, chain devchain.Chain, device ident.DeviceID, now time.Time) (Sponsor, error) {
	if len(chain.Devices()) >= devchain.MaxDevices {
		return Sponsor{}, ErrFull
	}
	o := offer{account: chain.ID(), length: chain.Len(), head: chain.Head(), sponsor: device, name: name}
	_, _ = rand.Read(o.nonce[:]) // never fails
	unlock := make([]byte, 32)
	_, _ = rand.Read(unlock) // never fails
	return newSponsor(code, serverKey, o, secret.New(unlock), now)
}

func newSponsor(code Code, serverKey [ed25519.PublicKeySize]byte, o offer, unlock secret.Bytes, now time.Time) (Sponsor, error) {
	o.lock = lockOf(unlock.Reveal())
	k, err := newKeys(code, serverKey)
	if err != nil {
		return Sponsor{}, err
	}
	return Sponsor{side: side{keys: k, until: now.Add(Lifetime), said: k.begin(), next: Hello}, offer: o, unlock: unlock}, nil
}

// Place is where this side opens a meeting place at the relay.
func (s Sponsor) Place() Place { return s.keys.place }

// Transcript is the hash of all that was said so far: behind [Sign] the same as
// the joiner's.
func (s Sponsor) Transcript() [32]byte { return s.said }

// Wipe erases the keys of a side that has ended.
func (s Sponsor) Wipe() { s.keys.root.Wipe() }

// Apply returns the sponsor after ev and what to do about it. On error it is
// returned unchanged.
func (s Sponsor) Apply(ev Event) (Sponsor, []Effect, error) {
	next, effects, err := s.apply(ev)
	if err != nil {
		return s, nil, err
	}
	return next, effects, nil
}

func (s Sponsor) apply(ev Event) (Sponsor, []Effect, error) {
	if s.phase == sponsorEnded {
		return s, nil, nil
	}
	switch ev := ev.(type) {
	case Connected:
		return s, s.again(), nil
	case Arrived:
		if s.late(ev.At) {
			return s.end(Expired)
		}
		return s.arrived(ev)
	case Taken:
		return s.unlessSigned(Contested)
	case Agreed:
		if s.late(ev.At) {
			return s.end(Expired)
		}
		s.agreed = s.agreed || s.phase == sponsorCompares
		return s.sign()
	case Stopped:
		return s.unlessSigned(Declined)
	case Tick:
		if s.late(ev.Now) {
			return s.end(Expired)
		}
		return s, nil, nil
	case Added:
		if s.phase != sponsorSigns {
			return s, nil, fmt.Errorf("%w: nothing was signed", errEvent)
		}
		return s.end(Linked)
	case Lost:
		if s.phase != sponsorSigns {
			return s, nil, fmt.Errorf("%w: nothing was signed", errEvent)
		}
		return s.end(Overtaken)
	case Denied:
		if s.phase != sponsorSigns {
			return s, nil, fmt.Errorf("%w: nothing was signed", errEvent)
		}
		// Nothing is said to the joiner: it may be listed, and keeps its keys.
		s.phase = sponsorEnded
		return s, []Effect{End{Unsettled}}, nil
	case Kept, Shown, Closed:
	}
	return s, nil, fmt.Errorf("%w: %T", errEvent, ev)
}

// late reports whether it is too late to sign.
func (s Sponsor) late(now time.Time) bool { return s.phase < sponsorSigns && !now.Before(s.until) }

func (s Sponsor) arrived(ev Arrived) (Sponsor, []Effect, error) {
	if ev.Slot == Offer || ev.Slot == Verdict {
		return s, nil, nil // its own
	}
	if !s.take(ev) {
		return s.unlessSigned(Contested)
	}
	if why, _, ok := s.closed(Decline); ok && s.phase < sponsorSigns {
		s.phase = sponsorEnded
		return s, []Effect{End{why}}, nil
	}
	var all []Effect
	for s.phase < sponsorSigns && s.next < Verdict && s.got[s.next] != nil {
		body, ok := s.hear()
		if !ok {
			return s.end(Tampered)
		}
		var effects []Effect
		var err error
		switch s.next {
		case Hello:
			effects, ok, err = s.heardHello(body)
		case Open:
			effects, ok, err = s.heardOpen(body)
		case Consent:
			s.assent, s.next = body, Verdict
			ok = sign.Verify(s.joiner.Chain, sign.Consent, body, s.offer.account[:], s.offer.head[:], s.raw) == nil
			if ok {
				s, effects, err = s.sign()
			}
		case Offer, Verdict, Decline, slots:
		}
		if err != nil {
			return s, nil, err
		}
		if !ok {
			return s.end(Tampered)
		}
		all = append(all, effects...)
	}
	return s, all, nil
}

// heardHello answers the joiner with the account and a nonce.
func (s *Sponsor) heardHello(body []byte) ([]Effect, bool, error) {
	s.hello = s.said
	if len(body) < 32 {
		return nil, false, nil
	}
	var k wire.DeviceKeys
	s.commit, s.raw = body[:32:32], body[32:]
	if !readKeys(&k, s.raw) {
		return nil, false, nil
	}
	s.joiner, s.phase, s.next = &k, sponsorOffers, Open
	p, err := s.say(Offer, s.offer.encode())
	return []Effect{p}, true, err
}

// readKeys reads keys that encode back to the same bytes. What they are worth, the
// chain decides.
func readKeys(k *wire.DeviceKeys, raw []byte) bool {
	return k.Parse(raw) == nil && bytes.Equal(k.Append(nil), raw) && len(k.Chain) == sign.PublicSize
}

// heardOpen has the joiner's nonce, to which it was bound before it knew this
// side's: nobody who was in between could choose the digits.
func (s *Sponsor) heardOpen(body []byte) ([]Effect, bool, error) {
	if c := commitment(body, s.raw); len(body) != 32 || !bytes.Equal(c[:], s.commit) {
		return nil, false, nil
	}
	s.phase, s.next = sponsorCompares, Consent
	digits, err := s.keys.digits(s.said)
	return []Effect{Ask{Digits: digits, Web: s.joiner.Web}}, true, err
}

// sign signs once both people have agreed.
func (s Sponsor) sign() (Sponsor, []Effect, error) {
	if s.phase != sponsorCompares || !s.agreed || s.assent == nil {
		return s, nil, nil
	}
	s.phase = sponsorSigns
	return s, []Effect{Sign{Parent: s.offer.head, Device: &wire.AddDevice{Device: s.joiner, Consent: s.assent}}}, nil
}

// unlessSigned ends it, unless the joiner may be in the chain by now.
func (s Sponsor) unlessSigned(why Why) (Sponsor, []Effect, error) {
	if s.phase == sponsorSigns {
		return s, nil, nil
	}
	return s.end(why)
}

func (s Sponsor) end(why Why) (Sponsor, []Effect, error) {
	s.phase = sponsorEnded
	proof := s.unlock.Reveal()
	if why == Linked {
		proof = nil // it would serve who has the code to say the contrary
	}
	effects, err := s.close(Verdict, why, proof)
	return s, effects, err
}
