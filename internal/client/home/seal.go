package home

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/secret"
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
	kinds
)

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

// sealer is all that stands between records and what the store holds. Keys that
// die with a conversation or a day will be behind it (DESIGN 6).
type sealer struct {
	names [kinds]secret.Bytes
	aeads [kinds]cipher.AEAD
}

func newSealer(root secret.Bytes) (s sealer, err error) {
	for k := Device; k < kinds; k++ {
		key, err := derive(root, "value", k)
		if err != nil {
			return s, err
		}
		s.aeads[k] = gcm(key)
		key.Wipe()
		if s.names[k], err = derive(root, "name", k); err != nil {
			return s, err
		}
	}
	return s, nil
}

func derive(root secret.Bytes, use string, k Kind) (secret.Bytes, error) {
	key, err := hkdf.Expand(sha256.New, root.Reveal(), fmt.Sprintf("byre/1 home %s %d", use, k), rootSize)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("home key: %w", err)
	}
	return secret.New(key), nil
}

// name returns kind || HMAC(parts), the parts told apart by their lengths.
func (s *sealer) name(k Kind, parts [][]byte) []byte {
	h := hmac.New(sha256.New, s.names[k].Reveal())
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p)))) //nolint:gosec // names are short
		h.Write(p)
	}
	return h.Sum([]byte{byte(k)})[: 1+nameSize : 1+nameSize]
}

// value seals a record to the place where it stands.
func (s *sealer) value(k Key, record []byte) []byte {
	aead := s.aeads[k.kind]
	out := make([]byte, aead.NonceSize(), aead.NonceSize()+len(record)+aead.Overhead())
	_, _ = rand.Read(out) // never fails
	return aead.Seal(out, out, record, k.b)
}

// open undoes value. The result is the caller's.
func (s *sealer) open(k Key, sealed []byte) ([]byte, error) {
	aead := s.aeads[k.kind]
	if len(sealed) < aead.NonceSize() {
		return nil, ErrDamaged
	}
	record, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], k.b)
	if err != nil {
		return nil, ErrDamaged
	}
	return record, nil
}
