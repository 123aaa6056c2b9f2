package pebblestore

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/byre-messenger/byre/internal/store"
)

// Commit implements [store.Store].
func (s *Store) Commit(ctx context.Context, b *store.Batch) error {
	if err := b.Check(); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	defer s.life.RUnlock()
	w, err := s.translate(b)
	if err != nil {
		return err
	}
	held, err := s.guarded(b, w)
	switch {
	case err != nil:
		return fmt.Errorf("commit: %w", err)
	case !held:
		_ = w.Close() // it only gives memory back
		// A crash here leaves what broke the guard or not; nobody was told.
		if err := s.settle(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		return store.ErrConflict
	case b.Lazy:
		return nil
	case w.Empty():
		_ = w.Close()
		err = s.settle()
	default:
		// 3. Wait for the fsync. A crash before it leaves the batch or not;
		// nobody was told.
		err = s.synced(w)
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// guarded compares and applies under the locks of b's keys.
func (s *Store) guarded(b *store.Batch, w *write) (held bool, err error) {
	set := s.stripes.of(b)
	s.stripes.lock(set)
	defer s.stripes.unlock(set)
	// 1. Compare.
	if held, err = s.holds(b); err != nil || !held || w.Empty() {
		return held, err
	}
	// 2. Apply: from here on others see it.
	return true, s.enqueue(w, b.Lazy)
}

// write is a batch of Pebble's on its way.
type write struct {
	*pebble.Batch

	lazyBefore int64 // lazy commits ahead of it in the log
}

// translate returns b as a batch of Pebble's.
func (s *Store) translate(b *store.Batch) (*write, error) {
	p := s.db.NewBatchWithSize(16 + b.Size() + 16*len(b.Ops()))
	for _, op := range b.Ops() {
		var err error
		switch op.Kind {
		case store.OpSet:
			err = p.Set(op.Key, op.Val, nil)
		case store.OpDelete:
			err = p.Delete(op.Key, nil)
		case store.OpDeleteRange:
			err = p.DeleteRange(op.Key, op.Val, nil)
		}
		if err != nil {
			return nil, fmt.Errorf("build the batch: %w", err)
		}
	}
	return &write{Batch: p}, nil
}

// enqueue gives w its place in the log and makes it visible. Unless it is lazy,
// synced must follow.
func (s *Store) enqueue(w *write, lazy bool) (err error) {
	s.apply.Lock()
	defer s.apply.Unlock()
	if err := s.failure(); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			s.stuck = true
			err = s.fail(fmt.Errorf("%v", p))
		}
	}()
	if lazy {
		s.lazy.Add(1)
		if err := s.db.Apply(w.Batch, pebble.NoSync); err != nil {
			return s.fail(err)
		}
		_ = w.Close() // it only gives memory back
		return nil
	}
	w.lazyBefore = s.lazy.Load()
	s.inflight.Add(1)
	if err := s.db.ApplyNoSyncWait(w.Batch, pebble.Sync); err != nil {
		return s.fail(err)
	}
	return nil
}

// synced waits until w is durable. After a failed fsync nobody knows what of
// the log stands on the disk, and a second fsync may say yes to what the first
// one lost: so the store refuses everything from then on, and no commit is ever
// answered on the strength of a later success.
func (s *Store) synced(w *write) error {
	if err := w.SyncWait(); err != nil {
		return s.fail(err)
	}
	if err := s.failure(); err != nil {
		return err
	}
	s.inflight.Add(-1)
	for {
		known := s.lazyDurable.Load()
		if known >= w.lazyBefore || s.lazyDurable.CompareAndSwap(known, w.lazyBefore) {
			break
		}
	}
	_ = w.Close() // it only gives memory back
	return nil
}

// settle returns once all that was visible when it was called is durable. Most
// often it is, and nothing is written.
func (s *Store) settle() error {
	lazy := s.lazy.Load()
	if s.inflight.Load() == 0 && s.lazyDurable.Load() == lazy {
		return s.failure()
	}
	// A record without content behind all others, to wait for.
	w := &write{Batch: s.db.NewBatch()}
	if err := w.LogData(nil, nil); err != nil {
		return err
	}
	if err := s.enqueue(w, false); err != nil {
		return err
	}
	return s.synced(w)
}
