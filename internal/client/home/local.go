package home

import (
	"context"

	"github.com/byre-messenger/byre/internal/secret"
)

// LocalValue returns what a user interface keeps under a name, nil if there is
// nothing: how far a conversation was read on this device, a draft.
func (h *Home) LocalValue(ctx context.Context, name string) ([]byte, error) {
	b, _, err := h.GetBytes(ctx, h.Key(Local, []byte(name)))
	return b, err
}

// SetLocalValue keeps a value under a name, sealed like everything else; no
// bytes remove it.
func (h *Home) SetLocalValue(ctx context.Context, name string, value []byte) error {
	// H3: the value is kept or gone; a crash before this commit leaves the old one.
	tx := h.Begin()
	if len(value) == 0 {
		tx.Delete(h.Key(Local, []byte(name)))
	} else {
		tx.PutBytes(h.Key(Local, []byte(name)), value)
	}
	return tx.Commit(ctx)
}

// opened tells whoever asked which key opened the home.
func (o Options) opened(key secret.Bytes) {
	if o.Opened != nil {
		o.Opened(key.Clone())
	}
}
