//go:build js && wasm

package idbstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"syscall/js"

	"github.com/byre-messenger/byre/internal/store"
)

// chunk is how many records a scan fetches at a time.
const chunk = 128

// reader is the snapshot of one View.
type reader struct {
	ctx  context.Context
	s    *Store
	h    js.Value // the reader that idb.js knows
	done bool
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
	if len(key) == 0 {
		return nil, false, nil
	}
	v, err := call("get", r.h, bytesToJS(key))
	if err != nil {
		return nil, false, fmt.Errorf("get: %w", r.s.failure(err))
	}
	if v.IsNull() {
		return nil, false, nil
	}
	return bytesToGo(v), true, nil
}

// Scan implements [store.Reader].
func (r *reader) Scan(from, to []byte, limit int) iter.Seq2[store.KV, error] {
	return func(yield func(store.KV, error) bool) {
		from, left := from, limit // the next call begins anew
		for more := true; more; {
			recs, err := r.fetch(from, to, left)
			if err != nil {
				yield(store.KV{}, fmt.Errorf("scan: %w", err))
				return
			}
			for _, kv := range recs {
				if err := r.err(); err != nil {
					yield(store.KV{}, fmt.Errorf("scan: %w", err))
					return
				}
				left--
				if !yield(kv, nil) || left == 0 {
					return
				}
				from = kv.Key
			}
			from = append(bytes.Clone(from), 0)
			more = len(recs) == chunk
		}
	}
}

// fetch returns the first records of a range, at most left, if that is above 0,
// and at most chunk.
func (r *reader) fetch(from, to []byte, left int) ([]store.KV, error) {
	if err := r.err(); err != nil {
		return nil, err
	}
	if to != nil && bytes.Compare(from, to) >= 0 {
		return nil, nil // IndexedDB refuses such a range
	}
	n := chunk
	if left > 0 {
		n = min(n, left)
	}
	if len(from) == 0 {
		from = nil
	}
	v, err := call("scan", r.h, bytesToJS(from), bytesToJS(to), n)
	if err != nil {
		return nil, r.s.failure(err)
	}
	var recs []store.KV
	for buf := bytesToGo(v); len(buf) > 0; {
		k := 8 + binary.LittleEndian.Uint32(buf)
		end := k + binary.LittleEndian.Uint32(buf[4:])
		recs = append(recs, store.KV{Key: buf[8:k:k], Val: buf[k:end:end]})
		buf = buf[end:]
	}
	return recs, nil
}
