package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"github.com/byre-messenger/byre/internal/store"
)

// reader is the snapshot of one View.
type reader struct {
	ctx   context.Context
	snap  *pebble.Snapshot
	free  []byte // what is left of the block that small copies go to
	block int    // size of that block
	done  bool
}

func (r *reader) err() error {
	if r.done {
		return errors.New("store: read after the View ended")
	}
	return r.ctx.Err()
}

// Get implements [store.Reader].
func (r *reader) Get(key []byte) (val []byte, ok bool, err error) {
	if err := r.err(); err != nil {
		return nil, false, fmt.Errorf("get: %w", err)
	}
	v, closer, err := r.snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("get: %w", err)
	}
	val = r.copy(v)
	if err := closer.Close(); err != nil {
		return nil, false, fmt.Errorf("get: %w", err)
	}
	return val, true, nil
}

// Scan implements [store.Reader].
func (r *reader) Scan(from, to []byte, limit int) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		if err := r.scan(from, to, limit, yield); err != nil {
			yield(store.KV{}, fmt.Errorf("scan: %w", err))
		}
	}
}

// scan yields records and returns nil once yield returned false.
func (r *reader) scan(from, to []byte, limit int, yield func(store.KV, error) bool) error {
	if err := r.err(); err != nil {
		return err
	}
	it, err := r.snap.NewIterWithContext(r.ctx, &pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	defer it.Close() //nolint:errcheck // its error is it.Error, returned below
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err == nil {
			err = r.err()
		}
		if err != nil {
			return err
		}
		limit--
		if !yield(store.KV{Key: r.copy(it.Key()), Val: r.copy(v)}, nil) || limit == 0 {
			return nil
		}
	}
	return it.Error()
}

// Small copies are allocated in blocks that grow between these sizes.
const minBlock, maxBlock = 256, 8 << 10

// copy returns a copy of p that is never nil. Pebble's own slices end with the
// next call of the iterator, ours with the View.
func (r *reader) copy(p []byte) []byte {
	if len(p) > maxBlock/8 {
		return append([]byte(nil), p...)
	}
	if r.free == nil || len(p) > len(r.free) {
		r.block = min(max(2*r.block, minBlock, len(p)), maxBlock)
		r.free = make([]byte, r.block)
	}
	c := r.free[:len(p):len(p)]
	r.free = r.free[len(p):]
	copy(c, p)
	return c
}
