package pebblestore

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// start ends an Open that would never end. Pebble writes out what the log holds
// while it opens, and where that fails, on a full disk say, it tries again
// without a pause or an end. Once it is open such an error is no more than a
// complaint: commits find out about the disk for themselves.
type start struct {
	mu     *sync.Mutex
	over   bool       // under mu
	failed chan error // holds the first complaint before that
}

func newStart() start { return start{mu: new(sync.Mutex), failed: make(chan error, 1)} }

// open opens Pebble, or returns its first complaint. What it then leaves behind
// stands still and keeps its files open until the process ends.
func (s *start) open(dir string, o *pebble.Options) (*pebble.DB, error) {
	type result struct {
		db  *pebble.DB
		err error
	}
	opened := make(chan result, 1)
	go func() {
		db, err := pebble.Open(dir, o)
		opened <- result{db, err}
	}()
	select {
	case r := <-opened:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.over = true
		select {
		case err := <-s.failed:
			return nil, err
		default:
			return r.db, r.err
		}
	case err := <-s.failed:
		return nil, err
	}
}

// complain is where Pebble's background work stops for good if it fails before
// the store is open.
func (s *start) complain(err error) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	select {
	case s.failed <- err:
	default:
	}
	s.mu.Unlock()
	select {}
}
