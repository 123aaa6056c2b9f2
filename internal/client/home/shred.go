package home

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
)

// turnSize bounds what is sealed anew in one generation, in bytes; what is left
// goes with the next.
const turnSize = 8 << 20

// ringPlace is where the ring of a generation stands.
func ringPlace(generation uint64) []byte {
	return [2][]byte{[]byte("byre ring even"), []byte("byre ring odd")}[generation%2]
}

// Stale reports whether something waits for its key to be destroyed.
func (h *Home) Stale() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ring.stale > 0
}

// Shred destroys the keys of what was deleted or replaced: what lives under them
// is sealed under fresh ones, and the ring without them is written under a key
// that nobody had before. When it returns without an error, nothing that is left
// opens what was deleted before it was called. After an error the home must be
// opened anew.
func (h *Home) Shred(ctx context.Context) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.failed == nil && h.ring.stale > 0 {
		if err := h.turn(ctx); err != nil {
			h.failed = fmt.Errorf("destroy keys of the home: %w", err)
		}
	}
	return h.failed
}

// turn goes on to the next generation.
func (h *Home) turn(ctx context.Context) error {
	var b store.Batch
	dead, err := h.reseal(ctx, &b)
	if err != nil {
		return err
	}
	for id := range dead {
		h.ring.drop(id)
	}
	from := linePlace(h.generation, 0)
	b.DeleteRange(from, store.PrefixEnd(from[:len(from)-8]))
	return h.begin(ctx, &b, h.generation+1)
}

// reseal puts what lives under stale keys under fresh ones, and tells which keys
// have nothing left.
func (h *Home) reseal(ctx context.Context, b *store.Batch) (dead map[uint64]bool, err error) {
	dead = map[uint64]bool{}
	places := map[[placeSize]byte]bool{}
	for id, k := range h.ring.keys {
		if k.stale {
			dead[id] = true
			places[k.place] = true
		}
	}
	size := 0
	err = h.store.View(ctx, func(r store.Reader) error {
		for place := range places {
			for kv, err := range r.Scan(place[:], store.PrefixEnd(place[:]), 0) {
				if err != nil {
					return err
				}
				if len(kv.Val) < numberSize {
					return ErrDamaged
				}
				id := binary.BigEndian.Uint64(kv.Val)
				if !dead[id] {
					continue
				}
				if size > turnSize {
					delete(dead, id) // the rest of it is for the next generation
					continue
				}
				old := h.ring.keys[id]
				at := Key{Kind(place[0]), bytes.Clone(kv.Key)}
				record, err := openAt(old.key, at, kv.Val[numberSize:])
				if err != nil {
					return err
				}
				fresh := h.fresh(old.domain)
				b.Set(at.b, sealTo(fresh.key, fresh.id, at, record))
				size += len(kv.Val)
			}
		}
		return nil
	})
	return dead, err
}

// fresh is the key of a domain that is not stale; it is made if there is none.
func (h *Home) fresh(d domain) *ringKey {
	if id, ok := h.ring.current[d]; ok && !h.ring.keys[id].stale {
		return h.ring.keys[id]
	}
	k := ringKey{domain: d, id: h.ring.next, key: seal.NewKey()}
	h.ring.put(k)
	return h.ring.keys[k.id]
}

// begin begins a generation with what b writes: its ring is the one in memory.
func (h *Home) begin(ctx context.Context, b *store.Batch, generation uint64) error {
	slot := Slot{generation, h.slotKey()}
	defer slot.Key.Wipe()
	key, line, err := h.generationKeys(slot)
	if err != nil {
		return err
	}
	defer key.Wipe()
	ring, err := seal.NewCheckpoint(key, generation, h.ring.snapshot())
	if err != nil {
		return fmt.Errorf("seal the ring: %w", err)
	}
	b.Set(ringPlace(generation), ring)
	// H4: the slot of the next generation, which opens nothing yet. A crash
	// behind it leaves the present one.
	if err := h.vault.Write(ctx, slot); err != nil {
		return err
	}
	// H5: the next ring, and what is sealed under its keys. A crash before this
	// commit leaves the present generation; one behind it both, of which the
	// higher counts.
	if err := h.store.Commit(ctx, b); err != nil {
		return err
	}
	h.generation, h.line = generation, 0
	h.lineKey = line
	// H6: the slot before is erased. A crash before that leaves it to the next
	// opening.
	if generation == 1 {
		return nil
	}
	return h.vault.Erase(ctx, generation-1)
}

// generationKeys are the keys of a generation's ring and of its lines.
func (h *Home) generationKeys(s Slot) (ring, line secret.Bytes, err error) {
	if s.Key.Len() != rootSize {
		return ring, line, errors.New("a slot of a wrong size")
	}
	if ring, err = extract(h.root, s.Key, "byre/1 home ring"); err != nil {
		return ring, line, err
	}
	line, err = extract(h.root, s.Key, "byre/1 home line")
	return ring, line, err
}

// recover finds the generation that counts, and finishes what a crash
// interrupted: the slot of another one is erased.
func (h *Home) recover(ctx context.Context) error {
	found, err := h.vault.Slots(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnread, err)
	}
	slices.SortFunc(found, func(a, b Slot) int { return cmp.Compare(b.Generation, a.Generation) })
	for _, slot := range found {
		if h.ring != nil {
			break
		}
		if err := h.try(ctx, slot); err != nil {
			return err
		}
	}
	if h.ring == nil {
		return ErrGone
	}
	for _, slot := range found {
		slot.Key.Wipe()
		if slot.Generation == h.generation {
			continue
		}
		if err := h.vault.Erase(ctx, slot.Generation); err != nil {
			return fmt.Errorf("destroy a key of the home: %w", err)
		}
	}
	return nil
}

// try takes a slot's generation, if its ring is there.
func (h *Home) try(ctx context.Context, slot Slot) error {
	key, line, err := h.generationKeys(slot)
	if err != nil {
		return err
	}
	defer key.Wipe()
	var sealed []byte
	var lines [][2][]byte
	if err := h.store.View(ctx, func(r store.Reader) error {
		val, _, err := r.Get(ringPlace(slot.Generation))
		if err != nil {
			return err
		}
		sealed = bytes.Clone(val)
		from := linePlace(slot.Generation, 0)
		for kv, err := range r.Scan(from, store.PrefixEnd(from[:len(from)-8]), 0) {
			if err != nil {
				return err
			}
			lines = append(lines, [2][]byte{bytes.Clone(kv.Key), bytes.Clone(kv.Val)})
		}
		return nil
	}); err != nil {
		return fmt.Errorf("%w: %w", ErrUnread, err)
	}
	snapshot, err := seal.OpenCheckpoint(key, slot.Generation, sealed)
	if err != nil {
		return nil // not this generation
	}
	defer snapshot.Wipe()
	ring, err := parseRing(snapshot)
	for _, l := range lines {
		if err == nil {
			err = ring.readLine(line, l[0], l[1])
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	h.ring, h.generation, h.lineKey, h.line = ring, slot.Generation, line, uint64(len(lines))
	return nil
}

func (r *ring) readLine(key secret.Bytes, place, val []byte) error {
	if len(val) < numberSize {
		return ErrDamaged
	}
	line, err := openAt(key, Key{b: place}, val[numberSize:])
	if err != nil {
		return err
	}
	defer clear(line)
	return r.lines(line)
}
