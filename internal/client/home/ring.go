package home

import (
	"encoding/binary"
	"errors"

	"github.com/byre-messenger/byre/internal/secret"
)

// placeSize is the size of what a key of the ring is for: a kind and a name.
const placeSize = 1 + nameSize

// domain is what one key of the ring seals: the records of a kind under a name,
// or some of them (of a conversation, those of a day).
type domain struct {
	place [placeSize]byte
	part  uint64
}

// ringKey is one key, with its number.
type ringKey struct {
	domain
	id  uint64
	key secret.Bytes
	// stale: something was sealed under it that must not open any more. It dies
	// with the next generation, and what it seals of what lives is sealed anew.
	stale bool
}

// ring is the keys of a home. It is written whole with each generation, and
// between generations line by line.
type ring struct {
	base    secret.Bytes // names, and what is sealed for good
	next    uint64       // the next number
	keys    map[uint64]*ringKey
	current map[domain]uint64 // by which a domain is sealed now
	stale   int
}

func newRing(base secret.Bytes) *ring {
	return &ring{base: base, next: 1, keys: map[uint64]*ringKey{}, current: map[domain]uint64{}}
}

// put adds a key, or what changed of one. The newest of a domain seals it.
func (r *ring) put(k ringKey) {
	if old, ok := r.keys[k.id]; ok {
		if k.stale && !old.stale {
			old.stale = true
			r.stale++
		}
		return
	}
	r.keys[k.id] = &k
	if k.stale {
		r.stale++
	}
	r.current[k.domain] = max(k.id, r.current[k.domain])
	r.next = max(r.next, k.id+1)
}

// drop forgets a key, and wipes it.
func (r *ring) drop(id uint64) {
	k, ok := r.keys[id]
	if !ok {
		return
	}
	if k.stale {
		r.stale--
	}
	if r.current[k.domain] == id {
		delete(r.current, k.domain)
	}
	delete(r.keys, id)
	k.key.Wipe()
}

// A ring's bytes, numbers big-endian (docs/spec/home.md):
//
//	ring = version(1)=1 next(8) base(32) key...
//	key  = number(8) place(17) part(8) flags(1) key(32)
//
// Flag 1: stale.
const (
	ringVersion  = 1
	ringHead     = 1 + 8 + rootSize
	ringKeySize  = 8 + placeSize + 8 + 1 + rootSize
	flagStale    = 1
	errRingBytes = "the ring of the home's keys is damaged"
)

func (k *ringKey) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, k.id)
	b = append(b, k.place[:]...)
	b = binary.BigEndian.AppendUint64(b, k.part)
	flags := byte(0)
	if k.stale {
		flags = flagStale
	}
	return append(append(b, flags), k.key.Reveal()...)
}

// snapshot is the ring's bytes.
func (r *ring) snapshot() secret.Bytes {
	b := make([]byte, 0, ringHead+len(r.keys)*ringKeySize)
	b = binary.BigEndian.AppendUint64(append(b, ringVersion), r.next)
	b = append(b, r.base.Reveal()...)
	for _, k := range r.keys {
		b = k.append(b)
	}
	return secret.New(b)
}

func parseRing(snapshot secret.Bytes) (*ring, error) {
	b := snapshot.Reveal()
	if len(b) < ringHead || b[0] != ringVersion {
		return nil, errors.New(errRingBytes)
	}
	r := newRing(secret.New(append([]byte(nil), b[9:ringHead]...)))
	if err := r.lines(b[ringHead:]); err != nil {
		return nil, err
	}
	r.next = max(r.next, binary.BigEndian.Uint64(b[1:]))
	return r, nil
}

// lines adds keys.
func (r *ring) lines(b []byte) error {
	for ; len(b) > 0; b = b[ringKeySize:] {
		if len(b) < ringKeySize {
			return errors.New(errRingBytes)
		}
		k := ringKey{id: binary.BigEndian.Uint64(b), stale: b[8+placeSize+8]&flagStale != 0}
		copy(k.place[:], b[8:])
		k.part = binary.BigEndian.Uint64(b[8+placeSize:])
		k.key = secret.New(append([]byte(nil), b[ringKeySize-rootSize:ringKeySize]...))
		r.put(k)
	}
	return nil
}
