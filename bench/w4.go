package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/byre-messenger/byre/bench/several"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	killedMessages = 2_000
	killedAway     = 50
	killedRounds   = 5
)

// killed is W4: byred is killed (SIGKILL) in the moment in which an answer comes,
// with the senders' windows full. After a restart the devices fetch what waits:
// what was answered must all be there, and nothing twice.
func killed(ctx context.Context, o options, r *result) error {
	n := or(o.n, killedMessages)
	t, devices, err := serve(ctx, o, storeSenders+killedAway)
	if err != nil {
		return err
	}
	k := &killing{t: t, senders: devices[:storeSenders], away: devices[storeSenders:], r: r, fates: map[mark]*fate{}}
	for round := range killedRounds {
		if err == nil {
			err = k.round(ctx, max(1, n*(round+1)/(killedRounds*(killedRounds+1)/2)))
		}
	}
	if err == nil {
		k.count()
	}
	return errors.Join(err, t.stop())
}

// mark names one message.
type mark struct{ sender, n uint64 }

// fate is what became of a message.
type fate struct {
	answered bool
	arrived  int
}

// killing is a run of W4.
type killing struct {
	t             *target
	senders, away []*device
	r             *result
	next          uint64 // of the marks; each round has its own

	mu    sync.Mutex
	fates map[mark]*fate
}

// round sends until n answers came, kills byred, and starts it again.
func (k *killing) round(ctx context.Context, n int) error {
	conns, err := connectAll(ctx, k.t, k.senders)
	if err != nil {
		return err
	}
	defer hangUp(conns)
	var answers atomic.Int64
	kill := make(chan struct{})
	var wg sync.WaitGroup
	failed := several.NewFailures()
	for i, c := range conns {
		c.deadline(machine.Now().Add(patience))
		wg.Go(func() {
			err := k.post(c, uint64(i), func() { //nolint:gosec // an index
				if answers.Add(1) == int64(n) {
					close(kill)
				}
			})
			select {
			case <-kill: // that the connection ends is what was asked for
			default:
				failed.Add(err)
				hangUp(conns)
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	select {
	case <-kill:
	case <-ended:
		return fmt.Errorf("the senders ended before the kill: %w", failed.Err())
	}
	if err := k.t.proc.Stop(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill byred: %w", err)
	}
	<-ended
	k.next += 1 << 32
	if err := k.t.start(ctx); err != nil {
		return fmt.Errorf("after kill -9: %w", err)
	}
	return k.fetch(ctx)
}

// post keeps a window of messages to the devices that are away, until the
// connection ends.
func (k *killing) post(c *conn, from uint64, answered func()) error {
	body, send := make([]byte, envelopeSize), wire.Send{Targets: make([]wire.Target, 1)}
	open := map[uint64]*fate{}
	for n := k.next; ; {
		for ; len(open) < windowSize; n++ {
			f := &fate{}
			k.mu.Lock()
			k.fates[mark{from, n}] = f
			k.mu.Unlock()
			binary.BigEndian.PutUint64(body, from)
			binary.BigEndian.PutUint64(body[8:], n)
			send.Envelope, send.Targets[0] = body, k.away[n%uint64(len(k.away))].target()
			open[c.post(&send)] = f
		}
		if err := c.flush(); err != nil {
			return err
		}
		for again := true; again; again = c.more() {
			id, err := stored(c)
			if err != nil {
				return err
			}
			f := open[id]
			if f == nil {
				return errors.New("an answer came twice")
			}
			delete(open, id)
			k.mu.Lock()
			f.answered = true
			k.mu.Unlock()
			answered()
		}
	}
}

// fetch has all devices come and take what waits. What was sent and not
// answered may be there or not, but not twice.
func (k *killing) fetch(ctx context.Context) error {
	return several.Do(len(k.away), dialers, func(i int) error {
		c, err := dial(ctx, k.t, dialOptions{})
		if err != nil {
			return err
		}
		defer c.close()
		c.deadline(machine.Now().Add(patience))
		waiting, err := c.signIn(k.away[i])
		if err != nil {
			return err
		}
		got := 0
		err = take(c, func(body []byte) error {
			got++
			m := mark{binary.BigEndian.Uint64(body), binary.BigEndian.Uint64(body[8:])}
			k.mu.Lock()
			defer k.mu.Unlock()
			f := k.fates[m]
			if f == nil {
				return errors.New("a message arrived that nobody sent")
			}
			f.arrived++
			return nil
		})
		if err == nil && got != waiting {
			err = fmt.Errorf("%d messages were announced and %d came", waiting, got)
		}
		if err != nil {
			return err
		}
		// The confirmation must have been taken before the next kill, or what it
		// confirms comes again: an answer behind it shows that.
		_, err = c.ask(&wire.ReadHeld{})
		return err
	})
}

// count judges all rounds.
func (k *killing) count() {
	lost, doubled := 0, 0
	for _, f := range k.fates {
		if f.answered {
			k.r.Answered++
			if f.arrived == 0 {
				lost++
			}
		}
		if f.arrived > 1 {
			doubled++
		}
	}
	k.r.Lost, k.r.Doubled = &lost, &doubled
	k.r.tell("%d messages sent in %d rounds, %d of them answered", len(k.fates), killedRounds, k.r.Answered)
}
