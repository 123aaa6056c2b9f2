package server

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/wire"
)

// TestAPeerThatAsksAndNeverReads: mallory asks for a long log again and again and
// takes no answer. What waits for her is bounded: her connection ends at once,
// not when its time is over, and alice and bob talk on.
func TestAPeerThatAsksAndNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		alice, bob, mallory := e.joins("alice", "198.51.100.1"), e.joins("bob", "198.51.100.2"), e.joins("mallory", "203.0.113.9")
		handle := make([]byte, 32)
		handle[0] = 1
		if got := mallory.asks(&wire.AppendEpoch{Handle: handle, Commit: make([]byte, 256<<10)}); !is[*wire.EpochAppended](got) {
			t.Fatalf("the log does not grow: %+v", got)
		}
		began, asked := time.Now(), 0
		for ; asked < 100; asked++ {
			mallory.nextID++
			if _, err := mallory.Write(request(mallory.nextID, &wire.ReadEpoch{Handle: handle})); err != nil {
				break
			}
			synctest.Wait()
		}
		// 8 MiB are 32 answers; some more are with the writer.
		if took := time.Since(began); asked < 30 || asked > 40 || took > 0 {
			t.Errorf("%d answers of 256 KiB were held for %v", asked, took)
		}
		alice.converse(1, bob)
		for _, c := range []*honest{alice, bob, mallory} {
			c.leaves()
		}
		synctest.Wait()
		if all, _ := e.gate.Open(); all != 0 {
			t.Errorf("%d connections are left", all)
		}
		e.end()
	})
}
