// Package home is the sealed home of one device: every value in its store is
// AES-256-GCM under keys that a passphrase or the system keyring opens, and the
// store's keys hold nothing but HMACs and counters (R13). Specification:
// docs/spec/home.md.
package home

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// version of the format that this package writes and reads.
const version = 1

const (
	rootSize = 32
	saltSize = 16
	idSize   = 16
)

var (
	// ErrPassphrase says that the passphrase is not the one of this home.
	ErrPassphrase = errors.New("the passphrase does not open this home: try it again")
	// ErrNone says that the store holds no home.
	ErrNone = errors.New("there is no home here yet: register or join first")
	// ErrExists says that the store holds a home already.
	ErrExists = errors.New("there is a home here already: choose another place")
	// ErrNewer says that a newer byre wrote the home.
	ErrNewer = errors.New("this home was written by a newer byre: update byre to open it")
	// ErrDamaged says that a value does not open under its key, or is not what
	// was written.
	ErrDamaged = errors.New("the home is damaged: restore it from a backup")
	// ErrUnread says that the store did not answer; what it holds is not in doubt.
	ErrUnread = errors.New("read the home")
)

// headerKey is the one key in plain.
var headerKey = []byte("byre home")

// Keyring keeps a home's key in the system's keyring. Its errors are told to
// nobody: the passphrase opens the home as well.
type Keyring interface {
	// Get returns what was set under a name, or an error if there is nothing or
	// no keyring.
	Get(ctx context.Context, name string) (secret.Bytes, error)
	// Set keeps a key of 32 bytes under a name, replacing what was there.
	Set(ctx context.Context, name string, key secret.Bytes) error
}

// Options tell how a home is opened.
type Options struct {
	// Passphrase is asked for once, where the keyring does not open the home.
	Passphrase func() (secret.Bytes, error)
	// Keyring may be nil.
	Keyring Keyring
	// Key is one that opened the home before, or was added; it is tried first.
	Key secret.Bytes
	// Opened, unless nil, is given a copy of the key that opened the home, or of
	// the passphrase's when it is made: whoever holds it opens the home again.
	Opened func(key secret.Bytes)
	// Cost of deriving a key from the passphrase of a new home. The zero value
	// is the default.
	Cost Cost
}

// Home is an open home. It is safe for concurrent use; it does not own the
// store and does not close it.
type Home struct {
	store store.Store
	seal  sealer
}

// Exists reports whether the store holds a home.
func Exists(ctx context.Context, s store.Store) (bool, error) {
	_, err := readHeader(ctx, s)
	if errors.Is(err, ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// Create makes a home in an empty store. It is durable when Create returns.
func Create(ctx context.Context, s store.Store, o Options) (*Home, error) {
	cost := o.Cost
	if cost == (Cost{}) {
		cost = defaultCost
	}
	passphrase, err := o.Passphrase()
	if err != nil {
		return nil, err
	}
	defer passphrase.Wipe()
	root := random(rootSize)
	h := &wire.HomeHeader{
		Version: version, Home: random(idSize).Reveal(), Salt: random(saltSize).Reveal(),
		Memory: cost.memory, Time: cost.time, Lanes: cost.lanes,
	}
	key, err := passphraseKey(h, passphrase)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	o.opened(key)
	h.ByPassphrase = wrap(key, root, h)
	if o.Keyring != nil {
		byKeyring := random(rootSize)
		if o.Keyring.Set(ctx, keyringName(h), byKeyring.Clone()) == nil {
			h.ByKeyring = wrap(byKeyring, root, h)
		}
		byKeyring.Wipe()
	}
	var b store.Batch
	b.Require(headerKey, nil)
	b.Set(headerKey, h.Append(nil))
	// H1: the home is there, with no account. A crash before this commit leaves
	// nothing; one after it a home that register goes on with.
	if err := s.Commit(ctx, &b); errors.Is(err, store.ErrConflict) {
		return nil, ErrExists
	} else if err != nil {
		return nil, fmt.Errorf("create home: %w", err)
	}
	return newHome(s, root)
}

// Open opens a home by a key, by the keyring or else by the passphrase.
func Open(ctx context.Context, s store.Store, o Options) (*Home, error) {
	h, err := readHeader(ctx, s)
	if err != nil {
		return nil, err
	}
	if root, ok := byKey(o, h); ok {
		o.opened(o.Key)
		return newHome(s, root)
	}
	if o.Keyring != nil && len(h.ByKeyring) > 0 {
		if key, err := o.Keyring.Get(ctx, keyringName(h)); err == nil {
			defer key.Wipe()
			if root, err := unwrap(key, h.ByKeyring, h); err == nil {
				o.opened(key)
				return newHome(s, root)
			}
		}
	}
	root, key, err := byPassphrase(o.Passphrase, h)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	o.opened(key)
	return newHome(s, root)
}

func newHome(s store.Store, root secret.Bytes) (*Home, error) {
	defer root.Wipe()
	seal, err := newSealer(root)
	if err != nil {
		return nil, err
	}
	return &Home{store: s, seal: seal}, nil
}

func readHeader(ctx context.Context, s store.Store) (*wire.HomeHeader, error) {
	h := &wire.HomeHeader{}
	err := s.View(ctx, func(r store.Reader) error {
		val, ok, err := r.Get(headerKey)
		switch {
		case err != nil:
			return err
		case !ok:
			return ErrNone
		}
		if err := h.Parse(append([]byte(nil), val...)); err != nil {
			return ErrDamaged
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case h.Version > version:
		return nil, ErrNewer
	case h.Version == 0 || len(h.Home) != idSize:
		return nil, ErrDamaged
	}
	return h, nil
}

// keyringName is what the home's key is called in the system keyring.
func keyringName(h *wire.HomeHeader) string { return fmt.Sprintf("byre home %x", h.Home) }

func random(n int) secret.Bytes {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return secret.New(b)
}
