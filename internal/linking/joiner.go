package linking

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// ErrShown says that a chain is not of the account that the sponsor named.
var ErrShown = errors.New("the server shows another account than the device that this one was linked by")

// Asked is what a joiner keeps before its consent leaves, beside its keys. None
// of it is secret from the account's devices; the home seals it all the same.
type Asked struct {
	ServerKey [ed25519.PublicKeySize]byte
	Account   ident.AccountID
	// Name is what the account is called at the server, by the sponsor's word.
	Name ident.Name
	// Length and Head say where the chain stood: the entry behind Head is the only
	// one that can add this device.
	Length uint64
	Head   devchain.Hash
	// Sponsor is the device that offered it.
	Sponsor ident.DeviceID
	// Device is the joiner's own id.
	Device ident.DeviceID
	// Transcript is the hash of all that was said.
	Transcript [32]byte
	// Place and Consent are what is posted again behind a crash.
	Place   Place
	Consent []byte
}

// Joiner is the side of the new device. It is a value: Apply returns another one
// and leaves its receiver as it was.
//
// Nothing of it is durable until Keep. A crash before leaves nothing, and the
// sponsor can't sign. A crash behind it leaves what [Resume] goes on with: the
// device looks at the chain until that tells whether it was added. Time alone
// never ends it then, since the sponsor may have signed and be out of reach.
type Joiner struct {
	side
	phase joinerPhase
	own   *wire.DeviceKeys
	key   sign.Key // of the chain
	nonce secret.Bytes
	lock  [32]byte // what a Verdict must show, once Offer has come
	asked Asked
	looks time.Time // when the next look is due
}

type joinerPhase uint8

const (
	joinerAsks     joinerPhase = iota // waits for Offer
	joinerCompares                    // waits for its person
	joinerKeeps                       // waits for Kept
	joinerWaits                       // for the chain
	joinerEnded
)

// NewJoiner begins linking with the code that the other device shows, and fresh
// keys of this device, of which key is the private half of keys.Chain. The server
// key is what the relay proved on this connection.
func NewJoiner(code Code, serverKey [ed25519.PublicKeySize]byte, own *wire.DeviceKeys, key sign.Key, now time.Time) (Joiner, error) {
	nonce := make([]byte, 32)
	_, _ = rand.Read(nonce) // never fails
	return newJoiner(code, serverKey, own, key, secret.New(nonce), now)
}

func newJoiner(code Code, serverKey [ed25519.PublicKeySize]byte, own *wire.DeviceKeys, key sign.Key, nonce secret.Bytes, now time.Time) (Joiner, error) {
	k, err := newKeys(code, serverKey)
	if err != nil {
		return Joiner{}, err
	}
	j := Joiner{side: side{keys: k, until: now.Add(Lifetime), said: k.begin(), next: Offer}, own: own, key: key, nonce: nonce}
	raw := own.Append(nil)
	c := commitment(nonce.Reveal(), raw)
	_, err = j.say(Hello, append(c[:], raw...))
	j.hello = j.said
	return j, err
}

// Resume goes on behind a crash with what was kept.
func Resume(a Asked) Joiner {
	j := Joiner{phase: joinerWaits, asked: a}
	j.keys.place, j.keys.server, j.said = a.Place, a.ServerKey, a.Transcript
	j.posted = []Post{{Place: a.Place, Slot: Consent, Bytes: a.Consent}}
	return j
}

// Place is where this side looks for the other one at the relay.
func (j Joiner) Place() Place { return j.keys.place }

// Transcript is the hash of all that was said so far.
func (j Joiner) Transcript() [32]byte { return j.said }

// Asked is what was kept; the zero value before Keep.
func (j Joiner) Asked() Asked { return j.asked }

// Wipe erases the keys of a side that has ended, but for the device's own.
func (j Joiner) Wipe() { j.keys.root.Wipe() }

// Apply returns the joiner after ev and what to do about it. On error it is
// returned unchanged.
func (j Joiner) Apply(ev Event) (Joiner, []Effect, error) {
	next, effects, err := j.apply(ev)
	if err != nil {
		return j, nil, err
	}
	return next, effects, nil
}

func (j Joiner) apply(ev Event) (Joiner, []Effect, error) {
	if j.phase == joinerEnded {
		return j, nil, nil
	}
	switch ev := ev.(type) {
	case Connected:
		effects := j.again()
		if j.phase == joinerKeeps {
			effects = effects[:len(effects)-1] // the consent is not durable yet
		}
		if j.phase == joinerWaits {
			effects = append(effects, Look{j.asked.Account})
		}
		return j, effects, nil
	case Arrived:
		if j.late(ev.At) {
			return j.end(Expired)
		}
		return j.arrived(ev)
	case Taken:
		return j.unlessAsked(Contested)
	case Agreed:
		if j.late(ev.At) {
			return j.end(Expired)
		}
		return j.agreed()
	case Stopped:
		if j.phase >= joinerKeeps {
			j.phase = joinerEnded
			return j, []Effect{End{Abandoned}}, nil
		}
		return j.end(Declined)
	case Tick:
		return j.tick(ev.Now)
	case Kept:
		if j.phase != joinerKeeps {
			return j, nil, fmt.Errorf("%w: there was nothing to keep", errEvent)
		}
		j.phase = joinerWaits
		return j, []Effect{j.posted[len(j.posted)-1]}, nil
	case Shown:
		return j.shown(ev.Chain)
	case Closed:
		return j.unlessAsked(Refused)
	case Added, Lost, Denied:
	}
	return j, nil, fmt.Errorf("%w: %T", errEvent, ev)
}

// late reports whether it is too late to consent.
func (j Joiner) late(now time.Time) bool { return j.phase < joinerKeeps && !now.Before(j.until) }

func (j Joiner) tick(now time.Time) (Joiner, []Effect, error) {
	switch {
	case j.late(now):
		return j.end(Expired)
	case j.phase == joinerWaits && !now.Before(j.looks):
		j.looks = now.Add(lookEvery)
		return j, []Effect{Look{j.asked.Account}}, nil
	}
	return j, nil, nil
}

func (j Joiner) arrived(ev Arrived) (Joiner, []Effect, error) {
	if ev.Slot != Offer && ev.Slot != Verdict {
		return j, nil, nil // its own
	}
	if !j.take(ev) {
		return j.unlessAsked(Tampered)
	}
	if why, proof, ok := j.closed(Verdict); ok && (j.phase == joinerAsks || why == Linked || lockOf(proof) == j.lock) {
		return j.verdict(why)
	}
	if j.phase != joinerAsks || j.got[Offer] == nil {
		return j, nil, nil
	}
	body, ok := j.hear()
	var o offer
	if !ok || !o.decode(body) {
		return j.end(Tampered)
	}
	j.asked = Asked{
		ServerKey: j.keys.server, Account: o.account, Name: o.name, Length: o.length, Head: o.head, Sponsor: o.sponsor,
		Device: devchain.DeviceID(j.own), Place: j.keys.place,
	}
	j.phase, j.next, j.lock = joinerCompares, slots, o.lock
	p, err := j.say(Open, j.nonce.Reveal())
	if err != nil {
		return j, nil, err
	}
	digits, err := j.keys.digits(j.said)
	return j, []Effect{p, Ask{Digits: digits, Name: o.name, Web: j.own.Web}}, err
}

// verdict is the sponsor's word. That it has added this device is only believed
// when the chain shows it.
func (j Joiner) verdict(why Why) (Joiner, []Effect, error) {
	if why != Linked {
		j.phase = joinerEnded
		return j, []Effect{End{why}}, nil
	}
	if j.phase == joinerWaits {
		return j, []Effect{Look{j.asked.Account}}, nil
	}
	return j.unlessAsked(Tampered)
}

// agreed signs the consent, which leaves only when it is durable.
func (j Joiner) agreed() (Joiner, []Effect, error) {
	if j.phase != joinerCompares {
		return j, nil, nil
	}
	p, err := j.say(Consent, j.key.Sign(sign.Consent, j.asked.Account[:], j.asked.Head[:], j.own.Append(nil)))
	if err != nil {
		return j, nil, err
	}
	j.phase = joinerKeeps
	j.asked.Transcript, j.asked.Consent = j.said, slices.Clone(p.Bytes)
	return j, []Effect{Keep{j.asked}}, nil
}

// shown looks for this device in the account's chain.
func (j Joiner) shown(c devchain.Chain) (Joiner, []Effect, error) {
	if j.phase != joinerWaits {
		return j, nil, nil
	}
	if c.ID() != j.asked.Account {
		return j, nil, ErrShown
	}
	why := Overtaken
	if d, ok := c.Device(j.asked.Device); ok && d.Active {
		why = Linked // with this device's consent, which is for the place behind the head
	} else if ok {
		why = Removed
	} else if c.Len() < j.asked.Length || c.Head() == j.asked.Head {
		return j, nil, nil // not yet
	}
	j.phase = joinerEnded
	return j, []Effect{End{why}}, nil
}

// unlessAsked ends it, unless the sponsor may have signed by now.
func (j Joiner) unlessAsked(why Why) (Joiner, []Effect, error) {
	if j.phase >= joinerKeeps {
		return j, nil, nil
	}
	return j.end(why)
}

func (j Joiner) end(why Why) (Joiner, []Effect, error) {
	j.phase = joinerEnded
	effects, err := j.close(Decline, why, nil)
	return j, effects, err
}
