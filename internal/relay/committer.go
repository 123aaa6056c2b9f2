package relay

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/store"
)

// op is what a mailbox wants written: flights stored, or records forgotten.
type op struct {
	box    *box // pinned until the op is done
	store  []*mailbox.Flight
	sealed []mailbox.Sealed // of store, sealed once, however often it is written
	forget mailbox.Forgetting
}

// committer writes for many mailboxes at a time. Each mailbox belongs to one
// lane; a lane writes everything asked for meanwhile in one commit, in order,
// and lanes share the engine's flush. While one commit is written a lane seals
// what is asked for next. A lane that has nothing to do has no goroutine.
type committer struct {
	relay *Relay
	lanes [8]lane
}

type lane struct {
	mu      sync.Mutex
	queue   []*op
	running bool
	more    chan struct{} // of 1: something was queued while running
}

// Bounds of one commit. A single op may go past them; it has at most 4 MiB.
const (
	maxCommitOps   = 512
	maxCommitBytes = 8 << 20
)

// patience is how long a lane waits between tries of a commit before it gives
// its stores up; giving up is OUTCOME_UNKNOWN to the senders.
var patience = []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second}

// add queues an op behind those of the same mailbox.
func (c *committer) add(o op) {
	o.box.pin()
	l := &c.lanes[int(o.box.tag[0])%len(c.lanes)]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, &o)
	if !l.running {
		l.running, l.more = true, make(chan struct{}, 1)
		c.relay.work.Go(func() { c.run(l) })
	}
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// run writes until the lane's queue is empty.
func (c *committer) run(l *lane) {
	for {
		ops := l.take()
		if ops == nil {
			return
		}
		err := c.commit(l, ops)
		if err == nil {
			c.settle(ops, nil)
			continue
		}
		c.relay.cfg.Log.Error("a commit failed", slog.Any("err", err), slog.Int("n", len(ops)))
		// What could not be stored is told so, and its records are forgotten in
		// case they are there after all. What could not be forgotten stays at
		// the front: a crash leaves it to be delivered again, which devices
		// notice, or to expire.
		l.mu.Lock()
		var again []*op
		for _, o := range ops {
			if o.store == nil {
				again = append(again, o)
			}
		}
		l.queue = append(again, l.queue...)
		l.mu.Unlock()
		c.settle(ops, err)
		if c.relay.cfg.Clock.Sleep(c.relay.life, time.Second) != nil {
			return // the relay has ended
		}
	}
}

// take returns the next ops of a commit, or nil and the lane stops.
func (l *lane) take() []*op {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.fits()
	if n == 0 {
		l.running, l.queue = false, nil
		return nil
	}
	ops := l.queue[:n:n]
	l.queue = l.queue[n:]
	return ops
}

// fits is how many ops of the queue go into one commit; l.mu is held.
func (l *lane) fits() int {
	n, bytes := 0, 0
	for n < len(l.queue) && n < maxCommitOps && bytes < maxCommitBytes {
		for _, f := range l.queue[n].store {
			bytes += len(f.Envelope)
		}
		n++
	}
	return n
}

// seal seals what an op stores, once.
func (c *committer) seal(o *op) error {
	for _, f := range o.store[len(o.sealed):] {
		s, err := c.relay.records.Seal(o.box.tag, f)
		if err != nil {
			return err
		}
		o.sealed = append(o.sealed, s)
	}
	return nil
}

// sealAhead seals what the next commit will write, until the present one is
// written. What can't be sealed is tried again, and its failure told, in its turn.
func (c *committer) sealAhead(l *lane, written <-chan error) {
	l.mu.Lock()
	ops := slices.Clone(l.queue[:l.fits()])
	l.mu.Unlock()
	for _, o := range ops {
		if len(written) > 0 || c.seal(o) != nil {
			return
		}
	}
}

// commit writes ops whole or not at all, and seals what waits behind them
// meanwhile.
func (c *committer) commit(l *lane, ops []*op) error {
	var b store.Batch
	for _, o := range ops {
		if err := c.seal(o); err != nil {
			return err
		}
		for _, s := range o.sealed {
			c.relay.records.Put(&b, s)
		}
		if o.store == nil {
			c.relay.records.Delete(&b, o.box.tag, o.forget)
		}
	}
	written := make(chan error, 1)
	go func() { written <- c.write(&b) }()
	for {
		select {
		case err := <-written:
			return err
		case <-l.more:
			c.sealAhead(l, written)
		}
	}
}

// write commits a batch, in a few tries. Repeating after an unknown outcome is
// safe without a guard: the lane alone writes these keys, nothing comes between
// two tries, and they write the same.
func (c *committer) write(b *store.Batch) error {
	// M1, stores: a crash before this commit loses what nobody was told is
	// stored; one behind it leaves it stored, told or not.
	// M2, what is forgotten: a crash before this commit delivers again what was
	// confirmed if the keys' last checkpoint was before, and tells a gap that was
	// acknowledged; one behind it changes nothing.
	err := c.relay.cfg.Store.Commit(context.WithoutCancel(c.relay.life), b)
	for _, d := range patience {
		if err == nil || c.relay.cfg.Clock.Sleep(c.relay.life, d) != nil {
			break
		}
		err = c.relay.cfg.Store.Commit(context.WithoutCancel(c.relay.life), b)
	}
	return err
}

// settle tells the mailboxes what became of ops.
func (c *committer) settle(ops []*op, err error) {
	for _, o := range ops {
		if o.store == nil {
			if err == nil {
				if o.forget.Then != nil {
					o.forget.Then()
				}
				o.box.unpin()
			}
			continue
		}
		o.box.stored(o.store, o.sealed, err)
		o.box.unpin()
	}
}
