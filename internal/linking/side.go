package linking

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
)

// side is what both sides have in common. It is a value: methods on *side change
// a copy that its owner returns.
type side struct {
	keys   keys
	until  time.Time
	said   transcript // all that was said so far
	hello  transcript // behind Hello: what Verdict and Decline are heard behind
	got    [slots][]byte
	posted []Post
	next   Slot // the message of the other side whose turn it is
}

// take notes what arrived, and reports whether it may be what the other side
// wrote: of a message's size, and the same as what came in the slot before.
func (s *side) take(ev Arrived) bool {
	if ev.Slot == 0 || ev.Slot >= slots || len(ev.Bytes) != Size {
		return false
	}
	if was := s.got[ev.Slot]; was != nil {
		return bytes.Equal(was, ev.Bytes)
	}
	s.got[ev.Slot] = bytes.Clone(ev.Bytes)
	return true
}

// hear opens the message whose turn it is, if it has come. ok is false if what
// came is not what the other side said behind all that this one has heard.
func (s *side) hear() (body []byte, ok bool) {
	body, err := s.keys.open(s.next, s.said, s.got[s.next])
	if err != nil {
		return nil, false
	}
	s.said = s.said.with(s.next, body)
	return body, true
}

// say seals a message behind all that was said, and adds it to that.
func (s *side) say(slot Slot, body []byte) (Post, error) {
	p, err := s.seal(slot, s.said, body)
	s.said = s.said.with(slot, body)
	return p, err
}

// close seals how it ended for this side.
func (s *side) close(slot Slot, why Why, proof []byte) ([]Effect, error) {
	end := End{why}
	if s.hello == (transcript{}) {
		return []Effect{end}, nil // there is nobody yet to tell
	}
	p, err := s.seal(slot, s.hello, append([]byte{byte(why)}, proof...))
	return []Effect{p, end}, err
}

func (s *side) seal(slot Slot, behind transcript, body []byte) (Post, error) {
	b, err := s.keys.seal(slot, behind, body)
	p := Post{Place: s.keys.place, Slot: slot, Bytes: b}
	s.posted = append(slices.Clip(s.posted), p)
	return p, err
}

// closed returns how the other side says it ended, and its proof, if it does.
func (s *side) closed(slot Slot) (why Why, proof []byte, ok bool) {
	if s.got[slot] == nil || s.hello == (transcript{}) {
		return 0, nil, false
	}
	body, err := s.keys.open(slot, s.hello, s.got[slot])
	if err != nil || len(body) == 0 {
		return 0, nil, false
	}
	why = Why(body[0])
	if known := why >= Expired && why <= Overtaken; !known && (why != Linked || slot != Verdict) {
		why = Refused
	}
	return why, body[1:], true
}

// again posts everything again.
func (s *side) again() []Effect {
	var effects []Effect
	for _, p := range s.posted {
		effects = append(effects, p)
	}
	return effects
}

// offer is what Offer says.
type offer struct {
	account ident.AccountID
	length  uint64 // of the sponsor's chain
	head    devchain.Hash
	sponsor ident.DeviceID
	nonce   [32]byte
	lock    [32]byte // the hash of what a Verdict shows
	name    ident.Name
}

// offerSize is the size of what stands before the name.
const offerSize = ident.AccountSize + 8 + 32 + ident.DeviceSize + 32 + 32

func (o offer) encode() []byte {
	b := binary.BigEndian.AppendUint64(slices.Clone(o.account[:]), o.length)
	return slices.Concat(b, o.head[:], o.sponsor[:], o.nonce[:], o.lock[:], []byte(o.name.String()))
}

func (o *offer) decode(b []byte) bool {
	if len(b) < offerSize {
		return false
	}
	name, err := ident.ParseName(string(b[offerSize:]))
	if err != nil || name.String() != string(b[offerSize:]) {
		return false
	}
	o.name = name
	n := copy(o.account[:], b)
	o.length = binary.BigEndian.Uint64(b[n:])
	n += 8
	n += copy(o.head[:], b[n:])
	n += copy(o.sponsor[:], b[n:])
	n += copy(o.nonce[:], b[n:])
	copy(o.lock[:], b[n:])
	return o.length > 0
}
