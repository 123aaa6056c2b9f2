package home

import (
	"bytes"
	"context"
	"fmt"

	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// moveSize is how much of a home of version 1 is moved forward in one commit, in
// bytes.
const moveSize = 4 << 20

// firstPlace is before the places of all records.
var firstPlace = []byte{byte(Device)}

// startMove gives a home of version 1 its ring. The names of records go on from
// the root, which is the base of this home.
func (h *Home) startMove(ctx context.Context, header *wire.HomeHeader) error {
	h.ring = newRing(h.root.Clone())
	h.moved = firstPlace
	var b store.Batch
	b.Require(headerKey, header.Append(nil))
	header.Version, header.Moved = version, h.moved
	b.Set(headerKey, header.Append(nil))
	if err := h.begin(ctx, &b, 1); err != nil {
		return fmt.Errorf("move the home forward: %w", err)
	}
	return nil
}

// unmoved reports whether the value at a place is in the form of version 1.
func (h *Home) unmoved(place []byte) bool {
	return len(h.moved) > 0 && bytes.Compare(place, h.moved) >= 0
}

// move brings what is left of a home of version 1 into the present form, part
// after part.
func (h *Home) move(ctx context.Context) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	for len(h.moved) > 0 {
		if err := h.moveSome(ctx); err != nil {
			return fmt.Errorf("move the home forward: %w", err)
		}
	}
	for k := range h.old {
		h.old[k].Wipe()
	}
	return nil
}

func (h *Home) moveSome(ctx context.Context) error {
	header, err := readHeader(ctx, h.store)
	if err != nil {
		return err
	}
	var b store.Batch
	b.Require(headerKey, header.Append(nil))
	keys := h.keyer()
	var next []byte // nil: all is moved
	size := 0
	if err := h.store.View(ctx, func(r store.Reader) error {
		for kv, err := range r.Scan(h.moved, []byte{byte(kinds)}, 0) {
			if err != nil {
				return err
			}
			if size > moveSize {
				next = bytes.Clone(kv.Key)
				return nil
			}
			at := Key{Kind(kv.Key[0]), bytes.Clone(kv.Key)}
			record, err := openAt(h.old[at.kind], at, kv.Val)
			if err != nil {
				return err
			}
			val, err := keys.seal(at, record)
			if err != nil {
				return err
			}
			b.Set(at.b, val)
			size += len(val)
		}
		return nil
	}); err != nil {
		return err
	}
	header.Moved = next
	b.Set(headerKey, header.Append(nil))
	keys.write(&b)
	// H7: a part of a home of version 1 is in the present form. A crash before
	// this commit leaves it in the old one, and the header tells up to where.
	if err := h.store.Commit(ctx, &b); err != nil {
		return err
	}
	keys.done()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moved = next
	return nil
}
