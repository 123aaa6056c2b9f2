package server

import (
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/store"
)

// guardedStore tells when the store writes no more. A relay that went on would
// answer nobody; a fresh start reads what is durable and serves again.
type guardedStore struct {
	store.Store

	broken chan error // holds the first such error
}

// Commit implements [store.Store].
func (g *guardedStore) Commit(ctx context.Context, b *store.Batch) error {
	err := g.Store.Commit(ctx, b)
	if errors.Is(err, store.ErrFailed) {
		select {
		case g.broken <- err:
		default:
		}
	}
	return err
}
