package limit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/relay/limit"
)

func TestBucket(t *testing.T) {
	rate := limit.Rate{Burst: 10, PerSecond: 2}
	now := time.Unix(1_800_000_000, 0)
	var b limit.Bucket
	take := func(n float64, ok bool, wait time.Duration) {
		t.Helper()
		if got, w := b.Take(now, rate, n); got != ok || w != wait {
			t.Errorf("Take(%v) = %v, %v; want %v, %v", n, got, w, ok, wait)
		}
	}
	take(10, true, 0)
	take(1, false, 500*time.Millisecond)
	now = now.Add(500 * time.Millisecond)
	take(1, true, 0)
	now = now.Add(time.Hour) // no more than the burst comes back
	take(10, true, 0)
	take(2, false, time.Second)
	now = now.Add(-time.Hour) // a clock set back gives nothing, and takes nothing
	take(2, false, time.Second)
	now = now.Add(2 * time.Hour)
	take(30, true, 0) // more than the burst is allowed once it is full, and owed
	now = now.Add(10 * time.Second)
	take(1, false, 500*time.Millisecond)
	now = now.Add(500 * time.Millisecond)
	take(1, true, 0)
}

func TestAskersDoNotShareABucket(t *testing.T) {
	b := limit.Buckets[string]{Rate: limit.Rate{Burst: 1, PerSecond: 1}}
	now := time.Unix(1_800_000_000, 0)
	for i := range 5000 { // full ones are dropped in between
		who := fmt.Sprint(i)
		if ok, _ := b.Take(now, who, 1); !ok {
			t.Fatalf("%s was refused", who)
		}
		if ok, _ := b.Take(now, who, 1); ok {
			t.Fatalf("%s took twice", who)
		}
		now = now.Add(time.Millisecond)
	}
}
