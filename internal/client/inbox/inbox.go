// Package inbox remembers envelopes: those that came, so that none is read
// twice, and those that no key opens yet.
package inbox

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/trust"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// KeptFor is how long an envelope is recognised, and how long one may wait
	// for a key: longer than the relay may keep it, so that one that comes
	// twice never reaches MLS twice.
	KeptFor = 96 * time.Hour
	// maxFresh is how many envelopes wait for the logs to be read: as many as a
	// mailbox holds, since a device that was away reads its logs behind its
	// mailbox. maxTried is how many wait after that, and maxBytes bounds all.
	maxFresh = 20_000
	maxTried = 256
	maxBytes = 256 << 20

	hashSize = 32
)

// Inbox is what is remembered. It has one owner.
type Inbox struct {
	home    *home.Home
	hashes  map[[hashSize]byte]struct{}
	batches []batch // the oldest first
	fresh   []byte  // hashes that are not saved yet
	waiting map[uint64]*wire.WaitingRecord
	tried   int // of those, how many were tried with every key there is
	bytes   int // of those
	nextIn  uint64
	nextKey uint64
}

// batch is what came together.
type batch struct {
	n      uint64
	at     time.Time
	hashes []byte
}

// Delivery is an envelope on its way in.
type Delivery struct {
	Envelope []byte
	At       time.Time
	// Stored tells that the relay wrote it, WaitedMs how long it waited there.
	Stored   bool
	WaitedMs uint64
}

// Sent is when the envelope was handed to the relay, by the relay's word, which
// counts for no more than it may keep one.
func (d Delivery) Sent() time.Time {
	return d.At.Add(-min(trust.Retention, time.Duration(min(d.WaitedMs, 1<<40))*time.Millisecond))
}

// Load reads what is remembered.
func Load(ctx context.Context, h *home.Home) (*Inbox, error) {
	b := &Inbox{home: h, hashes: map[[hashSize]byte]struct{}{}, waiting: map[uint64]*wire.WaitingRecord{}}
	for it, err := range h.From(ctx, h.Key(home.Seen), 0, 0) {
		if err != nil {
			return nil, err
		}
		var rec wire.SeenRecord
		if err := rec.Parse(it.Record); err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		for h := range each(rec.Hashes) {
			b.hashes[h] = struct{}{}
		}
		b.batches = append(b.batches, batch{it.N, time.UnixMilli(rec.At), rec.Hashes})
		b.nextIn = it.N + 1
	}
	for it, err := range h.From(ctx, h.Key(home.Waiting), 0, 0) {
		if err != nil {
			return nil, err
		}
		rec := &wire.WaitingRecord{}
		if err := rec.Parse(it.Record); err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		b.keep(it.N, rec)
		b.nextKey = it.N + 1
	}
	return b, nil
}

func each(hashes []byte) iter.Seq[[hashSize]byte] {
	return func(yield func([hashSize]byte) bool) {
		for h := range slices.Chunk(hashes, hashSize) {
			if len(h) == hashSize && !yield([hashSize]byte(h)) {
				return
			}
		}
	}
}

// First reports whether an envelope comes for the first time, and notes it; the
// note is durable with the next Save.
func (b *Inbox) First(env []byte) bool {
	h := envelope.Hash(env)
	if _, again := b.hashes[h]; again {
		return false
	}
	b.hashes[h] = struct{}{}
	b.fresh = append(b.fresh, h[:]...)
	return true
}

// Save writes what came and forgets what is old.
func (b *Inbox) Save(tx *home.Tx, now time.Time) {
	if len(b.fresh) == 0 {
		return
	}
	k := b.home.Key(home.Seen)
	tx.Put(k.At(b.nextIn), &wire.SeenRecord{At: now.UnixMilli(), Hashes: b.fresh})
	b.batches = append(b.batches, batch{b.nextIn, now, b.fresh})
	b.fresh = nil
	b.nextIn++
	old := 0
	for old < len(b.batches) && now.Sub(b.batches[old].at) > KeptFor {
		for h := range each(b.batches[old].hashes) {
			delete(b.hashes, h)
		}
		old++
	}
	if old > 0 {
		tx.DeleteBefore(k, b.batches[old-1].n+1)
		b.batches = b.batches[old:]
	}
}

// Wait keeps an envelope that no key opens yet. Who sent it nobody can tell, so
// there is no share a sender: what may still be opened is kept as far as the
// relay's own bound on what one may send, and what nothing opened once every log
// was read (see [Inbox.Tried]) makes room for it.
func (b *Inbox) Wait(tx *home.Tx, d Delivery) {
	if b.Fresh() >= maxFresh || b.bytes+len(d.Envelope) > maxBytes {
		return // of more than a mailbox holds, what came first
	}
	rec := &wire.WaitingRecord{Envelope: slices.Clone(d.Envelope), ArrivedAt: d.At.UnixMilli(), Stored: d.Stored, WaitedMs: d.WaitedMs}
	b.keep(b.nextKey, rec)
	tx.Put(b.home.Key(home.Waiting).At(b.nextKey), rec)
	b.nextKey++
}

// Waiting is how many envelopes wait for a key.
func (b *Inbox) Waiting() int { return len(b.waiting) }

// Last names the newest envelope that waits or waited, for Tried.
func (b *Inbox) Last() uint64 { return b.nextKey }

// Tried notes that every epoch log was read since the envelopes before last came
// (a value of Last): what opens them now is a Welcome that is still to come. Of
// those few are kept, the newest.
func (b *Inbox) Tried(tx *home.Tx, last uint64) {
	var tried []uint64
	for _, n := range slices.Sorted(maps.Keys(b.waiting)) {
		rec := b.waiting[n]
		if n < last && !rec.Tried {
			rec.Tried = true
			b.tried++
			tx.Put(b.home.Key(home.Waiting).At(n), rec)
		}
		if rec.Tried {
			tried = append(tried, n)
		}
	}
	for _, n := range tried[:max(0, len(tried)-maxTried)] {
		b.drop(tx, n)
	}
}

// Fresh is how many of those that wait were not tried with every key.
func (b *Inbox) Fresh() int { return len(b.waiting) - b.tried }

func (b *Inbox) keep(n uint64, rec *wire.WaitingRecord) {
	b.waiting[n] = rec
	b.bytes += len(rec.Envelope)
	if rec.Tried {
		b.tried++
	}
}

// Retry has open try what waits, in the order in which it came; what it opens,
// and what is too old, is forgotten. open may lead to Retry again.
func (b *Inbox) Retry(tx *home.Tx, now time.Time, open func(Delivery) (bool, error)) error {
	for _, n := range slices.Sorted(maps.Keys(b.waiting)) {
		rec, still := b.waiting[n]
		if !still {
			continue // what was opened before it opened this one too
		}
		d := Delivery{rec.Envelope, time.UnixMilli(rec.ArrivedAt), rec.Stored, rec.WaitedMs}
		opened, err := open(d)
		if err != nil {
			return err
		}
		if _, still := b.waiting[n]; still && (opened || now.Sub(d.At) > KeptFor) {
			b.drop(tx, n)
		}
	}
	return nil
}

func (b *Inbox) drop(tx *home.Tx, n uint64) {
	rec := b.waiting[n]
	b.bytes -= len(rec.Envelope)
	if rec.Tried {
		b.tried--
	}
	delete(b.waiting, n)
	tx.Delete(b.home.Key(home.Waiting).At(n))
}

// Kept returns content as the history keeps it, whose Received is taken out.
// Content with a body that this byre does not know is kept as it came, for a
// newer one.
func Kept(plain []byte, c *wire.Content) []byte {
	if c.Body == nil {
		return slices.Clone(plain)
	}
	return c.Append(nil)
}
