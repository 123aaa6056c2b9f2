package home

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
)

// tape is a store that never forgets: it keeps every value that was ever handed
// to the store's port, as a disk whose engine deletes nothing does.
type tape struct {
	store.Store
	mu  *sync.Mutex
	all *[][2][]byte
}

func record(s store.Store) tape { return tape{s, &sync.Mutex{}, new([][2][]byte)} }

// on is the same tape over another store.
func (t tape) on(s store.Store) tape { return tape{s, t.mu, t.all} }

func (t tape) Commit(ctx context.Context, b *store.Batch) error {
	t.mu.Lock()
	for _, w := range b.Ops() {
		if w.Kind == store.OpSet {
			*t.all = append(*t.all, [2][]byte{bytes.Clone(w.Key), bytes.Clone(w.Val)})
		}
	}
	t.mu.Unlock()
	return t.Store.Commit(ctx, b)
}

// detective has the tape, what the vault still holds, the root of the home (the
// passphrase was had out of its owner), and what the process has in memory. It is
// written from docs/spec/home.md and shares no code with what seals.
type detective struct {
	tape  [][2][]byte
	slots []Slot
	root  secret.Bytes
	ring  *ring // nil: no process runs
}

// keys returns every key that follows from what is left.
func (d detective) keys() (out []secret.Bytes) {
	bases := []secret.Bytes{d.root}
	take := func(r *ring) {
		bases = append(bases, r.base)
		for _, k := range r.keys {
			out = append(out, k.key)
		}
	}
	if d.ring != nil {
		take(d.ring)
	}
	for _, slot := range d.slots {
		ringKey, _ := extract(d.root, slot.Key, "byre/1 home ring")
		lineKey, _ := extract(d.root, slot.Key, "byre/1 home line")
		for _, kv := range d.tape {
			for g := range slot.Generation + 1 { // whatever generation it is of
				if snapshot, err := seal.OpenCheckpoint(ringKey, g, kv[1]); err == nil {
					if r, err := parseRing(snapshot); err == nil {
						take(r)
					}
				}
			}
			r := newRing(secret.New(nil))
			if r.readLine(lineKey, kv[0], kv[1]) == nil {
				take(r)
			}
		}
	}
	for _, base := range bases {
		for k := Device; k < kinds; k++ {
			for _, use := range []string{"kept", "value", "name"} {
				if key, err := derive(base, use, k); err == nil {
					out = append(out, key)
				}
			}
		}
	}
	return out
}

// opens returns which of some texts stand in plain on the tape, or in anything of
// it that a key opens.
func (d detective) opens(texts []string) map[string]bool {
	found := map[string]bool{}
	see := func(b []byte) {
		for _, text := range texts {
			if bytes.Contains(b, []byte(text)) {
				found[text] = true
			}
		}
	}
	keys := d.keys()
	for _, kv := range d.tape {
		see(slices.Concat(kv[0], kv[1]))
		at := Key{b: kv[0]}
		for _, key := range keys {
			if key.Len() != rootSize {
				continue
			}
			if plain, err := openAt(key, at, kv[1]); err == nil {
				see(plain)
			}
			if len(kv[1]) > numberSize {
				if plain, err := openAt(key, at, kv[1][numberSize:]); err == nil {
					see(plain)
				}
			}
		}
	}
	return found
}
