// Package sealer seals what waits at the relay under keys that can be destroyed
// one by one: no storage engine deletes, keys do (DESIGN 6).
package sealer

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/store"
)

// ErrForgotten says that a record's key is gone: the record may be dropped, and
// nobody can read it again.
var ErrForgotten = errors.New("the key of a waiting record is gone")

// Owner is who a key waits for: the tag of a mailbox, or of an epoch's log.
type Owner = [atrest.TagSize]byte

// Sealed is a record under its own key.
type Sealed struct {
	// Handle names the key among those of its owner. It is stored with the
	// record, and never given to another key of that owner.
	Handle uint64
	// Ciphertext is what is stored.
	Ciphertext []byte
	// Beside are records that must be written in the same commit as the
	// ciphertext; a sealer whose keys live elsewhere has none.
	Beside []store.KV
}

// Sealer seals records under keys that it can forget. It is safe for concurrent
// use.
type Sealer interface {
	// Seal encrypts a record that will be stored at key. It is called outside
	// of transactions, once for each record: a commit that is repeated writes
	// the same ciphertext again.
	Seal(owner Owner, key, plaintext []byte) (Sealed, error)
	// Open decrypts. It returns ErrForgotten if the key is gone.
	Open(r store.Reader, owner Owner, handle uint64, key, ciphertext []byte) ([]byte, error)
	// Forget destroys the keys of handles. The records whose keys it returns
	// must be deleted in the commit that deletes the ciphertexts; calling it
	// again with the same handles is harmless.
	Forget(owner Owner, handles []uint64) [][]byte
}

const keySize = 32

// Plain is the sealer that serves until the one with key chains and a vault
// takes its place (DESIGN 6). Each record has a random AES-256-GCM key, which
// stands beside it in the store, sealed under the root key; both are deleted in
// one commit. That keeps the bound of 72 hours and deletion at confirmation
// only as far as the storage engine deletes, which is not far: old files of the
// engine may keep record and key until it compacts them.
type Plain struct{ keys *atrest.Keys }

var _ Sealer = Plain{}

// NewPlain returns a sealer whose keys stand in the store, sealed by keys.
func NewPlain(keys *atrest.Keys) Plain { return Plain{keys} }

// Seal implements [Sealer].
func (p Plain) Seal(owner Owner, key, plaintext []byte) (Sealed, error) {
	fresh := make([]byte, keySize+8)
	_, _ = rand.Read(fresh) // never fails
	defer clear(fresh)
	aead, err := open(fresh[:keySize])
	if err != nil {
		return Sealed{}, err
	}
	// A random handle collides with another of its owner's 20,000 about once
	// in 10^15 records; the older record would then be dropped as forgotten.
	handle := binary.BigEndian.Uint64(fresh[keySize:])
	at := p.at(owner, handle)
	return Sealed{
		Handle:     handle,
		Ciphertext: aead.Seal(make([]byte, 0, len(plaintext)+atrest.Overhead), nil, plaintext, key),
		Beside:     []store.KV{{Key: at, Val: p.keys.Seal(at, fresh[:keySize])}},
	}, nil
}

// Open implements [Sealer].
func (p Plain) Open(r store.Reader, owner Owner, handle uint64, key, ciphertext []byte) ([]byte, error) {
	at := p.at(owner, handle)
	sealed, ok, err := r.Get(at)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if !ok {
		return nil, ErrForgotten
	}
	k, err := p.keys.Open(at, sealed)
	if err != nil {
		return nil, err
	}
	defer clear(k)
	aead, err := open(k)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, ciphertext, key)
	if err != nil {
		return nil, atrest.ErrDamaged
	}
	return plain, nil
}

// Forget implements [Sealer].
func (p Plain) Forget(owner Owner, handles []uint64) [][]byte {
	keys := make([][]byte, len(handles))
	for i, h := range handles {
		keys[i] = p.at(owner, h)
	}
	return keys
}

func (Plain) at(owner Owner, handle uint64) []byte {
	return atrest.Key(atrest.WaitKey, owner[:], binary.BigEndian.AppendUint64(nil, handle))
}

func open(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("record key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("record key: %w", err)
	}
	return aead, nil
}
