package home

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/byre-messenger/byre/internal/store"
)

// Record is what has a binary form: the records of package wire.
type Record interface {
	Append(b []byte) []byte
	Parse(b []byte) error
}

// Key returns the place of the record of a kind under a name.
func (h *Home) Key(k Kind, name ...[]byte) Key { return Key{k, h.names.name(k, name)} }

// Tx collects writes that become durable together. It is for one goroutine.
type Tx struct {
	home *Home
	ops  []op
}

type op struct {
	key    Key
	record []byte // nil: delete
	upTo   []byte // with nil record: delete all from key to here, excluded
	forget bool   // nothing is written: the key of a part must die
	part   uint64 // with forget
}

// Begin returns an empty transaction.
func (h *Home) Begin() *Tx { return &Tx{home: h} }

// Put writes a record.
func (t *Tx) Put(k Key, r Record) { t.PutBytes(k, r.Append([]byte{})) }

// PutBytes writes a record that is bytes already. It keeps b until Commit.
func (t *Tx) PutBytes(k Key, b []byte) {
	if b == nil {
		b = []byte{}
	}
	t.ops = append(t.ops, op{key: k, record: b})
}

// Delete removes a record.
func (t *Tx) Delete(k Key) { t.ops = append(t.ops, op{key: k}) }

// DeleteBefore removes the records under k's name with a counter below n.
func (t *Tx) DeleteBefore(k Key, n uint64) {
	t.ops = append(t.ops, op{key: k.At(0), upTo: k.At(n).b})
}

// Forget has what was sealed so far under the key of a part of what stands under
// k's name open no more, but for what lives: see [PartOf] and [Home.Shred].
func (t *Tx) Forget(k Key, part uint64) { t.ops = append(t.ops, op{key: k, forget: true, part: part}) }

// Get reads as if what was written so far were durable.
func (t *Tx) Get(ctx context.Context, k Key, r Record) (ok bool, err error) {
	for _, o := range slices.Backward(t.ops) {
		if bytes.Equal(o.key.b, k.b) && o.upTo == nil && !o.forget {
			if o.record == nil {
				return false, nil
			}
			return true, r.Parse(bytes.Clone(o.record))
		}
	}
	return t.home.Get(ctx, k, r)
}

// Mark returns where Undo goes back to.
func (t *Tx) Mark() int { return len(t.ops) }

// Undo takes back what was written since Mark returned mark.
func (t *Tx) Undo(mark int) { t.ops = t.ops[:mark] }

// Empty reports whether there is nothing to commit.
func (t *Tx) Empty() bool { return len(t.ops) == 0 }

// Commit makes the writes durable, all or nothing. On error the outcome is
// unknown: the home must be opened and read again.
func (t *Tx) Commit(ctx context.Context) error {
	if t.Empty() {
		return nil
	}
	t.home.writing.Lock()
	defer t.home.writing.Unlock()
	if t.home.failed != nil {
		return t.home.failed
	}
	last := make(map[string]int, len(t.ops)) // only the last write to a place is sealed
	for i, o := range t.ops {
		if !o.forget {
			last[string(o.key.b)] = i
		}
	}
	var b store.Batch
	keys := t.home.keyer()
	for i, o := range t.ops {
		switch {
		case o.forget:
			keys.spoil(o.key.domain(o.part))
		case o.upTo != nil:
			b.DeleteRange(o.key.b, o.upTo)
			keys.deleted(o.key)
		case last[string(o.key.b)] != i:
		case o.record == nil:
			b.Delete(o.key.b)
			keys.deleted(o.key)
		default:
			val, err := keys.seal(o.key, o.record)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrUnread, err)
			}
			b.Set(o.key.b, val)
		}
	}
	keys.write(&b)
	keys.known()
	if err := t.home.store.Commit(ctx, &b); err != nil {
		t.home.failed = fmt.Errorf("write to the home: %w", err)
		return t.home.failed
	}
	keys.done()
	return nil
}

// GetBytes returns a record's bytes; ok tells whether there is one.
func (h *Home) GetBytes(ctx context.Context, k Key) (record []byte, ok bool, err error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	err = h.store.View(ctx, func(r store.Reader) error {
		val, found, err := r.Get(k.b)
		if err != nil || !found {
			return err
		}
		ok = true
		record, err = h.open(k, val)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrUnread, err)
	}
	return record, ok, nil
}

// Get parses a record into r; ok tells whether there is one.
func (h *Home) Get(ctx context.Context, k Key, r Record) (ok bool, err error) {
	b, ok, err := h.GetBytes(ctx, k)
	if err != nil || !ok {
		return false, err
	}
	if err := r.Parse(b); err != nil {
		return false, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return true, nil
}

// Item is one record of a scan.
type Item struct {
	Key    Key
	N      uint64 // the counter, 0 where the kind has none
	Record []byte
}

// All yields the records of a kind, in no order that means anything.
func (h *Home) All(ctx context.Context, k Kind) iter.Seq2[Item, error] {
	return h.scan(ctx, k, []byte{byte(k)}, []byte{byte(k) + 1}, 0)
}

// From yields the records under k's name with a counter of at least n, in
// order; a limit of 0 is none. The scan sees one moment: the home may be
// written while it runs.
func (h *Home) From(ctx context.Context, k Key, n uint64, limit int) iter.Seq2[Item, error] {
	return h.scan(ctx, k.kind, k.At(n).b, store.PrefixEnd(k.b), limit)
}

func (h *Home) scan(ctx context.Context, kind Kind, from, to []byte, limit int) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		// The store must not be called while it is viewed, so the page is read
		// first.
		var items []Item
		h.mu.RLock()
		err := h.store.View(ctx, func(r store.Reader) error {
			for kv, err := range r.Scan(from, to, limit) {
				if err != nil {
					return err
				}
				it := Item{Key: Key{kind, append([]byte(nil), kv.Key...)}}
				if len(kv.Key) == 1+nameSize+8 {
					it.N = binary.BigEndian.Uint64(kv.Key[1+nameSize:])
				}
				if it.Record, err = h.open(it.Key, kv.Val); err != nil {
					return err
				}
				items = append(items, it)
			}
			return nil
		})
		h.mu.RUnlock()
		for _, it := range items {
			if !yield(it, nil) {
				return
			}
		}
		if err != nil {
			yield(Item{}, fmt.Errorf("%w: %w", ErrUnread, err))
		}
	}
}
