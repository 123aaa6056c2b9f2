package home

import (
	"context"
	"encoding/binary"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
)

// Slot is what opens one generation of a home's ring of keys, together with the
// root.
type Slot struct {
	Generation uint64 // from 1
	Key        secret.Bytes
}

// Vault keeps two slots, one for even generations and one for odd ones, and
// erases them as well as its medium can: what an engine of a store drops, it
// does not erase. It is used by one goroutine at a time.
type Vault interface {
	// Slots returns the slots that hold a whole key.
	Slots(ctx context.Context) ([]Slot, error)
	// Write makes a slot durable in the place of its generation.
	Write(ctx context.Context, s Slot) error
	// Erase destroys the slot of a generation, durably; there may be none.
	Erase(ctx context.Context, generation uint64) error
}

// slots is a vault in the store itself, for where there is no other: what it
// erases is as gone as anything that the store's engine deletes.
type slots struct{ store store.Store }

var slotKey = [2][]byte{[]byte("byre slot even"), []byte("byre slot odd")}

// Slots implements [Vault].
func (s slots) Slots(ctx context.Context) (out []Slot, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		for _, k := range slotKey {
			val, ok, err := r.Get(k)
			if err != nil {
				return err
			}
			if ok && len(val) == 8+rootSize {
				out = append(out, Slot{binary.BigEndian.Uint64(val), secret.New(append([]byte(nil), val[8:]...))})
			}
		}
		return nil
	})
	return out, err
}

// Write implements [Vault].
func (s slots) Write(ctx context.Context, slot Slot) error {
	var b store.Batch
	b.Set(slotKey[slot.Generation%2], append(binary.BigEndian.AppendUint64(nil, slot.Generation), slot.Key.Reveal()...))
	return s.store.Commit(ctx, &b)
}

// Erase implements [Vault].
func (s slots) Erase(ctx context.Context, generation uint64) error {
	var b store.Batch
	b.Delete(slotKey[generation%2])
	return s.store.Commit(ctx, &b)
}

// pair is a vault in memory, for tests: it outlives homes, not the process.
type pair struct{ slots [2]Slot }

// NewVaultForTests returns a vault in memory that erases for good.
func NewVaultForTests() Vault { return &pair{} }

// Slots implements [Vault].
func (p *pair) Slots(context.Context) (out []Slot, err error) {
	for _, s := range p.slots {
		if s.Generation != 0 {
			out = append(out, Slot{s.Generation, s.Key.Clone()})
		}
	}
	return out, nil
}

// Write implements [Vault].
func (p *pair) Write(_ context.Context, s Slot) error {
	p.slots[s.Generation%2] = Slot{s.Generation, s.Key.Clone()}
	return nil
}

// Erase implements [Vault].
func (p *pair) Erase(_ context.Context, generation uint64) error {
	p.slots[generation%2] = Slot{}
	return nil
}

// vaultOf is the vault that the options name, or the one in the store.
func (o Options) vaultOf(s store.Store) Vault {
	if o.Vault != nil {
		return o.Vault
	}
	return slots{s}
}
