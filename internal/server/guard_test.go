package server

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
)

type failing struct {
	store.Store

	err error
}

func (f failing) Commit(context.Context, *store.Batch) error { return f.err }

func TestAStoreThatFailedIsToldOnce(t *testing.T) {
	g := &guardedStore{Store: failing{err: store.ErrConflict}, broken: make(chan error, 1)}
	if err := g.Commit(t.Context(), &store.Batch{}); !errors.Is(err, store.ErrConflict) || len(g.broken) != 0 {
		t.Errorf("a conflict: %v, told %d times", err, len(g.broken))
	}
	g.Store = failing{err: fmt.Errorf("fsync: %w", store.ErrFailed)}
	for range 3 {
		if err := g.Commit(t.Context(), &store.Batch{}); !errors.Is(err, store.ErrFailed) {
			t.Errorf("the error is lost: %v", err)
		}
	}
	if len(g.broken) != 1 {
		t.Errorf("told %d times, want once", len(g.broken))
	}
}
