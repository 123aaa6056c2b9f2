// Package home is the sealed home of one device: every value in its store is
// AES-256-GCM under keys that a passphrase or the system keyring opens, and the
// store's keys hold nothing but HMACs and counters (R13). Specification:
// docs/spec/home.md.
package home

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// version of the format that this package writes and reads.
const version = 2

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
	ErrDamaged = errors.New("the home is damaged and can't be opened: 'byre wipe --yes' clears it, and then begin anew")
	// ErrGone says that the vault holds no key for the home.
	ErrGone = errors.New("this home was wiped, or was copied without its vault, and nothing opens it any more: 'byre wipe --yes' clears what is left")
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
	// Delete removes what was set under a name. There may be nothing.
	Delete(ctx context.Context, name string) error
}

// Options tell how a home is opened.
type Options struct {
	// Passphrase is asked for once, where the keyring does not open the home.
	Passphrase func() (secret.Bytes, error)
	// Keyring may be nil.
	Keyring Keyring
	// Vault keeps what dies; nil is a place in the store, from which the store's
	// engine erases as well as it can.
	Vault Vault
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
	vault Vault
	names namer
	fixed [kinds]secret.Bytes // values of kinds whose keys are kept

	slotKey func() secret.Bytes // [seal.NewKey], but in tests of what a bad one would do

	writing sync.Mutex // one commit at a time, and of failed
	failed  error      // what is on the disk is not known, or nothing is

	mu         sync.RWMutex // what is below; held while values are read
	root       secret.Bytes
	ring       *ring
	generation uint64
	lineKey    secret.Bytes
	line       uint64 // the next one of this generation
	moved      []byte // see wire.HomeHeader, nil when all is moved
	old        [kinds]secret.Bytes
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
	if there, err := Exists(ctx, s); err != nil || there {
		return nil, cmp.Or(err, ErrExists)
	}
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
	return start(ctx, s, o.vaultOf(s), h, root)
}

// start writes what a home begins with.
func start(ctx context.Context, s store.Store, v Vault, h *wire.HomeHeader, root secret.Bytes) (*Home, error) {
	defer root.Wipe()
	out := &Home{store: s, vault: v, slotKey: seal.NewKey, root: root.Clone(), ring: newRing(random(rootSize))}
	var b store.Batch
	b.Require(headerKey, nil)
	b.Set(headerKey, h.Append(nil))
	// H1: the home is there, with no account. A crash before this commit leaves
	// nothing; one after it a home that register goes on with.
	if err := out.begin(ctx, &b, 1); errors.Is(err, store.ErrConflict) {
		return nil, ErrExists
	} else if err != nil {
		return nil, fmt.Errorf("create home: %w", err)
	}
	return out, out.derive()
}

// Open opens a home by a key, by the keyring or else by the passphrase, and
// moves it forward if it is of an older format.
func Open(ctx context.Context, s store.Store, o Options) (*Home, error) {
	h, err := readHeader(ctx, s)
	if err != nil {
		return nil, err
	}
	root, err := rootOf(ctx, s, o, h)
	if err != nil {
		return nil, err
	}
	defer root.Wipe()
	out := &Home{store: s, vault: o.vaultOf(s), slotKey: seal.NewKey, root: root.Clone(), moved: h.Moved}
	if h.Version < version {
		err = out.startMove(ctx, h)
	} else {
		err = out.recover(ctx)
	}
	if err == nil {
		err = out.derive()
	}
	if err == nil && len(out.moved) > 0 {
		err = out.move(ctx)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// rootOf opens the root.
func rootOf(ctx context.Context, s store.Store, o Options, h *wire.HomeHeader) (secret.Bytes, error) {
	if root, ok := byKey(o, h); ok {
		o.opened(o.Key)
		return root, nil
	}
	if o.Keyring != nil && len(h.ByKeyring) > 0 {
		if key, err := o.Keyring.Get(ctx, keyringName(h)); err == nil {
			defer key.Wipe()
			if root, err := unwrap(key, h.ByKeyring, h); err == nil {
				o.opened(key)
				return root, nil
			}
		}
	}
	root, key, err := byPassphrase(o.Passphrase, h)
	if err != nil {
		return root, err
	}
	defer key.Wipe()
	o.opened(key)
	if o.Keyring != nil && len(h.ByKeyring) > 0 {
		unlock(ctx, s, o.Keyring, h, root)
	}
	return root, nil
}

// derive makes the keys that follow from the ring's base.
func (h *Home) derive() (err error) {
	if h.names, err = newNamer(h.ring.base); err != nil {
		return err
	}
	for k := Device; k < kinds; k++ {
		if habits[k] == kept {
			if h.fixed[k], err = derive(h.ring.base, "kept", k); err != nil {
				return err
			}
		}
		if len(h.moved) > 0 {
			if h.old[k], err = derive(h.root, "value", k); err != nil {
				return err
			}
		}
	}
	return nil
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
