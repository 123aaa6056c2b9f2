package client

import (
	"context"
	"time"
)

// shredAfter is how long keys that were used up wait for others to be destroyed
// with them.
const shredAfter = 5 * time.Second

// shredding is when keys are destroyed next.
type shredding struct {
	planned bool // a timer runs
	now     bool // before the batch is answered
}

// shred destroys the keys that batches spoilt: before this one is answered where
// a person deleted something, else soon.
func (e *engine) shred() error {
	if e.shredding.now {
		e.shredding.now = false
		return e.home.Shred(context.Background())
	}
	if !e.shredding.planned && e.home.Stale() {
		e.shredding.planned = true
		e.clock.AfterFunc(shredAfter, func() {
			e.post(func(tx *txn) error {
				tx.shredding = shredding{now: true}
				return nil
			})
		})
	}
	return nil
}
