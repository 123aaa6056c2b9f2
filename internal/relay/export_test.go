package relay

import (
	"context"
	"encoding/binary"

	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/sealer"
)

// Settle waits until no commit and no load is under way.
func (r *Relay) Settle(ctx context.Context) error { return r.work.Wait(ctx) }

// Boxes counts the mailboxes in memory.
func (r *Relay) Boxes() (n int) {
	r.router.all(func(*box) { n++ })
	return n
}

// Opens reports whether the running relay has the key of a record that was ever
// written at a key of its store.
func (r *Relay) Opens(key, val []byte) bool {
	tag := sealer.Owner(key[1:])
	if atrest.Kind(key[0]) == atrest.Mailbox {
		_, err := r.keys.Open(tag, binary.BigEndian.Uint64(val), key, val[16:])
		return err == nil
	}
	for handle := range r.handles(tag) {
		if _, err := r.keys.Open(tag, handle, key, val); err == nil {
			return true
		}
	}
	return false
}

// handles are those that the log of a tag was ever known to have.
func (r *Relay) handles(tag sealer.Owner) map[uint64]bool {
	out := map[uint64]bool{}
	_ = r.epochs.Held(context.Background(), func(t sealer.Owner, handle uint64, _ uint32) bool {
		if t == tag {
			out[handle] = true
		}
		return true
	})
	return out
}

// BreakForgetting is a bug: nothing is forgotten any more.
func (r *Relay) BreakForgetting() {
	r.records.Sealer, r.epochs.Sealer = deaf{r.keys}, deaf{r.keys}
}

// deaf forgets nothing.
type deaf struct{ *sealer.Chained }

func (deaf) Forget(sealer.Owner, []uint64) {}

// Sealing tells whether what waits is sealed, or stored as it came, so that a
// benchmark can tell what sealing costs. Nothing may be under way meanwhile.
func (r *Relay) Sealing(on bool) {
	if r.records.Sealer = r.keys; !on {
		r.records.Sealer = naked{r.keys}
	}
}

type naked struct{ *sealer.Chained }

func (naked) SealIn(_ sealer.Owner, _, record []byte) (uint64, error) {
	binary.BigEndian.PutUint32(record, 1<<31)
	return 0, nil
}
