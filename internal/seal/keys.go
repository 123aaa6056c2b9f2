// Package seal holds keys that can be forgotten one by one: no storage engine
// deletes, keys do (DESIGN 6). Each record is sealed under a key of its own;
// what is forgotten can't be computed any more from what is left, and what
// lives is a few bytes a record. docs/spec/seal.md has the derivations, the
// formats, and why what survives opens what it opens and nothing else.
//
// The package does no I/O and reads no clock. [Keys] is what lives in memory;
// [Keys.Snapshot] is what a checkpoint makes durable, and [Recover] begins with
// it. internal/vault does the writing, in the order that makes forgetting true.
package seal

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
)

// Sizes in bytes.
const (
	OwnerSize = 16
	// Head is what stands before the ciphertext of a record (segment and nonce),
	// Tail what stands behind it, and Overhead what sealing adds in all.
	Head     = segmentSize + 12
	Tail     = 16
	Overhead = Head + Tail

	segmentSize = 4
)

// Errors that callers decide on.
var (
	// ErrForgotten says that the key of a record is gone. Nobody can open it.
	ErrForgotten = errors.New("the key of a sealed record is gone")
	// ErrDamaged says that a record is not what was sealed at this place.
	ErrDamaged = errors.New("a sealed record is damaged")
	// ErrTurn says that a checkpoint must become durable before more can be
	// sealed.
	ErrTurn = errors.New("nothing can be sealed before the next checkpoint of the keys")
)

// Owner is whose a chain of keys is: a pseudonym.
type Owner [OwnerSize]byte

// Handle names a key among those of its owner: the segment (32 bits) and step
// (16) of the source its chain began at, and its place n in the chain (16). It
// is never given twice to an owner.
type Handle uint64

func newHandle(b birth, n uint16) Handle {
	return Handle(uint64(b.segment)<<32 | uint64(b.step)<<16 | uint64(n))
}

func (h Handle) born() birth {
	return birth{uint32(h >> 32), uint16(h >> 16 & 0xffff)}
}

func (h Handle) n() uint16 { return uint16(h & 0xffff) }

// shards is in how many parts owners fall, so that a checkpoint never stops
// more than a part.
const shards = 256

// Keys are the keys of everything that waits. They are safe for concurrent use
// and can't be printed.
type Keys struct {
	retention time.Duration
	roots     roots
	shards    [shards]shard

	// changes counts what a checkpoint has yet to make true; saved is where it
	// stood when the last durable one began, begun where the last one began.
	changes, saved, begun atomic.Uint64
	turning               sync.Mutex // held by Snapshot and Adopt
	size                  int        // of the last snapshot; under turning
}

// shard is the owners that begin with one byte.
type shard struct {
	mu     sync.Mutex
	owners map[Owner][]*chain // the last one seals, if any does
}

// Seal seals a record that will stand at place, under a key that nothing else
// was or will be sealed under. Whoever stores the record stores the handle with
// it; whoever fails to must forget the handle. It returns [ErrTurn] if a
// checkpoint has to be made first.
func (k *Keys) Seal(owner Owner, place, plaintext []byte) (Handle, []byte, error) {
	record := make([]byte, len(plaintext)+Overhead)
	copy(record[Head:], plaintext)
	handle, err := k.SealIn(owner, place, record)
	if err != nil {
		return 0, nil, err
	}
	return handle, record, nil
}

// SealIn is [Keys.Seal] without a copy: record has room of [Head] bytes, the
// plaintext, and room of [Tail] bytes, and becomes what is stored. After an
// error the plaintext stands where it was.
func (k *Keys) SealIn(owner Owner, place, record []byte) (handle Handle, err error) {
	nonce, plaintext := record[segmentSize:Head], record[Head:len(record)-Tail]
	_, _ = rand.Read(nonce) // never fails
	secret.Do(func() {
		var rec key
		defer clear(rec[:])
		var segment uint32
		if handle, segment, err = k.take(owner, &rec); err != nil {
			return
		}
		binary.BigEndian.PutUint32(record, segment)
		aead, e := cipherOf(&rec)
		if err = e; err == nil {
			aead.Seal(plaintext[:0], nonce, plaintext, place)
		}
	})
	return handle, err
}

// take sets rec to the next record key of an owner.
func (k *Keys) take(owner Owner, rec *key) (Handle, uint32, error) {
	s := &k.shards[owner[0]]
	s.mu.Lock()
	defer s.mu.Unlock()
	// Roots are read under the shard's lock, which is held until the chain
	// stands in the shard: a snapshot that steps the source first and reads the
	// shards then misses no chain of the source before.
	k.roots.mu.RLock()
	defer k.roots.mu.RUnlock()
	now := k.roots.current
	if now == nil || now.source == nil || k.roots.mark.Elapsed-now.opened >= SegmentLimit {
		return 0, 0, ErrTurn
	}
	chains := s.owners[owner]
	if len(chains) == 0 || !chains[len(chains)-1].sealing {
		born := birth{now.id, now.step}
		for _, c := range chains {
			if c.born == born {
				return 0, 0, ErrTurn // this source gave the owner all that it may
			}
		}
		var first key
		derive(&first, now.source, labelChain, owner[:])
		chains = append(chains, newChain(born, &first))
		clear(first[:])
		s.owners[owner] = chains
	}
	c := chains[len(chains)-1]
	n, ok := c.take(rec)
	if !ok {
		return 0, 0, ErrTurn
	}
	c.last = now.id
	derive(rec, rec, labelRecord, now.secret[:])
	return newHandle(c.born, n), now.id, nil
}

// Open opens a record that was sealed for owner at place. It returns
// [ErrForgotten] if its key is gone, [ErrDamaged] if it does not open.
func (k *Keys) Open(owner Owner, handle Handle, place, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, ErrDamaged
	}
	out := make([]byte, 0, len(sealed)-Overhead)
	var err error
	secret.Do(func() {
		var rec key
		defer clear(rec[:])
		earlier, ok := k.find(owner, handle, binary.BigEndian.Uint32(sealed), &rec)
		if !ok {
			err = ErrForgotten
			return
		}
		var aead cipher.AEAD
		var e error
		if earlier {
			aead, e = earlierCipher(&rec)
		} else {
			aead, e = cipherOf(&rec)
		}
		if err = e; err != nil {
			return
		}
		if out, e = aead.Open(out, sealed[segmentSize:Head], sealed[Head:], place); e != nil {
			err = ErrDamaged
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Segment is the segment that a record is sealed in, 0 if it is none. A lower
// number than [Keys.Oldest] says that the record is past its time.
func Segment(sealed []byte) uint32 {
	if len(sealed) < Overhead {
		return 0
	}
	return binary.BigEndian.Uint32(sealed)
}

// Oldest is the lowest segment that lives: what was sealed in an earlier one
// opens no more.
func (k *Keys) Oldest() uint32 {
	k.roots.mu.RLock()
	defer k.roots.mu.RUnlock()
	if len(k.roots.segments) == 0 {
		return k.roots.nextID
	}
	return k.roots.segments[0].id
}

// find sets rec to a record key that lives, and reports whether it is of version 1.
func (k *Keys) find(owner Owner, handle Handle, segment uint32, rec *key) (earlier, ok bool) {
	s := &k.shards[owner[0]]
	s.mu.Lock()
	if c := s.chain(owner, handle.born()); c != nil {
		earlier, ok = c.earlier, c.find(handle.n(), rec)
	}
	s.mu.Unlock()
	if !ok {
		return false, false
	}
	k.roots.mu.RLock()
	defer k.roots.mu.RUnlock()
	seg := k.roots.segment(segment)
	if seg == nil {
		return false, false
	}
	derive(rec, rec, labelRecord, seg.secret[:])
	return earlier, true
}

// Forget destroys keys, in memory at once and everywhere else with the next
// durable checkpoint. It returns how many there were to destroy; handles whose
// keys are gone are harmless.
func (k *Keys) Forget(owner Owner, handles ...Handle) int {
	gone := 0
	secret.Do(func() {
		s := &k.shards[owner[0]]
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, h := range handles {
			// A chain that ends empty stays until a snapshot sees that its
			// source can't begin it again.
			if c := s.chain(owner, h.born()); c != nil && c.forget(h.n()) {
				gone++
			}
		}
	})
	if gone > 0 {
		k.changes.Add(1)
	}
	return gone
}

// chain returns an owner's chain that was born there, or nil.
func (s *shard) chain(owner Owner, born birth) *chain {
	for _, c := range s.owners[owner] {
		if c.born == born {
			return c
		}
	}
	return nil
}

// drop wipes a chain and takes it out.
func (s *shard) drop(owner Owner, gone *chain) {
	gone.wipe()
	kept := s.owners[owner][:0]
	for _, c := range s.owners[owner] {
		if c != gone {
			kept = append(kept, c)
		}
	}
	if clear(s.owners[owner][len(kept):]); len(kept) == 0 {
		delete(s.owners, owner)
		return
	}
	s.owners[owner] = kept
}

// Stats count what lives.
type Stats struct {
	Keys     int // that can be computed
	Chains   int
	Segments int
}

// Stats counts what lives.
func (k *Keys) Stats() Stats {
	var st Stats
	for i := range k.shards {
		s := &k.shards[i]
		s.mu.Lock()
		for _, chains := range s.owners {
			st.Chains += len(chains)
			for _, c := range chains {
				st.Keys += c.live()
			}
		}
		s.mu.Unlock()
	}
	k.roots.mu.RLock()
	defer k.roots.mu.RUnlock()
	st.Segments = len(k.roots.segments)
	return st
}

// Format hides the keys from fmt, whatever the verb.
func (*Keys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[seal keys]")) }

func random(k *key) { _, _ = rand.Read(k[:]) } // never fails
