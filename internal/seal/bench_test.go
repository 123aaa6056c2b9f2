package seal

import (
	"encoding/binary"
	"iter"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
)

var start = Mark{Wall: time.Date(2014, 10, 1, 0, 0, 0, 0, time.UTC)}

// fresh returns keys that can be sealed with.
func fresh(tb testing.TB) *Keys {
	tb.Helper()
	k, err := Recover(MaxRetention, secret.Bytes{}, start, none)
	if err != nil {
		tb.Fatal(err)
	}
	checkpoint(tb, k, start).Wipe()
	return k
}

func none(func(Held, error) bool) {}

var _ iter.Seq2[Held, error] = none

// checkpoint takes a snapshot, as if it had become durable.
func checkpoint(tb testing.TB, k *Keys, now Mark) secret.Bytes {
	tb.Helper()
	state, err := k.Snapshot(now)
	if err != nil {
		tb.Fatal(err)
	}
	k.Adopt()
	return state
}

func BenchmarkSealOpenForget(b *testing.B) {
	k := fresh(b)
	place, plain := []byte("place"), make([]byte, 300)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i++; i%MaxChain == 0 { // a chain is used up: the source has to step
			b.StopTimer()
			checkpoint(b, k, start)
			b.StartTimer()
		}
		h, c, err := k.Seal(Owner{1}, place, plain)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Open(Owner{1}, h, place, c); err != nil {
			b.Fatal(err)
		}
		k.Forget(Owner{1}, h)
	}
}

// waiting seals n records in each of owners mailboxes, hours apart.
func waiting(b *testing.B, k *Keys, owners, n int) [][]Handle {
	b.Helper()
	all := make([][]Handle, owners)
	for i := range n {
		for o := range owners {
			h, _, err := k.Seal(owner(o), nil, nil)
			if err != nil {
				b.Fatal(err)
			}
			all[o] = append(all[o], h)
		}
		now := start
		now.Elapsed = time.Duration(i+1) * time.Hour
		if i < 60 {
			checkpoint(b, k, now).Wipe()
		}
	}
	return all
}

func owner(i int) (o Owner) {
	// As an HMAC would spread them.
	binary.BigEndian.PutUint64(o[:], uint64(i)*0x9e3779b97f4a7c15)
	return o
}

func BenchmarkSnapshotOfAMillion(b *testing.B) {
	const owners, each = 20_000, 50
	for _, c := range []struct {
		name   string
		forget func(n int) bool
	}{
		{"in order", func(n int) bool { return n < 5 }},
		{"nearly", func(n int) bool { return n < 5 || n == 6 || n == 8 }},
		{"the newest withdrawn", func(n int) bool { return n == each-1 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			k := fresh(b)
			live := 0
			for o, hs := range waiting(b, k, owners, each) {
				for n, h := range hs {
					if c.forget(n) {
						k.Forget(owner(o), h)
					} else {
						live++
					}
				}
			}
			now := k.Mark()
			var size int
			for b.Loop() {
				state, err := k.Snapshot(now)
				if err != nil {
					b.Fatal(err)
				}
				size = state.Len()
				if _, err := NewCheckpoint(NewKey(), 1, state); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size)/float64(live), "B/message")
			b.ReportMetric(float64(live), "messages")
		})
	}
}

// BenchmarkRecoverAMillion is the start behind a crash: every key that is held
// is derived, and the first snapshot has them one by one.
func BenchmarkRecoverAMillion(b *testing.B) {
	const owners, each = 20_000, 50
	k := fresh(b)
	all := waiting(b, k, owners, each)
	state := checkpoint(b, k, k.Mark())
	held := func(yield func(Held, error) bool) {
		for o, hs := range all {
			for _, h := range hs {
				if !yield(Held{Owner: owner(o), Handle: h}, nil) {
					return
				}
			}
		}
	}
	var size int
	for b.Loop() {
		again, err := Recover(MaxRetention, state, k.Mark(), held)
		if err != nil {
			b.Fatal(err)
		}
		first, err := again.Snapshot(k.Mark())
		if err != nil {
			b.Fatal(err)
		}
		size = first.Len()
	}
	b.ReportMetric(float64(size)/(owners*each), "B/message")
}
