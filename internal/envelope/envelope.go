// Package envelope wraps what devices say to each other into envelopes that
// tell the relay nothing but a size class. It is pure: bytes go in, bytes come
// out.
//
// There are two kinds, and nobody but a receiver can tell them apart: an
// envelope of an epoch, which every member of a room's epoch can open, and a
// box, which one device can. Specification: docs/spec/content.md.
package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/secret"
)

const (
	nonceSize = 12
	checkSize = 8
	tagSize   = 16
	// Overhead is what an envelope adds to what is in it, before padding.
	Overhead = nonceSize + checkSize + tagSize
	// KeySize is the size of each of an epoch's two keys.
	KeySize = 32
	// HandleSize is the size of an epoch's handle.
	HandleSize = 32
)

// sizes are the sizes an envelope may have, in bytes; the last one is for
// handshake alone (docs/spec/relay.md).
var sizes = [...]int{256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10}

// Class tells what people write from what changes a room; it decides how large
// an envelope may grow.
type Class uint8

// The classes.
const (
	Message   Class = iota // at most 64 KiB
	Handshake              // at most 256 KiB
)

var (
	// ErrTooLarge says that no envelope of the class holds so much.
	ErrTooLarge = errors.New("too large for an envelope")
	// ErrOpen says that an envelope does not open with the key tried. Every
	// cause looks alike.
	ErrOpen = errors.New("envelope does not open")
)

// Exporter is the exporter of one MLS epoch (RFC 9420 8.5).
type Exporter interface {
	Export(label string, context []byte, n int) (secret.Bytes, error)
}

// Epoch holds the keys of one epoch's envelopes. It is safe for concurrent use
// and can't be printed.
type Epoch struct {
	// Handle names the epoch's log at the relay. Whoever knows it may read the
	// log, so it is told to nobody but the relay.
	Handle [HandleSize]byte
	check  secret.Bytes
	aead   cipher.AEAD
}

// NewEpoch derives the keys of an epoch.
func NewEpoch(e Exporter) (*Epoch, error) {
	key, err := e.Export("byre envelope", []byte("key"), KeySize)
	if err != nil {
		return nil, fmt.Errorf("envelope key: %w", err)
	}
	defer key.Wipe()
	check, err := e.Export("byre envelope", []byte("check"), KeySize)
	if err != nil {
		return nil, fmt.Errorf("envelope check key: %w", err)
	}
	handle, err := e.Export("byre epoch log", nil, HandleSize)
	if err != nil {
		return nil, fmt.Errorf("epoch handle: %w", err)
	}
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		return nil, fmt.Errorf("envelope key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("envelope key: %w", err)
	}
	return &Epoch{Handle: [HandleSize]byte(handle.Reveal()), check: check, aead: aead}, nil
}

// Seal puts an MLS message into an envelope of the epoch, padded to the next
// size. Each call gives a different envelope.
func (e *Epoch) Seal(class Class, message []byte) ([]byte, error) {
	size, err := fit(class, len(message), Overhead)
	if err != nil {
		return nil, err
	}
	out := make([]byte, nonceSize, size)
	_, _ = rand.Read(out) // never fails
	out = append(out, e.mark(out)...)
	head := out
	return e.aead.Seal(out, head[:nonceSize], pad(message, size-Overhead), head[nonceSize:]), nil
}

// Fits reports whether an envelope claims to be of this epoch. It is cheap; one
// in 2^64 others claims it too, and does not open.
func (e *Epoch) Fits(envelope []byte) bool {
	return len(envelope) >= Overhead &&
		subtle.ConstantTimeCompare(e.mark(envelope[:nonceSize]), envelope[nonceSize:nonceSize+checkSize]) == 1
}

// Open returns the MLS message in an envelope of the epoch.
func (e *Epoch) Open(envelope []byte) ([]byte, error) {
	if !slices.Contains(sizes[:], len(envelope)) || !e.Fits(envelope) {
		return nil, ErrOpen
	}
	head, body := envelope[:nonceSize+checkSize], envelope[nonceSize+checkSize:]
	padded, err := e.aead.Open(nil, head[:nonceSize], body, head[nonceSize:])
	if err != nil {
		return nil, ErrOpen
	}
	return unpad(padded)
}

// mark is the check of a nonce.
func (e *Epoch) mark(nonce []byte) []byte {
	h := hmac.New(sha256.New, e.check.Reveal())
	h.Write(nonce)
	return h.Sum(nil)[:checkSize]
}

// Hash is what an envelope is recognised by when it comes twice.
func Hash(envelope []byte) [sha256.Size]byte { return sha256.Sum256(envelope) }

// fit returns the size of the envelope that holds n bytes and their overhead.
func fit(class Class, n, overhead int) (int, error) {
	most := len(sizes) - 1
	if class == Message {
		most--
	}
	for _, size := range sizes[:most+1] {
		if n < size-overhead { // one byte marks where the padding begins
			return size, nil
		}
	}
	return 0, fmt.Errorf("%w: %d bytes, at most %d fit", ErrTooLarge, n, sizes[most]-overhead-1)
}

// pad appends 0x80 and zeros up to size.
func pad(b []byte, size int) []byte {
	out := make([]byte, size)
	copy(out, b)
	out[len(b)] = 0x80
	return out
}

// unpad undoes pad. It sees authentic bytes alone, so its time tells nothing.
func unpad(b []byte) ([]byte, error) {
	n := len(b) - 1
	for n >= 0 && b[n] == 0 {
		n--
	}
	if n < 0 || b[n] != 0x80 {
		return nil, ErrOpen
	}
	return b[:n:n], nil
}
