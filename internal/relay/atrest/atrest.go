// Package atrest gives the relay the keys under which its records stand on the
// disk: every value is sealed, and every key in the store that would tell a
// name, an account or a device is a keyed hash of it (docs/spec/relay.md, At
// rest).
//
// These are the long-lived keys. What waits for a device is sealed under keys
// that can be destroyed one by one: package sealer.
package atrest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/byre-messenger/byre/internal/secret"
)

// Sizes in bytes.
const (
	RootSize = 32 // the root key of a data directory
	TagSize  = 16 // what stands for an id in a key of the store
	Overhead = 28 // what sealing adds to a value: nonce and tag of AES-GCM
)

// Kind is a kind of record. Each kind has keys of its own, so that a value of
// one can't be put in the place of another. It is also the first byte of the
// record's key in the store.
type Kind byte

// The kinds. A byte that was used once is not given to anything else.
const (
	Name        Kind = 'n' // a name and whose it is
	Shape       Kind = 's' // what a name looks like, and whose that is
	Account     Kind = 'a' // an account: its name and chain
	Device      Kind = 'd' // a device: its account, counter and delivery hash
	KeyPackages Kind = 'k' // which key packages of a device stand there
	KeyPackage  Kind = 'p' // one key package
	Mailbox     Kind = 'm' // what waits for a device
	Gap         Kind = 'g' // what expired before the device came for it
	Epoch       Kind = 'e' // the head of an epoch's log
	Commit      Kind = 'c' // an entry of an epoch's log
	Due         Kind = 't' // when an epoch's log loses its entries, then its head
	WaitKey     Kind = 'w' // until format 2: the key of one record that waits
	Invitation  Kind = 'i' // an invitation to register
	Withdraw    Kind = 'x' // by what an envelope is withdrawn: a tag beside it, no record
	Late        Kind = 'l' // how late it is (package steady)
)

// Kinds returns all of them.
func Kinds() []Kind {
	return []Kind{Name, Shape, Account, Device, KeyPackages, KeyPackage, Mailbox, Gap, Epoch, Commit, Due, WaitKey, Invitation, Withdraw, Late}
}

// ErrDamaged says that a record does not open: it is not what was written
// there. Every cause looks alike.
var ErrDamaged = errors.New("a record in the data directory is damaged: look at the disk, then restore a backup into an empty directory")

// Keys are the keys derived from the root key. They are safe for concurrent
// use and can't be printed.
type Keys struct {
	seal   map[Kind]cipher.AEAD
	lookup map[Kind]*sync.Pool // of hash.Hash, HMAC states under the kind's key
}

// New derives the keys from the root key of a data directory (32 bytes).
func New(root secret.Bytes) (*Keys, error) {
	if root.Len() != RootSize {
		return nil, fmt.Errorf("the root key has %d bytes, want %d", root.Len(), RootSize)
	}
	k := &Keys{seal: map[Kind]cipher.AEAD{}, lookup: map[Kind]*sync.Pool{}}
	for _, kind := range Kinds() {
		key, err := hkdf.Expand(sha256.New, root.Reveal(), "byre/1 relay seal "+string(kind), 32)
		if err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		block, err := aes.NewCipher(key)
		clear(key)
		if err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		// Random nonces are safe for 2^32 records of one kind (NIST SP 800-38D
		// 8.3): at a hundred sign-ins a second, for more than a year. A data
		// directory that comes near it has to be given a new root key.
		if k.seal[kind], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		look, err := hkdf.Expand(sha256.New, root.Reveal(), "byre/1 relay look up "+string(kind), 32)
		if err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		held := secret.New(look)
		k.lookup[kind] = &sync.Pool{New: func() any { return hmac.New(sha256.New, held.Reveal()) }}
	}
	return k, nil
}

// Tag returns what stands for id in the store's keys of a kind. Who lacks the
// root key can neither compute nor reverse it.
func (k *Keys) Tag(kind Kind, id []byte) (tag [TagSize]byte) {
	var sum [sha256.Size]byte
	mac := k.lookup[kind].Get().(hash.Hash) // by construction of the pools
	mac.Reset()
	mac.Write(id)
	copy(tag[:], mac.Sum(sum[:0]))
	k.lookup[kind].Put(mac)
	return tag
}

// Key returns the store's key of a record: kind, then parts, one behind the
// other.
func Key(kind Kind, parts ...[]byte) []byte {
	n := 1
	for _, p := range parts {
		n += len(p)
	}
	key := append(make([]byte, 0, n), byte(kind))
	for _, p := range parts {
		key = append(key, p...)
	}
	return key
}

// Seal returns the value to be written at a key made by [Key]. The key is
// bound to it: the value opens nowhere else.
func (k *Keys) Seal(key, plaintext []byte) []byte {
	return k.seal[Kind(key[0])].Seal(make([]byte, 0, len(plaintext)+Overhead), nil, plaintext, key)
}

// Open returns what was sealed at key, or [ErrDamaged].
func (k *Keys) Open(key, value []byte) ([]byte, error) {
	p, err := k.seal[Kind(key[0])].Open(nil, nil, value, key)
	if err != nil {
		return nil, fmt.Errorf("%w (kind %q)", ErrDamaged, key[0])
	}
	return p, nil
}
