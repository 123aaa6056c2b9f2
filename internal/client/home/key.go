package home

import (
	"context"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// byKey opens the root by a key that opened it before.
func byKey(o Options, h *wire.HomeHeader) (root secret.Bytes, ok bool) {
	if o.Key.Len() == 0 {
		return secret.Bytes{}, false
	}
	for _, sealed := range [][]byte{h.ByKeyring, h.ByPassphrase} {
		if root, err := unwrap(o.Key, sealed, h); err == nil {
			return root, true
		}
	}
	return secret.Bytes{}, false
}

// AddKey makes a key of 32 bytes open the home as well, in the place of the
// system keyring's and of a key that was added before. It asks for the
// passphrase, and takes nothing but that.
func AddKey(ctx context.Context, s store.Store, passphrase func() (secret.Bytes, error), key secret.Bytes) error {
	return change(ctx, s, func(h *wire.HomeHeader) error {
		root, _, err := byPassphrase(passphrase, h)
		if err != nil {
			return err
		}
		defer root.Wipe()
		h.ByKeyring = wrap(key, root, h)
		return nil
	})
}

// Check asks for the passphrase and returns [ErrPassphrase] if it is another one:
// whoever knows it may do what a home that lies open is not enough for.
func (h *Home) Check(ctx context.Context, passphrase func() (secret.Bytes, error)) error {
	head, err := readHeader(ctx, h.store)
	if err != nil {
		return err
	}
	root, key, err := byPassphrase(passphrase, head)
	if err != nil {
		return err
	}
	root.Wipe()
	key.Wipe()
	return nil
}

// CheckKey returns [ErrPassphrase] unless key is the one that [AddKey] added: it
// is as good as the passphrase for what [Home.Check] asks about.
func (h *Home) CheckKey(ctx context.Context, key secret.Bytes) error {
	head, err := readHeader(ctx, h.store)
	if err != nil {
		return err
	}
	root, err := unwrap(key, head.ByKeyring, head)
	if err != nil {
		return ErrPassphrase // there may be none
	}
	root.Wipe()
	return nil
}

// RemoveKey makes the passphrase the one way to open the home. What was written
// before may still stand on the disk below the store.
func RemoveKey(ctx context.Context, s store.Store) error {
	return change(ctx, s, func(h *wire.HomeHeader) error {
		h.ByKeyring = nil
		return nil
	})
}

// HasKey reports whether another key than the passphrase's opens the home.
func HasKey(ctx context.Context, s store.Store) (bool, error) {
	h, err := readHeader(ctx, s)
	return err == nil && len(h.ByKeyring) > 0, err
}

// unlock puts a key into the keyring again, after a lock or where it was lost.
// Without it the passphrase is asked for next time, which is no error.
func unlock(ctx context.Context, s store.Store, ring Keyring, h *wire.HomeHeader, root secret.Bytes) {
	key := random(rootSize)
	defer key.Wipe()
	if ring.Set(ctx, keyringName(h), key.Clone()) == nil {
		_ = change(ctx, s, func(h *wire.HomeHeader) error {
			h.ByKeyring = wrap(key, root, h)
			return nil
		})
	}
}

// Lock takes the home's key out of the system keyring: the next to open the home
// is asked for the passphrase.
func Lock(ctx context.Context, s store.Store, ring Keyring) error {
	h, err := readHeader(ctx, s)
	if err != nil || ring == nil {
		return err
	}
	if err := ring.Delete(ctx, keyringName(h)); err != nil {
		return fmt.Errorf("the key could not be taken out of the system's keyring; remove %q there: %w", keyringName(h), err)
	}
	return nil
}

// change writes the header anew, whole or not at all.
func change(ctx context.Context, s store.Store, fn func(*wire.HomeHeader) error) error {
	h, err := readHeader(ctx, s)
	if err != nil {
		return err
	}
	var b store.Batch
	b.Require(headerKey, h.Append(nil))
	if err := fn(h); err != nil {
		return err
	}
	b.Set(headerKey, h.Append(nil))
	// H2: a new passphrase, or a key in the keyring, opens the home. A crash
	// before this commit leaves the old one, one after it the new one.
	if err := s.Commit(ctx, &b); err != nil {
		return fmt.Errorf("write the header of the home: %w", err)
	}
	return nil
}

// byPassphrase opens the root, and returns the key that did it as well.
func byPassphrase(ask func() (secret.Bytes, error), h *wire.HomeHeader) (root, key secret.Bytes, err error) {
	passphrase, err := ask()
	if err != nil {
		return root, key, err
	}
	defer passphrase.Wipe()
	if key, err = passphraseKey(h, passphrase); err != nil {
		return root, key, err
	}
	root, err = unwrap(key, h.ByPassphrase, h)
	if err != nil {
		key.Wipe()
		return root, key, ErrPassphrase
	}
	return root, key, nil
}
