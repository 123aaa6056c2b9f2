package mailbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/sealer"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// Tag stands for a device's mailbox in the store and in memory.
type Tag = sealer.Owner

// Records are the mailboxes' records in the store. It is safe for concurrent
// use.
//
// A record's key is kind, tag (16), n (8) and hour (4), numbers big-endian: in
// the order of arrival, with the hour alone to tell when that was. Its value is
// the sealer's handle (8), the tag by which it is withdrawn (8, 0: by nothing)
// and the ciphertext of class (1), arrival (8, unix milliseconds) and envelope.
type Records struct {
	Store  store.Store
	Keys   *atrest.Keys
	Sealer sealer.Sealer
}

const (
	keySize   = 1 + atrest.TagSize + 8 + 4
	headSize  = 8 + 8 // of a value, before the ciphertext
	plainHead = 1 + 8 // of a plaintext, before the envelope
)

// Tag returns the tag of a device's mailbox.
func (r Records) Tag(device []byte) Tag { return r.Keys.Tag(atrest.Mailbox, device) }

// WithdrawSize is the size in bytes of what a sender gives to withdraw an
// envelope by: the beginning of a hash.
const WithdrawSize = 16

// WithdrawTag returns what stands beside an envelope so that it is found by the
// hash of its withdraw handle, 0 if the hash is zeros. It has 64 bits: who
// guesses asks the relay each time, and it hits one of 20,000 in 10^15.
func (r Records) WithdrawTag(tag Tag, hash [WithdrawSize]byte) uint64 {
	if hash == ([WithdrawSize]byte{}) {
		return 0
	}
	t := r.Keys.Tag(atrest.Withdraw, append(tag[:], hash[:]...))
	return max(1, binary.BigEndian.Uint64(t[:]))
}

// Sealed is a flight ready to be written.
type Sealed struct {
	Place

	key []byte
	val []byte
}

// Seal seals a flight, once; Put may then write it any number of times.
func (r Records) Seal(tag Tag, f *Flight) (Sealed, error) {
	key := recordKey(tag, f.N, f.Arrived)
	val := make([]byte, headSize+sealer.Head+plainHead+len(f.Envelope)+sealer.Tail)
	record := val[headSize:]
	plain := record[sealer.Head:]
	plain[0] = byte(f.Class)                                 //nolint:gosec // 0 or 1
	binary.BigEndian.PutUint64(plain[1:], uint64(f.Arrived)) //nolint:gosec // after 1970
	copy(plain[plainHead:], f.Envelope)
	handle, err := r.Sealer.SealIn(tag, key, record)
	if err != nil {
		return Sealed{}, fmt.Errorf("seal: %w", err)
	}
	binary.BigEndian.PutUint64(val, handle)
	binary.BigEndian.PutUint64(val[8:], f.Withdraw)
	return Sealed{Place{handle, seal.Segment(record)}, key, val}, nil
}

// Put adds a sealed flight to a batch.
func (Records) Put(b *store.Batch, s Sealed) { b.Set(s.key, s.val) }

// Forget destroys the keys of records, which nobody can open from then on. The
// records themselves are deleted by Delete.
func (r Records) Forget(tag Tag, records []Record) {
	if len(records) == 0 {
		return
	}
	handles := make([]uint64, len(records))
	for i, rec := range records {
		handles[i] = rec.Handle
	}
	r.Sealer.Forget(tag, handles)
}

// Delete adds the deletion of records to a batch, together with the gap if that
// changes.
func (r Records) Delete(b *store.Batch, tag Tag, f Forgetting) {
	for _, rec := range f.Records {
		b.Delete(recordKey(tag, rec.N, rec.Arrived))
	}
	if f.Gap != nil {
		r.SetGap(b, tag, *f.Gap)
	}
}

// SetGap adds a mailbox's gap to a batch; a count of 0 is none.
func (r Records) SetGap(b *store.Batch, tag Tag, g Gap) {
	key := atrest.Key(atrest.Gap, tag[:])
	if g.Count == 0 {
		b.Delete(key)
		return
	}
	kept := wire.KeptGap{Count: g.Count, From: g.From, To: g.To, Generation: g.Generation, Restored: g.Restored}
	b.Set(key, r.Keys.Seal(key, kept.Append(nil)))
}

// Load reads records. One whose key or ciphertext is gone comes back without
// an envelope.
func (r Records) Load(ctx context.Context, tag Tag, want []Record) ([]Loaded, error) {
	var got []Loaded
	err := r.Store.View(ctx, func(rd store.Reader) error {
		got = make([]Loaded, 0, len(want))
		for _, rec := range want {
			l, err := r.load(rd, tag, rec)
			if err != nil {
				return err
			}
			got = append(got, l)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load what waits: %w", err)
	}
	return got, nil
}

func (r Records) load(rd store.Reader, tag Tag, rec Record) (Loaded, error) {
	key := recordKey(tag, rec.N, rec.Arrived)
	val, ok, err := rd.Get(key)
	if err != nil || !ok {
		return Loaded{N: rec.N}, err
	}
	if len(val) < headSize {
		return Loaded{}, atrest.ErrDamaged
	}
	plain, err := r.Sealer.Open(tag, binary.BigEndian.Uint64(val), key, val[headSize:])
	if errors.Is(err, sealer.ErrForgotten) {
		return Loaded{N: rec.N, Expired: seal.Segment(val[headSize:]) < r.Sealer.Oldest()}, nil
	}
	if err != nil {
		return Loaded{}, err
	}
	if len(plain) < plainHead {
		return Loaded{}, atrest.ErrDamaged
	}
	return Loaded{
		N:        rec.N,
		Class:    wire.Class(plain[0]),
		Arrived:  int64(binary.BigEndian.Uint64(plain[1:])), //nolint:gosec // written from an int64
		Envelope: plain[plainHead:],
	}, nil
}

// Restore calls waiting for every record, in the order of each mailbox, and gap
// for every gap.
func (r Records) Restore(ctx context.Context, waiting func(Tag, Record, int), gap func(Tag, Gap)) error {
	err := r.Store.View(ctx, func(rd store.Reader) error {
		for kv, err := range rd.Scan([]byte{byte(atrest.Mailbox)}, []byte{byte(atrest.Mailbox) + 1}, 0) {
			if err != nil {
				return err
			}
			if len(kv.Key) != keySize || len(kv.Val) < headSize+seal.Overhead+plainHead {
				return atrest.ErrDamaged
			}
			n, hour := binary.BigEndian.Uint64(kv.Key[1+atrest.TagSize:]), binary.BigEndian.Uint32(kv.Key[1+atrest.TagSize+8:])
			waiting(Tag(kv.Key[1:]), Record{
				N: n, Arrived: int64(hour) * hourMs, Withdraw: binary.BigEndian.Uint64(kv.Val[8:]),
				Place: Place{binary.BigEndian.Uint64(kv.Val), seal.Segment(kv.Val[headSize:])},
			}, len(kv.Val)-headSize-seal.Overhead-plainHead)
		}
		for kv, err := range rd.Scan([]byte{byte(atrest.Gap)}, []byte{byte(atrest.Gap) + 1}, 0) {
			if err != nil {
				return err
			}
			plain, err := r.Keys.Open(kv.Key, kv.Val)
			if err != nil {
				return err
			}
			var g wire.KeptGap
			if err := g.Parse(plain); err != nil || len(kv.Key) != 1+atrest.TagSize {
				return atrest.ErrDamaged
			}
			gap(Tag(kv.Key[1:]), Gap{g.Count, g.From, g.To, g.Generation, g.Restored})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what waits: %w", err)
	}
	return nil
}

func recordKey(tag Tag, n uint64, arrived int64) []byte {
	key := append(make([]byte, 0, keySize), byte(atrest.Mailbox))
	key = append(key, tag[:]...)
	key = binary.BigEndian.AppendUint64(key, n)
	return binary.BigEndian.AppendUint32(key, uint32(arrived/hourMs)) //nolint:gosec // hours fit until the year 490,000
}
