package schedule

import (
	"errors"
	"fmt"
)

// MaxReserve is the most generations that may be reserved ahead. A crash loses
// what was reserved and unused, and receivers follow a gap of [Forward] only.
const MaxReserve = 64

// ErrUnreserved is returned by [SecretTree.Next] when no reserved generation is
// left: reserve more and save the state first.
var ErrUnreserved = errors.New("no reserved generation left")

// Reserve makes sure that at least the next n generations of kind k, at most
// MaxReserve, may be sent. It reports whether the state changed: if so, save it
// before the first of them is used. A saved state begins after the reservation,
// so one that comes back after a crash uses none of them again.
func (t *SecretTree) Reserve(k Kind, n uint32) (changed bool, err error) {
	if n > MaxReserve {
		return false, fmt.Errorf("reserve %d generations: at most %d", n, MaxReserve)
	}
	r, err := t.ownRatchet(k)
	if err != nil {
		return false, err
	}
	want := min(r.next+uint64(n), generations)
	if want <= t.reserved[k] {
		return false, nil
	}
	t.reserved[k] = want
	return true, nil
}

// Next takes the next own generation of kind k, which must be reserved. The
// ratchet has moved on when it returns: the key is the caller's alone, to be
// wiped after use.
func (t *SecretTree) Next(k Kind) (generation uint32, key MessageKey, err error) {
	r, err := t.ownRatchet(k)
	if err != nil {
		return 0, MessageKey{}, err
	}
	if r.next >= t.reserved[k] {
		return 0, MessageKey{}, ErrUnreserved
	}
	generation = uint32(r.next) //nolint:gosec // reserved is at most 1<<32
	key = messageKey(t.suite, r.secret, generation)
	r.step(t.suite)
	t.version++
	return generation, key, nil
}

// ownRatchet returns the own ratchet of kind k, derived if need be.
func (t *SecretTree) ownRatchet(k Kind) (*ratchet, error) {
	if t.own == NoLeaf || k >= kinds {
		return nil, fmt.Errorf("send: %w", ErrNoLeaf)
	}
	s := t.senders[t.own]
	if s == nil {
		d, err := t.descend(t.own)
		if err != nil {
			return nil, err
		}
		s = t.install(t.own, d)
	}
	if s[k].secret.Len() == 0 {
		return nil, fmt.Errorf("send: %w", ErrErased)
	}
	return &s[k], nil
}

// retire erases the own ratchets and the handshake ratchets of all senders heard:
// the epoch is over, and nothing is sent, proposed or committed in it any more.
func (t *SecretTree) retire() {
	if t.own != NoLeaf {
		_, _ = t.ownRatchet(Application) // so that the frontier no longer covers the own leaf
	}
	for leaf, s := range t.senders {
		s[Handshake].wipe()
		if leaf == t.own {
			s.wipe()
		}
	}
	t.version++
}
