// Package store is byre's one way to keep records: an ordered key-value space
// with guarded, atomic, group-flushed commits.
//
// The contract is small enough to hold over three engines of different make:
// Pebble on servers and native clients, IndexedDB in browsers, and PostgreSQL
// later. It is written down in [Store], [Reader] and [Batch], and the suite in
// storetest holds every engine to it. Whoever needs to read before writing
// uses [Update].
//
// An engine deletes nothing for good: what must become unreadable is sealed
// under a key that is destroyed (package seal).
package store

import (
	"context"
	"errors"
	"iter"
)

// Limits of what an engine takes, in bytes. They are the smallest that all
// engines share, with room; a batch beyond them is refused before anything is
// written.
const (
	MaxKey   = 1 << 10  // longest key; the empty key is refused
	MaxValue = 16 << 20 // longest value; the empty value is a value
	MaxBatch = 64 << 20 // keys and values of one batch, its guards included
)

var (
	// ErrConflict says that a guard of the batch did not hold. Nothing was
	// written, and what broke the guard is durable: it may be told to others.
	ErrConflict = errors.New("store: a required key has changed")
	// ErrClosed says that the store was closed before the call.
	ErrClosed = errors.New("store: closed")
	// ErrFailed says that the disk failed in a way after which nothing may be
	// promised. The store answers it from then on; only opening it anew, which
	// reads back what is durable, helps.
	ErrFailed = errors.New("store: the disk failed, restart to continue")
)

// Store is an ordered key-value space. Keys are ordered by their bytes. It is
// safe for concurrent use.
type Store interface {
	// View calls fn once with one snapshot of the store and returns fn's error.
	// The snapshot holds whole commits only, all that returned before View was
	// called, and perhaps some not yet answered: what fn saw may be undone by a
	// crash until a Commit that follows succeeds. fn must not call the store,
	// and should not wait: an engine may hold commits back while it runs.
	View(ctx context.Context, fn func(Reader) error) error

	// Commit writes b whole or not at all.
	//
	//	nil          b is applied and durable. With b.Lazy it is applied and
	//	             ordered, but a crash may undo it together with all that
	//	             followed.
	//	ErrConflict  a guard did not hold: nothing is written, and what broke
	//	             it is durable.
	//	ErrClosed    nothing is written.
	//	others       the outcome is unknown, unless b is beyond the limits or
	//	             ctx had ended before the call: then nothing is written. An
	//	             unknown outcome may be repeated only under a guard.
	//
	// No commit is durable before one it has seen, be it through a View, a
	// guard or the order of calls. A batch without writes that is not lazy
	// makes durable what its guards and all earlier Views saw.
	//
	// ctx is looked at before the start. Once under way, an engine may finish
	// first. Commit keeps nothing of b, which must not be changed meanwhile.
	Commit(ctx context.Context, b *Batch) error

	// Close waits for calls under way, makes lazy commits durable and gives the
	// store back. Every later call answers ErrClosed; so does a second Close.
	Close() error
}

// Reader reads one snapshot. It and all slices it hands out are valid inside
// the function given to View only, and the slices must not be changed. It is
// for one goroutine. Its errors end the View: they are ctx's or the disk's.
type Reader interface {
	// Get returns the value of key; ok says whether there is one. A value that
	// is present is never nil, be it empty.
	Get(key []byte) (val []byte, ok bool, err error)

	// Scan yields the records with from <= key < to in ascending order, at
	// most limit of them. A nil from begins at the first key, a nil to ends
	// behind the last, a limit of 0 or less means no limit. An error is yielded
	// last, with an empty KV.
	Scan(from, to []byte, limit int) iter.Seq2[KV, error]
}

// KV is a record.
type KV struct{ Key, Val []byte }

// Update reads and writes as if nobody else did. It calls fn with a snapshot
// and an empty batch, makes a guard of every Get, commits, and calls fn again
// if a guard did not hold: fn must be safe to repeat. An error of fn ends
// Update and nothing is written; others are Commit's. When Update returns nil,
// what fn read and what it wrote is durable, be it that it wrote nothing.
//
// fn does not see its own writes. Scans are not guarded: where the records of a
// range matter, Get a version key that every writer of the range Sets.
func Update(ctx context.Context, s Store, fn func(r Reader, b *Batch) error) error {
	var b Batch
	for {
		err := s.View(ctx, func(r Reader) error {
			b.Reset()
			return fn(guarding{r, &b}, &b)
		})
		if err != nil {
			return err
		}
		// A conflict means that somebody else's commit went through, so that
		// the whole makes progress. ErrConflict waits for that commit to be
		// durable, which is pause enough between two tries.
		if err = s.Commit(ctx, &b); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// guarding is a Reader whose Gets become guards of b.
type guarding struct {
	Reader

	b *Batch
}

func (g guarding) Get(key []byte) (val []byte, ok bool, err error) {
	val, ok, err = g.Reader.Get(key)
	if err == nil {
		// A present value is never nil, so nil means absent on both sides.
		g.b.Require(key, val)
	}
	return val, ok, err
}

// PrefixEnd returns the end of the range of all keys that begin with prefix,
// for Scan and DeleteRange. It is nil, the end of the store, if prefix is empty
// or all 0xff.
func PrefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}
