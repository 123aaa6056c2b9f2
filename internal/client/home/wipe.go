package home

import (
	"context"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/store"
)

// Wipe destroys a home, its keys first, and needs none of them. It may be
// repeated, and is done only when it returns no error; but as soon as the vault
// has erased its slots nothing opens any more, whatever else is left.
func Wipe(ctx context.Context, s store.Store, v Vault, ring Keyring) error {
	v = Options{Vault: v}.vaultOf(s)
	found, err := v.Slots(ctx)
	errs := []error{err}
	// W1: the slots are erased. A crash before it leaves the home; one behind it
	// sealed values that no key opens.
	for _, slot := range found {
		slot.Key.Wipe()
		errs = append(errs, v.Erase(ctx, slot.Generation))
	}
	// W2: the key in the system's keyring. It opened the root, and that nothing.
	if h, err := readHeader(ctx, s); err == nil && ring != nil && len(h.ByKeyring) > 0 {
		errs = append(errs, ring.Delete(ctx, keyringName(h)))
	}
	var b store.Batch
	b.DeleteRange([]byte{0}, []byte{0xff})
	// W3: the rest. A crash before this commit leaves what W1 left.
	errs = append(errs, s.Commit(ctx, &b))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("not everything could be wiped, try again: %w", err)
	}
	return nil
}

// Wipe destroys the home, and what this process holds of its keys: see [Wipe].
func (h *Home) Wipe(ctx context.Context, ring Keyring) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	err := Wipe(ctx, h.store, h.vault, ring)
	h.failed = ErrGone
	for id := range h.ring.keys {
		h.ring.drop(id)
	}
	for k := range h.fixed {
		h.fixed[k].Wipe()
		h.names[k].Wipe()
	}
	h.ring.base.Wipe()
	h.lineKey.Wipe()
	h.root.Wipe()
	return err
}
