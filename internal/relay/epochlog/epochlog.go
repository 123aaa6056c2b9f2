// Package epochlog keeps, for each epoch of a room, the list of commits that
// end it (docs/spec/relay.md, Epoch log). The relay knows an epoch by a handle
// that only its members can compute; whoever knows it may read and append.
package epochlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/sealer"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// Bounds of a log.
const (
	HandleSize = 32
	MaxEntries = 64                  // in all for one handle, but for a device's first (ADR 13)
	Tombstone  = 30 * 24 * time.Hour // how long a used handle answers "over", from its first entry
	pageSize   = 900 << 10           // bytes of entries in one answer
)

// Handle names an epoch.
type Handle [HandleSize]byte

// Log keeps logs in a store. It is safe for concurrent use. The times that it is
// told are those of one clock that nobody sets (package steady).
type Log struct {
	Store     store.Store
	Keys      *atrest.Keys
	Sealer    sealer.Sealer
	Retention time.Duration
}

// Page is a log from an index on, as much of it as fits into a frame: whoever
// gets less than there is reads on.
type Page struct {
	From    uint64
	Entries [][]byte
	// Count is how many entries the log has in all.
	Count uint64
	// Over: the handle was used and its entries are gone.
	Over bool
}

// Read returns a log from an index on. A handle that nobody used has an empty
// log.
func (l Log) Read(ctx context.Context, now time.Time, h Handle, from uint64) (Page, error) {
	page := Page{From: from}
	err := l.Store.View(ctx, func(r store.Reader) error {
		tag := l.tag(h)
		head, err := l.head(r, tag)
		if err != nil {
			return err
		}
		if page.Over = l.over(head, now); page.Over {
			return nil
		}
		page.Count = head.Count
		size := 0
		for i := from; i < head.Count && i < uint64(len(head.Handles)); i++ {
			key := entryKey(tag, i)
			val, ok, err := r.Get(key)
			if err != nil {
				return err
			}
			if !ok {
				return atrest.ErrDamaged
			}
			plain, err := l.Sealer.Open(tag, head.Handles[i], key, val)
			if errors.Is(err, sealer.ErrForgotten) {
				page = Page{From: from, Over: true} // its hour ended meanwhile
				return nil
			}
			if err != nil {
				return err
			}
			if size += len(plain); size > pageSize && len(page.Entries) > 0 {
				break
			}
			page.Entries = append(page.Entries, plain)
		}
		return nil
	})
	if err != nil {
		return Page{}, fmt.Errorf("read epoch log: %w", err)
	}
	return page, nil
}

// Entry is a commit sealed for one place of one log.
type Entry struct {
	tag    sealer.Owner
	after  uint64
	sealed sealer.Sealed
}

// Seal prepares a commit for the place behind after others.
func (l Log) Seal(h Handle, after uint64, commit []byte) (Entry, error) {
	tag := l.tag(h)
	s, err := sealer.Seal(l.Sealer, tag, entryKey(tag, after), commit)
	if err != nil {
		return Entry{}, fmt.Errorf("seal: %w", err)
	}
	return Entry{tag, after, s}, nil
}

// Append adds e to its log if that has exactly as many entries as e comes
// after, in one commit with what also adds to the batch; also may be called
// several times. won tells whether e has its place. After an error the outcome
// is unknown, and Append may be called again with the same e.
func (l Log) Append(ctx context.Context, now time.Time, e Entry, also func(*store.Batch)) (won bool, err error) {
	key := entryKey(e.tag, e.after)
	// One commit (L1): entry, head and all that also adds, or nothing.
	err = store.Update(ctx, l.Store, func(r store.Reader, b *store.Batch) error {
		won = false
		head, err := l.head(r, e.tag)
		if err != nil {
			return err
		}
		there, ok, err := r.Get(key)
		if err != nil {
			return err
		}
		if ok && bytes.Equal(there, e.sealed.Ciphertext) {
			won = true // an earlier call with an unknown outcome went through
			return nil
		}
		if head.Count != e.after || l.over(head, now) {
			return nil
		}
		if head.Count == 0 {
			head.First = now.Truncate(time.Hour).Unix()
			b.Set(dueKey(time.Unix(head.First, 0).Add(l.Retention), e.tag), nil)
		}
		head.Count++
		head.Handles = append(head.Handles, e.sealed.Handle)
		head.Segments = append(head.Segments, uint64(e.sealed.Segment))
		l.setHead(b, e.tag, head)
		b.Set(key, e.sealed.Ciphertext)
		also(b)
		won = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("append to epoch log: %w", err)
	}
	return won, nil
}

// GiveUp forgets the key of an entry that was not appended.
func (l Log) GiveUp(e Entry) { l.Sealer.Forget(e.tag, []uint64{e.sealed.Handle}) }

// Sweep empties the logs whose first entry has reached the retention time, and
// drops the handles that are past their 30 days.
func (l Log) Sweep(ctx context.Context, now time.Time) error {
	var due [][]byte
	err := l.Store.View(ctx, func(r store.Reader) error {
		for kv, err := range r.Scan([]byte{byte(atrest.Due)}, dueKey(now.Add(time.Hour), sealer.Owner{}), 0) {
			if err != nil {
				return err
			}
			if len(kv.Key) == dueSize {
				due = append(due, bytes.Clone(kv.Key))
			}
		}
		return nil
	})
	for _, key := range due {
		if err != nil {
			break
		}
		err = l.settle(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("sweep epoch logs: %w", err)
	}
	return nil
}

// settle does what is due at key: it ends a log, or drops an ended one.
func (l Log) settle(ctx context.Context, key []byte) error {
	tag := sealer.Owner(key[dueSize-atrest.TagSize:])
	// L2: entries, keys and the next date change together. A crash before this
	// commit leaves the old date, and the next sweep comes again.
	return store.Update(ctx, l.Store, func(r store.Reader, b *store.Batch) error {
		head, err := l.head(r, tag)
		if err != nil {
			return err
		}
		b.Delete(key)
		if head.Over {
			b.Delete(headKey(tag))
			return nil
		}
		for i := range head.Count {
			b.Delete(entryKey(tag, i))
		}
		l.Sealer.Forget(tag, head.Handles)
		b.Set(dueKey(time.Unix(head.First, 0).Add(Tombstone), tag), nil)
		head.Over, head.Handles, head.Segments = true, nil, nil
		l.setHead(b, tag, head)
		return nil
	})
}

// Bury adds to a batch what stays of a log that a backup kept: its handle was
// used and answers "over" for what is left of its 30 days. Nobody may take the
// epoch for one that goes on, whatever became of its entries.
func (l Log) Bury(b *store.Batch, tag sealer.Owner, head *wire.KeptEpoch) {
	b.Set(dueKey(time.Unix(head.First, 0).Add(Tombstone), tag), nil)
	l.setHead(b, tag, &wire.KeptEpoch{Count: head.Count, First: head.First, Over: true})
}

// over reports whether the entries of a log may no longer be read, swept or
// not: by the clock, or because the keys of the first are past their time. That
// is sealed in the oldest segment of all, since each comes after those before it.
func (l Log) over(head *wire.KeptEpoch, now time.Time) bool {
	return head.Over || (head.Count > 0 && !now.Before(time.Unix(head.First, 0).Add(l.Retention))) ||
		(len(head.Segments) > 0 && head.Segments[0] < uint64(l.Sealer.Oldest()))
}

// Held calls fn with the place of the key of every entry of every log that is
// not over, until it returns false.
func (l Log) Held(ctx context.Context, fn func(tag sealer.Owner, handle uint64, segment uint32) bool) error {
	err := l.Store.View(ctx, func(r store.Reader) error {
		for kv, err := range r.Scan([]byte{byte(atrest.Epoch)}, []byte{byte(atrest.Epoch) + 1}, 0) {
			if err != nil {
				return err
			}
			head, err := l.readHead(kv.Key, kv.Val)
			if err != nil {
				return err
			}
			if len(kv.Key) != 1+atrest.TagSize || len(head.Handles) != len(head.Segments) {
				return atrest.ErrDamaged
			}
			for i, h := range head.Handles {
				if !fn(sealer.Owner(kv.Key[1:]), h, uint32(head.Segments[i])) { //nolint:gosec // written from one
					return nil
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the epoch logs: %w", err)
	}
	return nil
}

func (l Log) head(r store.Reader, tag sealer.Owner) (*wire.KeptEpoch, error) {
	key := headKey(tag)
	val, ok, err := r.Get(key)
	if err != nil || !ok {
		return &wire.KeptEpoch{}, err
	}
	return l.readHead(key, val)
}

func (l Log) readHead(key, val []byte) (*wire.KeptEpoch, error) {
	plain, err := l.Keys.Open(key, val)
	if err != nil {
		return nil, err
	}
	head := &wire.KeptEpoch{}
	if err := head.Parse(plain); err != nil {
		return nil, fmt.Errorf("%w: %w", atrest.ErrDamaged, err)
	}
	return head, nil
}

func (l Log) setHead(b *store.Batch, tag sealer.Owner, head *wire.KeptEpoch) {
	key := headKey(tag)
	b.Set(key, l.Keys.Seal(key, head.Append(nil)))
}

func (l Log) tag(h Handle) sealer.Owner { return l.Keys.Tag(atrest.Epoch, h[:]) }

func headKey(tag sealer.Owner) []byte { return atrest.Key(atrest.Epoch, tag[:]) }

func entryKey(tag sealer.Owner, i uint64) []byte {
	return atrest.Key(atrest.Commit, tag[:], binary.BigEndian.AppendUint64(nil, i))
}

// dueSize is the size of the key that says when something is due: kind, hour
// (4), tag.
const dueSize = 1 + 4 + atrest.TagSize

func dueKey(at time.Time, tag sealer.Owner) []byte {
	hour := uint32(at.Unix() / 3600) //nolint:gosec // hours fit until the year 490,000
	return atrest.Key(atrest.Due, binary.BigEndian.AppendUint32(nil, hour), tag[:])
}
