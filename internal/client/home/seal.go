package home

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
)

// Kind is a kind of record. Each kind has keys of its own.
type Kind byte

// The kinds. Their numbers are part of the format (docs/spec/home.md).
const (
	Device     Kind = iota + 1 // DeviceRecord, one
	SignIn                     // SignInRecord, one
	Pin                        // PinRecord, by account
	KeyPackage                 // KeyPackageRecord, by reference
	Room                       // RoomRecord, by room
	Group                      // GroupRecord, by group
	EpochState                 // mls epoch state, by group, at epoch
	Ratchet                    // mls ratchet state, by group, at epoch
	Pending                    // mls pending commit, by group
	Message                    // MessageRecord, by room, at position
	Index                      // IndexRecord, by message
	Number                     // IndexRecord, by room and device, at sequence number
	Early                      // MessageRecord, by room and device, at sequence number
	Outbox                     // OutboxRecord, at order
	Event                      // EventRecord, at order
	Seen                       // SeenRecord, at order
	Waiting                    // WaitingRecord, at order
	Settings                   // SettingsRecord, one
	Request                    // RequestRecord, by account
	Local                      // bytes of a user interface, by its own name
	Dying                      // DyingRecord, by message
	Time                       // TimeRecord, one
	Note                       // EventRecord, at order
	Rejoin                     // RejoinRecord, by room and device
	Shared                     // NoteRecord, by its key
	Mark                       // NoteRecord of how far somebody read, by its key
	Sibling                    // SiblingRecord, by device
	kinds
)

// habit is how the keys of a kind are used.
type habit byte

const (
	// erased: nothing that was deleted or replaced may open again. The records
	// under one name share a key.
	erased habit = iota
	// grows: as erased, but nothing is replaced: a new record spoils no key.
	grows
	// byPart: keys are of parts of what stands under a name, and its owner says
	// what must not open again ([Tx.Forget]).
	byPart
	// kept: one key for good. What stands here names no person and quotes
	// nobody; what was deleted of it may be read again by who has the root.
	kept
)

var habits = map[Kind]habit{
	SignIn: kept, Room: kept, Index: kept, Number: kept, Seen: kept, Waiting: kept, Settings: kept, Time: kept,
	Mark: kept, Sibling: kept,
	Message: byPart, Event: grows, Early: grows, Note: grows,
}

// nameSize is how much of an HMAC stands in a key of the store.
const nameSize = 16

// Key is where a record stands: kind, HMAC of its name, and a counter.
type Key struct {
	kind Kind
	b    []byte
}

// At returns the key of the n-th record under k's name; they are in order.
func (k Key) At(n uint64) Key {
	return Key{k.kind, binary.BigEndian.AppendUint64(slices.Clip(k.b), n)}
}

func (k Key) domain(part uint64) domain {
	d := domain{part: part}
	copy(d.place[:], k.b)
	return d
}

// namer makes the places of records.
type namer [kinds]secret.Bytes

func newNamer(base secret.Bytes) (n namer, err error) {
	for k := Device; k < kinds; k++ {
		if n[k], err = derive(base, "name", k); err != nil {
			return n, err
		}
	}
	return n, nil
}

func derive(from secret.Bytes, use string, k Kind) (secret.Bytes, error) {
	key, err := hkdf.Expand(sha256.New, from.Reveal(), fmt.Sprintf("byre/1 home %s %d", use, k), rootSize)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("home key: %w", err)
	}
	return secret.New(key), nil
}

// extract is HKDF (RFC 5869) of two secrets.
func extract(a, b secret.Bytes, info string) (secret.Bytes, error) {
	key, err := hkdf.Key(sha256.New, a.Reveal(), b.Reveal(), info, rootSize)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("home key: %w", err)
	}
	return secret.New(key), nil
}

// name returns kind || HMAC(parts), the parts told apart by their lengths.
func (n *namer) name(k Kind, parts [][]byte) []byte {
	h := hmac.New(sha256.New, n[k].Reveal())
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p)))) //nolint:gosec // names are short
		h.Write(p)
	}
	return h.Sum([]byte{byte(k)})[: 1+nameSize : 1+nameSize]
}

// A value is number(8) nonce(12) ciphertext, the number that of its key in the
// ring, 0 for the one that the kind has for good. In homes of version 1 it has
// no number.
const numberSize = 8

// sealTo seals a record to the place where it stands.
func sealTo(key secret.Bytes, id uint64, k Key, record []byte) []byte {
	aead := gcm(key)
	out := make([]byte, numberSize+aead.NonceSize(), numberSize+aead.NonceSize()+len(record)+aead.Overhead())
	binary.BigEndian.PutUint64(out, id)
	_, _ = rand.Read(out[numberSize:]) // never fails
	return aead.Seal(out, out[numberSize:], record, k.b)
}

// openAt undoes sealTo, without the number. The result is the caller's.
func openAt(key secret.Bytes, k Key, sealed []byte) ([]byte, error) {
	aead := gcm(key)
	if len(sealed) < aead.NonceSize() {
		return nil, ErrDamaged
	}
	record, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], k.b)
	if err != nil {
		return nil, ErrDamaged
	}
	return record, nil
}

// day is in milliseconds.
const day = 24 * 60 * 60 * 1000

// Parts of a conversation: that of the places of messages that are gone, those
// of days, and those of messages with a key of their own.
const (
	partGone  = 1
	partDays  = 2
	partAlone = 1 << 32
)

// PartOf is which key of its conversation seals a message: that of its day, or
// its own, or the one of all that are gone.
func PartOf(rec *wire.MessageRecord) uint64 {
	switch {
	case rec.Gone != wire.GoneNot:
		return partGone
	case rec.Key != 0:
		return partAlone + rec.Key
	}
	return partDays + uint64(max(rec.ReadAt, 0)/day)
}

// partOf is the part of a record of any kind.
func partOf(kind Kind, record []byte) (uint64, error) {
	if habits[kind] != byPart {
		return 0, nil
	}
	var rec wire.MessageRecord
	if err := rec.Parse(slices.Clone(record)); err != nil {
		return 0, ErrDamaged
	}
	return PartOf(&rec), nil
}
