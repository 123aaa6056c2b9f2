// Package parcel is the file of byre export: an account's history, conversations,
// people and settings, sealed under a passphrase of its own. What was written of it
// before it was interrupted is gone on with, and it is checked to its end without
// being brought in. It holds no key of a device and no state of a group: whoever
// brings it in is a device of its own before. It opens no files itself.
// Specification: docs/spec/export.md.
//
// The parts are a STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online
// Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance, CRYPTO 2015,
// section 7), as age has it for its payload: a counter and a mark of the last one in
// the nonce. Each run of the program begins a section with a key of its own, which
// follows from all that stands before it.
package parcel

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
)

// Format is the number of the file's layout. One of a higher number is refused.
const Format = 1

const (
	magic = "byre export "

	keySize   = 32
	saltSize  = 16
	checkSize = 8
	// maxHeader bounds the header in bytes.
	maxHeader = 1 << 10

	headSize = 5 // of a block: kind (1), length (4)
	// padTo is what the plaintext of a part is filled up to a multiple of, so that
	// sizes tell little of what is said.
	padTo = 16 << 10
	// maxBlock bounds a block in bytes: a part is one message of the codec.
	maxBlock = wire.MaxSize + 2*padTo
)

// The kinds of blocks.
const (
	blockSection byte = 1 // 32 random bytes
	blockPart    byte = 2
	blockLast    byte = 3 // a part, behind which nothing stands
)

// Why a file can't be used, as sentences.
var (
	ErrNoExport   = errors.New("this is no export of byre")
	ErrNewFormat  = errors.New("this export was written by a newer byre: update byre to open it")
	ErrPassphrase = errors.New("the passphrase does not open this export: try it again")
	ErrDamaged    = errors.New("the export is damaged: use another copy of it")
	ErrCutShort   = errors.New("the export ends too early: it was not written to its end, or a part of it is lost")
)

// stretch derives the key that a passphrase gives for a header.
func stretch(h *wire.ExportHeader, passphrase secret.Bytes) (secret.Bytes, error) {
	key, err := home.Stretch(passphrase, h.Salt, h.Memory, h.Time, h.Lanes)
	if err != nil {
		return key, ErrDamaged
	}
	return key, nil
}

// newHeader makes the header of a file with the key that it seals.
func newHeader(passphrase secret.Bytes, cost home.Cost) (*wire.ExportHeader, secret.Bytes, error) {
	h := &wire.ExportHeader{Salt: random(saltSize)}
	h.Memory, h.Time, h.Lanes = cost.Parameters()
	by, err := stretch(h, passphrase)
	if err != nil {
		return nil, by, err
	}
	defer by.Wipe()
	key, nonce := random(keySize), random(12)
	h.Key = gcm(by).Seal(nonce, nonce, key, bound(h))
	return h, secret.New(key), nil
}

// keyOf opens the key of a file.
func keyOf(h *wire.ExportHeader, passphrase secret.Bytes) (secret.Bytes, error) {
	by, err := stretch(h, passphrase)
	if err != nil {
		return by, err
	}
	defer by.Wipe()
	if len(h.Key) < 12 {
		return secret.Bytes{}, ErrDamaged
	}
	key, err := gcm(by).Open(nil, h.Key[:12], h.Key[12:], bound(h))
	if err != nil || len(key) != keySize {
		return secret.Bytes{}, ErrPassphrase
	}
	return secret.New(key), nil
}

// bound binds the file's key to the parameters.
func bound(h *wire.ExportHeader) []byte {
	bare := *h
	bare.Key = nil
	return bare.Append([]byte("byre/1 export\x00"))
}

// section is the STREAM of one run.
type section struct {
	aead cipher.AEAD
	n    uint64
}

// newSection derives a section's key from the file's, its random bytes, and the hash
// of all that stands before it (RFC 5869).
func newSection(file secret.Bytes, salt, before []byte) (*section, error) {
	key, err := hkdf.Key(sha256.New, file.Reveal(), salt, "byre/1 export section\x00"+string(before), keySize)
	if err != nil {
		return nil, fmt.Errorf("key of a section: %w", err)
	}
	k := secret.New(key)
	defer k.Wipe()
	return &section{aead: gcm(k)}, nil
}

// nonce is that of the next part: a counter (11), and whether it is the last (1).
func (s *section) nonce(kind byte) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[3:], s.n)
	if kind == blockLast {
		n[11] = 1
	}
	return n
}

func headOf(kind byte, size int) []byte {
	return binary.BigEndian.AppendUint32([]byte{kind}, uint32(size)) //nolint:gosec // at most maxBlock
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// gcm returns AES-256-GCM under a key of 32 bytes.
func gcm(key secret.Bytes) cipher.AEAD {
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		panic("parcel: key of a wrong size") // a bug: all callers hold 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("parcel: no GCM") // never: AES has blocks of 16 bytes
	}
	return aead
}
