package testnet_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// bent is a store with a bug planted in its commits.
type bent struct {
	store.Store

	bend func(*store.Batch) *store.Batch
}

func (b bent) Commit(ctx context.Context, batch *store.Batch) error {
	return b.Store.Commit(ctx, b.bend(batch))
}

func plant(bend func(*store.Batch) *store.Batch) func(store.Store) store.Store {
	return func(s store.Store) store.Store { return bent{s, bend} }
}

// hasty answers commits that write a kind of record before they are durable.
func hasty(kind byte) func(*store.Batch) *store.Batch {
	return func(b *store.Batch) *store.Batch {
		b.Lazy = slices.ContainsFunc(b.Ops(), func(op store.Op) bool { return op.Kind == store.OpSet && op.Key[0] == kind })
		return b
	}
}

// without leaves out the operations on some kinds of a home's records.
func without(b *store.Batch, drop func(store.Op) bool) *store.Batch {
	out := &store.Batch{Lazy: b.Lazy}
	for _, g := range b.Guards() {
		out.Require(g.Key, g.Val)
	}
	for _, op := range b.Ops() {
		switch {
		case drop(op):
		case op.Kind == store.OpSet:
			out.Set(op.Key, op.Val)
		case op.Kind == store.OpDelete:
			out.Delete(op.Key)
		case op.Kind == store.OpDeleteRange:
			out.DeleteRange(op.Key, op.Val)
		}
	}
	return out
}

func of(op store.Op, k home.Kind) bool { return op.Key[0] == byte(k) }

func kept(op store.Op, k atrest.Kind) bool { return op.Key[0] == byte(k) }

// TestTheWitnessCatchesSeededBugs plants a bug in what a device or the server
// makes durable, and has the random schedules and their witness find it. The
// relay's own guards are bent in internal/relay.
func TestTheWitnessCatchesSeededBugs(t *testing.T) {
	t.Parallel()
	suite := ciphersuite.X25519_AES128GCM_SHA256_Ed25519
	for _, c := range []struct {
		bug  string
		from uint64   // the first seed, one that found it once
		want []string // how a finding begins, any of them
		o    testnet.Options
	}{
		{"a device acknowledges before its commit is durable", 15, []string{"lost: "}, testnet.Options{HomeDisk: plant(hasty(byte(home.Seen)))}},
		{"the server answers before its commit is durable", 6, []string{"lost: "}, testnet.Options{Disk: plant(hasty(byte(atrest.Mailbox)))}},
		{"a device forgets which messages it has", 10, []string{"twice: "}, testnet.Options{HomeDisk: plant(func(b *store.Batch) *store.Batch {
			if slices.ContainsFunc(b.Ops(), func(op store.Op) bool { return of(op, home.Outbox) }) {
				return b // its own, which it looks up
			}
			return without(b, func(op store.Op) bool { return of(op, home.Index) })
		})}},
		{"a device forgets what it told", 33, []string{"twice: "}, testnet.Options{HomeDisk: plant(func(b *store.Batch) *store.Batch {
			b.Lazy = slices.ContainsFunc(b.Ops(), func(op store.Op) bool { return of(op, home.Event) && op.Kind == store.OpDelete })
			return b
		})}},
		{"a device forgets what waits for a key", 221, []string{"lost: ", "gap: "}, testnet.Options{HomeDisk: plant(func(b *store.Batch) *store.Batch {
			return without(b, func(op store.Op) bool { return of(op, home.Waiting) && op.Kind == store.OpSet })
		})}},
		{"a device's outbox lives in memory alone", 0, []string{"lost: "}, testnet.Options{HomeDisk: plant(func(b *store.Batch) *store.Batch {
			return without(b, func(op store.Op) bool { return of(op, home.Outbox) && op.Kind == store.OpSet })
		})}},
		{"the server forgets which key packages it gave", 2, []string{"not linearizable: key packages"}, testnet.Options{Disk: plant(func(b *store.Batch) *store.Batch {
			if !slices.ContainsFunc(b.Ops(), func(op store.Op) bool { return kept(op, atrest.KeyPackage) && op.Kind == store.OpDelete }) {
				return b
			}
			return without(b, func(op store.Op) bool { return kept(op, atrest.KeyPackage) || kept(op, atrest.KeyPackages) })
		})}},
		{"the server forgets who won an epoch", 6, []string{"not linearizable: log"}, testnet.Options{Disk: plant(func(b *store.Batch) *store.Batch {
			return without(b, func(op store.Op) bool { return kept(op, atrest.Epoch) || kept(op, atrest.Commit) })
		})}},
	} {
		t.Run(c.bug, func(t *testing.T) {
			t.Parallel()
			c.o.Suite = suite
			for seed := c.from; seed < c.from+300; seed++ {
				wrong, _ := schedule(t, seed, c.o)
				for _, w := range wrong {
					if slices.ContainsFunc(c.want, func(p string) bool { return strings.HasPrefix(w, p) }) {
						t.Logf("found by seed %d: %s", seed, w)
						return
					}
				}
				if len(wrong) > 0 {
					t.Logf("seed %d found something else: %.200s", seed, wrong[0])
				}
			}
			t.Error("no schedule found it")
		})
	}
}
