package vault

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/seal"
)

// BenchmarkCheckpointOfAMillion makes checkpoints of 1,000,000 messages that
// wait in 20,000 mailboxes, on files, while one sender seals, opens and forgets
// without pause: it tells how long that takes, how large it is, and how long the
// sender had to wait at most.
func BenchmarkCheckpointOfAMillion(b *testing.B) {
	const owners, each = 20_000, 50
	v, err := NewFile(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2014, 10, 1, 0, 0, 0, 0, time.UTC)
	k, keys, _, err := Start(Config{Vault: v, Checkpoints: NewFiles(b.TempDir()), Retention: seal.MaxRetention, Wall: now}, nothing)
	if err != nil {
		b.Fatal(err)
	}
	mark := keys.Mark()
	owner := func(i int) (o seal.Owner) {
		binary.BigEndian.PutUint64(o[:], uint64(i)*0x9e3779b97f4a7c15) // as an HMAC would spread them
		return o
	}
	gone := make([][]seal.Handle, owners)
	for i := range each {
		for o := range owners {
			h, _, err := keys.Seal(owner(o), place, nil)
			if err != nil {
				b.Fatal(err)
			}
			if i < 5 || (i == 6 && o%4 == 0) { // acknowledged, nearly in order
				gone[o] = append(gone[o], h)
			}
		}
		mark = mark.Later(time.Hour, now)
		if err := k.Checkpoint(mark); err != nil {
			b.Fatal(err)
		}
	}
	for o, hs := range gone {
		keys.Forget(owner(o), hs...)
	}
	var stop atomic.Bool
	waits := make(chan []time.Duration)
	go func() {
		var took []time.Duration
		for !stop.Load() {
			began := time.Now()
			to := owner(owners + len(took)%owners)
			h, c, err := keys.Seal(to, place, make([]byte, 300))
			if err == nil {
				_, err = keys.Open(to, h, place, c)
			}
			if err != nil {
				b.Error(err)
				break
			}
			keys.Forget(to, h)
			took = append(took, time.Since(began))
		}
		waits <- took
	}()
	for b.Loop() {
		if err := k.Checkpoint(mark); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	stop.Store(true)
	took := <-waits
	slices.Sort(took)
	live := keys.Stats().Keys
	b.ReportMetric(float64(live), "messages")
	b.ReportMetric(float64(k.Size())/float64(live), "B/message")
	b.ReportMetric(float64(took[len(took)*999/1000].Microseconds()), "µs-sender-p99.9")
	b.ReportMetric(float64(took[len(took)-1].Microseconds()), "µs-sender-max")
}
