package linking

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
)

// Slot is the number of a message at the place, where each is written once.
type Slot uint8

// The slots, by who writes them.
const (
	Hello   Slot = iota + 1 // joiner
	Offer                   // sponsor
	Open                    // joiner
	Consent                 // joiner
	Verdict                 // sponsor
	Decline                 // joiner
	slots
)

// names are the labels of the messages' keys.
var names = [slots]string{Hello: "hello", Offer: "offer", Open: "open", Consent: "consent", Verdict: "verdict", Decline: "decline"}

const (
	// Size is the size of every message, in bytes.
	Size      = 2048
	nonceSize = 12
	tagSize   = 16
	bodySize  = Size - nonceSize - tagSize // with the padding, of one byte at least
)

const labelAll = "byre/1 link"

// Place is where both sides meet at the relay. It follows from the code; the code
// does not follow from it.
type Place [32]byte

// errOpen says that a message does not open. Every cause looks alike.
var errOpen = errors.New("message does not open")

// transcript is a hash of all that was said so far.
type transcript [sha256.Size]byte

// keys are the keys of one code at one server.
type keys struct {
	place  Place
	server [ed25519.PublicKeySize]byte
	root   secret.Bytes
}

// newKeys sets out to HKDF-SHA-256 (RFC 5869) with the code as its secret.
func newKeys(code Code, server [ed25519.PublicKeySize]byte) (keys, error) {
	root, err := hkdf.Extract(sha256.New, code.bits.Reveal(), []byte(labelAll))
	if err != nil {
		return keys{}, fmt.Errorf("linking keys: %w", err)
	}
	k := keys{server: server, root: secret.New(root)}
	place, err := k.expand(" place", nil, len(k.place))
	if err != nil {
		return keys{}, err
	}
	k.place = Place(place)
	return k, nil
}

func (k keys) expand(label string, context []byte, n int) ([]byte, error) {
	info := labelAll + label
	if context != nil {
		info += "\x00" + string(context)
	}
	out, err := hkdf.Expand(sha256.New, k.root.Reveal(), info, n)
	if err != nil {
		return nil, fmt.Errorf("linking keys: %w", err)
	}
	return out, nil
}

// begin is the transcript before the first message.
func (k keys) begin() transcript {
	return hash(" transcript", k.server[:], k.place[:])
}

// with is the transcript after one more message.
func (t transcript) with(slot Slot, body []byte) transcript {
	return hash(" said", t[:], []byte{byte(slot)}, body)
}

// digits are what people compare.
func (k keys) digits(t transcript) (string, error) {
	b, err := k.expand(" digits", t[:], 8)
	if err != nil {
		return "", err
	}
	return digitsOf(binary.BigEndian.Uint64(b)), nil
}

// aead is AES-256-GCM under a slot's own key, with 12 random bytes of nonce
// before what it seals.
func (k keys) aead(slot Slot) (cipher.AEAD, error) {
	key, err := k.expand(" "+names[slot], k.server[:], 32)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("linking keys: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal seals what is said behind a transcript: nobody can read it, change it, or
// have it heard behind anything else, without the code.
func (k keys) seal(slot Slot, behind transcript, body []byte) ([]byte, error) {
	a, err := k.aead(slot)
	if err != nil {
		return nil, err
	}
	if len(body) >= bodySize {
		return nil, fmt.Errorf("linking: %d bytes do not fit into a message", len(body))
	}
	padded := make([]byte, bodySize)
	padded[copy(padded, body)] = 0x80
	return a.Seal(make([]byte, 0, Size), nil, padded, behind[:]), nil
}

// open undoes seal.
func (k keys) open(slot Slot, behind transcript, sealed []byte) ([]byte, error) {
	a, err := k.aead(slot)
	if err != nil {
		return nil, err
	}
	if len(sealed) != Size {
		return nil, errOpen
	}
	body, err := a.Open(nil, nil, sealed, behind[:])
	if err != nil {
		return nil, errOpen
	}
	body = bytes.TrimRight(body, "\x00")
	if n := len(body) - 1; n >= 0 && body[n] == 0x80 {
		return body[:n:n], nil
	}
	return nil, errOpen
}

// commitment binds the joiner to a nonce that it does not tell yet, and to its
// keys.
func commitment(nonce, deviceKeys []byte) [sha256.Size]byte {
	return hash(" commitment", nonce, deviceKeys)
}

// lockOf is what Offer tells of the bytes that a Verdict shows: who has seen the
// code can say much, but not that the sponsor has ended it.
func lockOf(unlock []byte) [sha256.Size]byte { return hash(" lock", unlock) }

// hash is the SHA-256 of a label, a zero byte and parts, of which the last alone
// varies in size.
func hash(label string, parts ...[]byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte(labelAll + label + "\x00"))
	for _, p := range parts {
		h.Write(p)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
