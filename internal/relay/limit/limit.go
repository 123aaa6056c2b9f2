// Package limit bounds what one asker may have in a time. It is pure: the time
// is given to it.
package limit

import (
	"math"
	"sync"
	"time"
)

// Rate is a bucket: Burst may be taken at once, and PerSecond come back.
type Rate struct {
	Burst, PerSecond float64
}

// Bucket is how much one asker has left. Its zero value is full. It is for one
// goroutine at a time.
type Bucket struct {
	spent float64
	at    time.Time // when spent was right
}

// Take takes n, or nothing if there is less; then it tells how long to wait. A
// take of more than the burst needs a full bucket and leaves a debt.
func (b *Bucket) Take(now time.Time, r Rate, n float64) (ok bool, wait time.Duration) {
	b.drain(now, r)
	if need := b.spent + math.Min(n, r.Burst) - r.Burst; need > 0 {
		return false, time.Duration(math.Ceil(need / r.PerSecond * float64(time.Second)))
	}
	b.spent += n
	return true, 0
}

// full reports whether everything has come back.
func (b *Bucket) full(now time.Time, r Rate) bool {
	b.drain(now, r)
	return b.spent == 0
}

func (b *Bucket) drain(now time.Time, r Rate) {
	if d := now.Sub(b.at); d > 0 {
		b.spent = math.Max(0, b.spent-d.Seconds()*r.PerSecond)
		b.at = now
	}
}

// Give puts n back that was taken and not used.
func (b *Bucket) Give(n float64) { b.spent = math.Max(0, b.spent-n) }

// Buckets are buckets by asker. They are in memory alone, and full ones are
// dropped. It is safe for concurrent use.
type Buckets[K comparable] struct {
	Rate Rate

	mu  sync.Mutex
	by  map[K]*Bucket
	due int // size of by at which full ones are looked for
}

// Take takes n from the bucket of an asker.
func (b *Buckets[K]) Take(now time.Time, who K, n float64) (ok bool, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.by == nil {
		b.by, b.due = map[K]*Bucket{}, 1024
	}
	if len(b.by) >= b.due {
		for k, bucket := range b.by {
			if bucket.full(now, b.Rate) {
				delete(b.by, k)
			}
		}
		b.due = max(1024, 2*len(b.by))
	}
	bucket := b.by[who]
	if bucket == nil {
		bucket = &Bucket{}
		b.by[who] = bucket
	}
	return bucket.Take(now, b.Rate, n)
}

// Give puts n back into the bucket of an asker.
func (b *Buckets[K]) Give(who K, n float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bucket := b.by[who]; bucket != nil {
		bucket.Give(n)
	}
}
