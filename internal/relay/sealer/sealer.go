// Package sealer seals what waits at the relay under keys that can be destroyed
// one by one: no storage engine deletes, keys do (DESIGN 6).
package sealer

import (
	"errors"

	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/seal"
)

// ErrForgotten says that a record's key is gone: the record may be dropped, and
// nobody can read it again.
var ErrForgotten = errors.New("the key of a waiting record is gone")

// Owner is who a key waits for: the tag of a mailbox, or of an epoch's log.
type Owner = [atrest.TagSize]byte

// Sealed is a record under its own key.
type Sealed struct {
	// Handle names the key among those of its owner. It is stored with the
	// record, and never given to another key of that owner.
	Handle uint64
	// Segment is the hour of keys that it dies with, at the latest.
	Segment uint32
	// Ciphertext is what is stored; it tells the segment (seal.Segment).
	Ciphertext []byte
}

// Room that SealIn needs before and behind a plaintext, in bytes.
const (
	Head = seal.Head
	Tail = seal.Tail
)

// Seal seals a copy of a plaintext that will be stored at key.
func Seal(s Sealer, owner Owner, key, plaintext []byte) (Sealed, error) {
	record := make([]byte, Head+len(plaintext)+Tail)
	copy(record[Head:], plaintext)
	handle, err := s.SealIn(owner, key, record)
	if err != nil {
		return Sealed{}, err
	}
	return Sealed{Handle: handle, Segment: seal.Segment(record), Ciphertext: record}, nil
}

// Sealer seals records under keys that it can forget. It is safe for concurrent
// use.
type Sealer interface {
	// SealIn encrypts a record that will be stored at key, where it stands:
	// record has [Head] bytes of room, the plaintext, and [Tail] bytes of room.
	// It is called outside of transactions, once for each record: a commit that
	// is repeated writes the same ciphertext again. Whoever fails to store the
	// record forgets the handle. After an error the plaintext is as it was.
	SealIn(owner Owner, key, record []byte) (handle uint64, err error)
	// Open decrypts. It returns ErrForgotten if the key is gone.
	Open(owner Owner, handle uint64, key, ciphertext []byte) ([]byte, error)
	// Forget destroys the keys of handles: in memory at once, everywhere else
	// soon. Calling it again with the same handles is harmless.
	Forget(owner Owner, handles []uint64)
	// Oldest is the lowest segment that lives. What was sealed in an earlier one
	// is past its time, whatever the clock says.
	Oldest() uint32
	// Durable reports whether what is sealed opens after the process has ended.
	Durable() bool
}
