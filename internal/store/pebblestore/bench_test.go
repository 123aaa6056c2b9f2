package pebblestore

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/byre-messenger/byre/internal/store"
)

// BenchmarkCommit compares commits of one 256-byte record by many writers:
// Pebble by itself with a sync each, plain, and guarded by the key's old value.
// docs/bench.md holds its figures.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{16, 64, 256} {
		b.Run(fmt.Sprintf("raw/%d", writers), func(b *testing.B) {
			many(b, writers, func(s *Store, key, val []byte, _ bool) error {
				p := s.db.NewBatch()
				defer func() { _ = p.Close() }()
				_ = p.Set(key, val, nil) // the error is always nil
				return s.db.Apply(p, pebble.Sync)
			})
		})
		b.Run(fmt.Sprintf("plain/%d", writers), func(b *testing.B) {
			many(b, writers, func(s *Store, key, val []byte, _ bool) error {
				var batch store.Batch
				batch.Set(key, val)
				return s.Commit(b.Context(), &batch)
			})
		})
		b.Run(fmt.Sprintf("guarded/%d", writers), func(b *testing.B) {
			many(b, writers, func(s *Store, key, val []byte, first bool) error {
				var batch store.Batch
				if first {
					batch.Require(key, nil)
				} else {
					batch.Require(key, val)
				}
				batch.Set(key, val)
				return s.Commit(b.Context(), &batch)
			})
		})
	}
}

// many lets writers commit on a new store, each to keys of its own, of which it
// writes each 64 times.
func many(b *testing.B, writers int, commit func(s *Store, key, val []byte, first bool) error) {
	b.Helper()
	s, err := Open(b.TempDir(), Options{Server: true})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var ids atomic.Uint64
	b.SetParallelism(writers / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		key, val := make([]byte, 24), make([]byte, 256)
		binary.BigEndian.PutUint64(key, ids.Add(1)*0x9e3779b97f4a7c15)
		for n := uint64(0); pb.Next(); n++ {
			binary.BigEndian.PutUint64(key[8:], n/64)
			if err := commit(s, key, val, n%64 == 0); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkView reads one record in a snapshot of its own.
func BenchmarkView(b *testing.B) {
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := set(s, "alice", "1"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		err := s.View(b.Context(), func(r store.Reader) error {
			_, _, err := r.Get([]byte("alice"))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
