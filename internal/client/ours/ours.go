// Package ours is what the devices of one account have in common beside their
// messages: what the owner chose, what was read, what is half written, what the
// devices are called. Each device changes it by itself and tells the others in
// their home group; whoever was told the same has the same, in whatever order it
// came, and nobody is asked about a conflict. It writes to the home and does no
// other I/O. Specification: docs/spec/home-group.md.
package ours

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// MaxValue is the longest value in bytes: a draft as long as a message.
	MaxValue = 40_000
	// maxKey is the longest key.
	maxKey = 128
	// maxNotes is how many notes are kept; who has more of them is told nothing
	// new under other keys.
	maxNotes = 100_000
	// maxBytes is how many bytes of notes are kept in all.
	maxBytes = 32 << 20
	// ahead is how far the clock of another device's note may be before this
	// device's: two clocks may be two days off, either way (docs/spec/relay.md),
	// and one that was spoilt must not win for ever.
	ahead = 5 * 24 * time.Hour
	// enough is how many bytes of notes go into one message; with one more note
	// of the largest size it fits into the largest envelope.
	enough = 16_000
)

// ErrTooLong says that a value is longer than [MaxValue], or a key than it may be.
var ErrTooLong = errors.New("this is too long to be kept for all devices: shorten it")

// Kind is the first byte of a key.
type Kind byte

// The kinds. Their values are part of the format (docs/spec/home-group.md).
const (
	Seen   Kind = 'r' // up to which number a device's messages in a room were read: by room and device
	Safety Kind = 's' // when the safety number was compared (unix milliseconds): by account
	Name   Kind = 'n' // what a device is called: by device
	Ask    Kind = 'a' // strangers ask first; no name
	Value  Kind = 'v' // of a user interface: by its own name
)

// Key is what a note stands under.
func Key(k Kind, name ...[]byte) string {
	b := []byte{byte(k)}
	for _, n := range name {
		b = append(b, n...)
	}
	return string(b)
}

// Book is the notes of one device, and what it knows of the others. It has one
// owner.
type Book struct {
	home  *home.Home
	me    ident.DeviceID
	notes map[string]*wire.NoteRecord
	peers map[ident.DeviceID]*peer
	self  wire.SiblingRecord
	clock uint64 // the highest that a note has
	bytes int    // of all notes
}

// Load reads the book of the device me.
func Load(ctx context.Context, h *home.Home, me ident.DeviceID) (*Book, error) {
	b := &Book{home: h, me: me, notes: map[string]*wire.NoteRecord{}, peers: map[ident.DeviceID]*peer{}, self: wire.SiblingRecord{Device: me[:]}}
	for _, kind := range []home.Kind{home.Mark, home.Shared} {
		for it, err := range h.All(ctx, kind) {
			if err != nil {
				return nil, err
			}
			rec := &wire.NoteRecord{}
			if err := rec.Parse(it.Record); err != nil || rec.Note == nil {
				return nil, errors.Join(home.ErrDamaged, err)
			}
			b.keep(rec)
			b.clock = max(b.clock, rec.Note.Clock)
		}
	}
	for it, err := range h.All(ctx, home.Sibling) {
		if err != nil {
			return nil, err
		}
		var rec wire.SiblingRecord
		if err := rec.Parse(it.Record); err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		d, err := ident.DeviceIDFrom(rec.Device)
		if err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		if d == me {
			b.self = rec
		} else {
			b.peers[d] = &peer{SiblingRecord: rec}
		}
	}
	return b, nil
}

// Get returns what stands under a key, nil if nothing does.
func (b *Book) Get(key string) []byte {
	if n, ok := b.notes[key]; ok {
		return n.Note.Value
	}
	return nil
}

// Number is Get for a value that is a number.
func (b *Book) Number(key string) uint64 {
	if v := b.Get(key); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// Set keeps a value under a key, and reports whether it is another one than
// before. No value takes away what was there.
func (b *Book) Set(tx *home.Tx, key string, value []byte, now time.Time) (bool, error) {
	if len(key) > maxKey || len(value) > MaxValue || b.full(key, value) {
		return false, ErrTooLong
	}
	if bytes.Equal(b.Get(key), value) {
		return false, nil
	}
	b.clock = max(b.clock+1, uint64(max(now.UnixMilli(), 0))) // of two that were set apart, the later by the clock
	b.carry(tx, &wire.Note{Key: []byte(key), Value: bytes.Clone(value), Clock: b.clock, Device: b.me[:]})
	return true, nil
}

// Flag is the value of what is so or not.
func Flag(is bool) []byte {
	if is {
		return []byte{1}
	}
	return nil
}

// Raise is Set for a number that only grows.
func (b *Book) Raise(tx *home.Tx, key string, n uint64, now time.Time) (bool, error) {
	if n <= b.Number(key) {
		return false, nil
	}
	return b.Set(tx, key, binary.BigEndian.AppendUint64(nil, n), now)
}

// carry keeps a note that this device hands on.
func (b *Book) carry(tx *home.Tx, n *wire.Note) {
	b.self.Sent++
	tx.Put(b.home.Key(home.Sibling, b.me[:]), &b.self)
	b.put(tx, &wire.NoteRecord{Note: n, Carrier: b.me[:], Number: b.self.Sent})
}

// full reports whether there is no room for a value.
func (b *Book) full(key string, value []byte) bool {
	old, known := b.notes[key]
	if known {
		return len(value) > len(old.Note.Value) && b.bytes >= maxBytes
	}
	return len(b.notes) >= maxNotes || b.bytes >= maxBytes
}

func (b *Book) keep(rec *wire.NoteRecord) {
	key := string(rec.Note.Key)
	if old, known := b.notes[key]; known {
		b.bytes -= sizeOf(old)
	}
	b.bytes += sizeOf(rec)
	b.notes[key] = rec
}

func (b *Book) put(tx *home.Tx, rec *wire.NoteRecord) {
	b.keep(rec)
	kind := home.Shared
	if Kind(rec.Note.Key[0]) == Seen {
		kind = home.Mark
	}
	tx.Put(b.home.Key(kind, rec.Note.Key), rec)
}

// merge takes a note that came from a device, and reports whether it changed
// what stands here.
func (b *Book) merge(tx *home.Tx, from ident.DeviceID, n *wire.Note, now time.Time) bool {
	if _, err := ident.DeviceIDFrom(n.Device); err != nil || !sound(n) || n.Clock > uint64(max(now.Add(ahead).UnixMilli(), 0)) {
		return false // of a newer byre, or garbage
	}
	old, known := b.notes[string(n.Key)]
	if b.full(string(n.Key), n.Value) || known && order(n, old.Note) <= 0 {
		return false
	}
	b.clock = max(b.clock, n.Clock)
	b.put(tx, &wire.NoteRecord{Note: n, Carrier: from[:]})
	return !known || !bytes.Equal(old.Note.Value, n.Value)
}

// sound reports whether a note has the sizes of its kind.
func sound(n *wire.Note) bool {
	if len(n.Key) == 0 || len(n.Key) > maxKey || len(n.Value) > MaxValue {
		return false
	}
	switch Kind(n.Key[0]) {
	case Seen:
		return len(n.Key) == 1+ident.RoomSize+ident.DeviceSize && len(n.Value) == 8
	case Name:
		return len(n.Key) == 1+ident.DeviceSize
	case Safety:
		return len(n.Key) == 1+len(ident.AccountID{})
	case Ask:
		return len(n.Key) == 1
	case Value:
	}
	return true
}

// order compares two notes of one key: the higher one stays. What only grows is
// ordered by itself first.
func order(a, b *wire.Note) int {
	grows := 0
	if Kind(a.Key[0]) == Seen {
		grows = bytes.Compare(a.Value, b.Value)
	}
	return cmp.Or(grows, cmp.Compare(a.Clock, b.Clock), bytes.Compare(a.Device, b.Device), bytes.Compare(a.Value, b.Value))
}
