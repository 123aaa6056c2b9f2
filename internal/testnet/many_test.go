package testnet_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/byre-messenger/byre/internal/wire"
)

// alice wrote hundreds of messages on a train. When she is back they leave a
// few at a time, in order, and the relay never has to tell her that it is too much.
func TestWhatWasWrittenOfflineLeavesInBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, alice, bob := friends(t)
		defer n.Close()
		const many, bound = 400, 128
		var mu sync.Mutex
		open, most, limited := map[uint64]bool{}, 0, 0
		alice.Switch.Tap(func(_ bool, f *wire.Frame) []*wire.Frame {
			mu.Lock()
			defer mu.Unlock()
			switch m := f.Body.(type) {
			case *wire.Request:
				if _, ok := m.Body.(*wire.Send); ok {
					open[m.Id] = true
					most = max(most, len(open))
				}
			case *wire.Response:
				if _, refused := m.Body.(*wire.Failure); refused && open[m.Id] {
					limited++
				}
				delete(open, m.Id)
			}
			return []*wire.Frame{f}
		})
		var want []string
		for i := range many {
			alice.Says(bob, fmt.Sprint("message ", i))
			want = append(want, fmt.Sprint("alice: message ", i))
		}
		alice.Syncs()
		bob.Syncs()
		hears(t, bob, want...)
		mu.Lock()
		defer mu.Unlock()
		if most > bound || most < bound/2 || limited > 0 {
			t.Errorf("%d were under way at a time, %d refused; want at most %d and none", most, limited, bound)
		}
	})
}
