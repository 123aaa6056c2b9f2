package testnet_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// heldDisk holds its next commit back while gate is set, in which more steps
// gather for the one after it.
type heldDisk struct {
	store.Store
	gate chan struct{}
}

func (d *heldDisk) Commit(ctx context.Context, b *store.Batch) error {
	if gate := d.gate; gate != nil {
		d.gate = nil
		<-gate
	}
	return d.Store.Commit(ctx, b)
}

// TestASyncInABusyBatch: that everything has come, and the question whether
// everything is done, fall into one batch, in either order. What waits to be
// sent goes all the same before the sync ends.
func TestASyncInABusyBatch(t *testing.T) {
	for _, asksFirst := range []bool{false, true} {
		t.Run(fmt.Sprintf("asked first: %v", asksFirst), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { syncInABusyBatch(t, asksFirst) })
		})
	}
}

func syncInABusyBatch(t *testing.T, asksFirst bool) {
	t.Helper()
	var disks []*heldDisk
	n := testnet.New(t, testnet.Options{Suite: suites[1], HomeDisk: func(s store.Store) store.Store {
		disks = append(disks, &heldDisk{Store: s})
		return disks[len(disks)-1]
	}})
	defer n.Close()
	alice, bob := n.Join("alice"), n.Join("bob")
	bob.Connect()
	alice.Says(bob, "hello")
	alice.Syncs()
	bob.Says(alice, "hello alice")
	alice.Syncs()

	// The relay's word that all has come is kept, and given before another frame.
	var kept []*wire.Frame
	keeping := true
	alice.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
		if push, ok := f.Body.(*wire.Push); ok && !up {
			if _, ok := push.Body.(*wire.Drained); ok {
				kept = append(kept, f)
				return nil
			}
		}
		if up || keeping {
			return []*wire.Frame{f}
		}
		out := append(kept, f)
		kept = nil
		return out
	})
	m := alice.Says(bob, "this must go")
	alice.Connect()
	synctest.Wait()

	gate := make(chan struct{})
	disks[0].gate = gate
	bob.Says(alice, "this is being written")
	synctest.Wait()
	done := make(chan error, 1)
	steps := []func(){
		func() {
			alice.Switch.Between(func() { keeping = false })
			bob.Says(alice, "this comes behind the end of what waited")
		},
		func() { go func() { done <- alice.Sync(t.Context()) }() },
	}
	if asksFirst {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		step()
		synctest.Wait()
	}
	close(gate)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if m, err := alice.Message(t.Context(), m.ID); err != nil || m.Queued {
		t.Errorf("after the sync: %+v, %v", m, err)
	}
}
