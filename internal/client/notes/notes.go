// Package notes keeps what an owner was told and must find again: what is
// missing and from when to when, whose keys do not fit, whose devices came and
// went, what did not work. Events are told once; whoever shows them may end in
// the same moment, as a browser's tab does.
package notes

import (
	"context"
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// most is how many notes are kept at least; the oldest go first.
	most = 1000
	// slab is how many go at once: each time, what stays is sealed anew.
	slab = 250
)

// Book is what the owner of a device is to be told, and the notes of it. It has
// one owner.
type Book struct {
	home  *home.Home
	next  uint64
	event uint64
}

// Note is one that is kept: an event that is none of a message's.
type Note struct {
	// N names it, and is higher than that of each note before it.
	N     uint64
	Event told.Event
}

// Load reads where the book goes on.
func Load(ctx context.Context, h *home.Home) (*Book, error) {
	b := &Book{home: h}
	for it, err := range h.From(ctx, h.Key(home.Note), 0, 0) {
		if err != nil {
			return nil, err
		}
		b.next = it.N + 1
	}
	for it, err := range h.From(ctx, h.Key(home.Event), 0, 0) {
		if err != nil {
			return nil, err
		}
		b.event = it.N + 1
	}
	return b, nil
}

// Tell has the owner told of something, and keeps what must be found again.
func (b *Book) Tell(tx *home.Tx, body wire.EventRecordBody, now time.Time) {
	rec := &wire.EventRecord{At: now.UnixMilli(), Body: body}
	tx.Put(b.home.Key(home.Event).At(b.event), rec)
	b.event++
	b.Keep(tx, rec)
}

// Keep writes an event down in the transaction that records it, unless it
// stands elsewhere anyway: with its message, or among the requests.
func (b *Book) Keep(tx *home.Tx, rec *wire.EventRecord) {
	switch rec.Body.(type) {
	case *wire.ExpiredEvent, *wire.KeyChangedEvent, *wire.DeviceEvent, *wire.NoticeEvent, *wire.ErrorEvent:
	default:
		return
	}
	k := b.home.Key(home.Note)
	tx.Put(k.At(b.next), rec)
	b.next++
	if b.next > most && b.next%slab == 0 {
		tx.DeleteBefore(k, b.next-most)
	}
}

// List returns what is kept, oldest first.
func List(ctx context.Context, h *home.Home) (out []Note, err error) {
	for it, err := range h.From(ctx, h.Key(home.Note), 0, 0) {
		if err != nil {
			return nil, err
		}
		rec := &wire.EventRecord{}
		if err := rec.Parse(it.Record); err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		if ev := told.EventOf(rec); ev != nil {
			out = append(out, Note{it.N, ev})
		}
	}
	return out, nil
}

// Drop puts a note away for good; one that is gone is no error.
func Drop(ctx context.Context, h *home.Home, n uint64) error {
	// V3: the note is gone; a crash before this commit leaves it.
	tx := h.Begin()
	tx.Delete(h.Key(home.Note).At(n))
	return tx.Commit(ctx)
}
