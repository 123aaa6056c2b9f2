package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/byre-messenger/byre/bench/proc"
	"github.com/byre-messenger/byre/bench/several"
)

// line is one end of a pair, whatever the protocol. It is for one goroutine at
// a time, but for send and flush, which may come from another one than the rest.
type line interface {
	// send queues one message; the line keeps nothing of body.
	send(body []byte)
	// next waits for the next event.
	next() (event, error)
	// confirm queues the confirmation of an arrival.
	confirm(e event)
	// more reports whether the next event is here already.
	more() bool
	flush() error
	ending
}

// ending is how a line ends; both may come from any goroutine.
type ending interface {
	deadline(t time.Time)
	close()
}

// event is what a line has to tell: an answer to a message or an arrival.
type event struct {
	answer bool
	id     uint64 // of the answer or arrival, where the protocol has one
	body   []byte // of the arrival, valid until the next event
}

// stamp is what a message begins with: its number within its pair, and when it
// was sent, in nanoseconds of the run.
const stamp = 16

// pair is two lines: one sends to the other.
type pair struct {
	from, to line
	body     []byte

	sent, answered, arrived atomic.Int64
	times                   [2][]int64 // of saturation and of the paced run; the receiver's until it ends
}

// pattern drives pairs with a window of messages each, or at a steady pace, and
// checks that each message arrives once and in order.
type pattern struct {
	pairs  []*pair
	window int
	began  time.Time
	failed several.Failures

	phase    atomic.Int32 // index into times, -1: nothing is timed
	stopping atomic.Bool  // no new messages
	over     atomic.Bool  // the ends of connections are no errors
}

func newPattern(pairs []*pair, window int) *pattern {
	p := &pattern{pairs: pairs, window: window, began: machine.Now(), failed: several.NewFailures()}
	p.phase.Store(-1)
	return p
}

func (p *pattern) now() int64 { return int64(machine.Now().Sub(p.began)) }

// fail ends the run.
func (p *pattern) fail(err error) {
	if p.over.Load() {
		return
	}
	p.failed.Add(err)
	p.stopping.Store(true)
	p.hangUp()
}

// hangUp ends all connections; what readers then meet is no error.
func (p *pattern) hangUp() {
	p.over.Store(true)
	for _, q := range p.pairs {
		q.from.close()
		q.to.close()
	}
}

// send queues the pair's next message. One goroutine sends.
func (p *pattern) send(q *pair) {
	binary.BigEndian.PutUint64(q.body, uint64(q.sent.Add(1))) //nolint:gosec // counts
	binary.BigEndian.PutUint64(q.body[8:], uint64(p.now()))   //nolint:gosec // not negative
	q.from.send(q.body)
}

// saturate keeps the window of a pair full until the run stops.
func (p *pattern) saturate(q *pair) {
	for range p.window {
		p.send(q)
	}
	p.answers(q, func() { p.send(q) })
}

// answers reads a sender's answers, and calls again for each, until the run
// stops and all are there. Without again, somebody else sends, and it ends with
// the connection.
func (p *pattern) answers(q *pair, again func()) {
	var err error
	for waiting := false; err == nil; waiting = q.from.more() {
		if again != nil && !waiting {
			err = q.from.flush()
		}
		if again != nil && p.stopping.Load() && q.answered.Load() == q.sent.Load() {
			return
		}
		if err == nil {
			_, err = q.from.next()
		}
		if err != nil {
			break
		}
		q.answered.Add(1)
		if again != nil && !p.stopping.Load() {
			again()
		}
	}
	p.fail(fmt.Errorf("a sender: %w", err))
}

// receive takes what arrives until the connection ends.
func (p *pattern) receive(q *pair) {
	for {
		e, err := q.to.next()
		if err == nil && len(e.body) < stamp {
			err = errors.New("an empty message arrived")
		}
		if err != nil {
			p.fail(fmt.Errorf("a receiver: %w", err))
			return
		}
		n, at := binary.BigEndian.Uint64(e.body), int64(binary.BigEndian.Uint64(e.body[8:])) //nolint:gosec // written from an int64
		if want := uint64(q.arrived.Add(1)); n != want {                                     //nolint:gosec // a count
			p.fail(fmt.Errorf("message %d arrived where %d was due: something is lost, doubled or out of order", n, want))
			return
		}
		if phase := p.phase.Load(); phase >= 0 {
			q.times[phase] = append(q.times[phase], p.now()-at)
		}
		q.to.confirm(e)
		if !q.to.more() {
			if err := q.to.flush(); err != nil {
				p.fail(fmt.Errorf("a receiver: %w", err))
				return
			}
		}
	}
}

// confirmed counts messages that arrived and whose sender was told.
func (p *pattern) confirmed() (n int64) {
	for _, q := range p.pairs {
		n += min(q.answered.Load(), q.arrived.Load())
	}
	return n
}

// pacedRate is the load of the second latency figure, in messages per second.
const pacedRate = 500

// run measures for a duration at saturation, then for half of it at the paced
// rate, and writes both into r.
func (p *pattern) run(ctx context.Context, of *proc.Process, d time.Duration, r *result) error {
	defer p.hangUp()
	for _, q := range p.pairs {
		end := machine.Now().Add(2*d + patience)
		q.from.deadline(end)
		q.to.deadline(end)
	}
	var readers sync.WaitGroup
	for _, q := range p.pairs {
		readers.Go(func() { p.receive(q) })
	}
	err := p.saturated(ctx, of, d, r)
	if err == nil {
		for _, q := range p.pairs {
			// Answers are read so that none waits; the pace does not depend on them.
			readers.Go(func() { p.answers(q, nil) })
		}
		err = p.paced(ctx, d/2)
	}
	if err != nil {
		p.fail(err)
	}
	p.hangUp()
	readers.Wait()
	if err := p.failed.Err(); err != nil {
		return err
	}
	var times [2][]int64
	for _, q := range p.pairs {
		for i := range times {
			times[i] = append(times[i], q.times[i]...)
		}
	}
	r.OneWay, r.At500 = spread(times[0]), spread(times[1])
	return nil
}

// saturated measures with full windows.
func (p *pattern) saturated(ctx context.Context, of *proc.Process, d time.Duration, r *result) error {
	var senders sync.WaitGroup
	for _, q := range p.pairs {
		senders.Go(func() { p.saturate(q) })
	}
	r.tell("%d pairs, window %d", len(p.pairs), p.window)
	if err := machine.Sleep(ctx, min(2*time.Second, d/4)); err != nil { // until all are at it
		return err
	}
	m, err := proc.NewMeter(of)
	if err != nil {
		return err
	}
	before := p.confirmed()
	p.phase.Store(0)
	if err := machine.Sleep(ctx, d); err != nil {
		return err
	}
	p.phase.Store(-1)
	n := float64(p.confirmed() - before)
	u, err := m.Read()
	if err != nil {
		return err
	}
	p.stopping.Store(true)
	senders.Wait()
	if err := p.settled(ctx); err != nil {
		return err
	}
	r.ConfirmedPerS, r.ServerCPU, r.GeneratorCPU, r.Elsewhere = n/u.Seconds, u.Server/n*1e4, u.Generator/n*1e4, u.Elsewhere
	return nil
}

// paced measures latency at a steady pace, the pairs taking turns.
func (p *pattern) paced(ctx context.Context, d time.Duration) error {
	p.phase.Store(1)
	defer p.phase.Store(-1)
	if err := p.pace(ctx, d); err != nil {
		return err
	}
	return p.settled(ctx)
}

// pace sends at the paced rate.
func (p *pattern) pace(ctx context.Context, d time.Duration) error {
	start := machine.Now()
	for k := range int(d.Seconds() * pacedRate) {
		due := start.Add(time.Duration(k) * time.Second / pacedRate)
		if wait := due.Sub(machine.Now()); wait > 0 {
			if err := machine.Sleep(ctx, wait); err != nil {
				return err
			}
		}
		q := p.pairs[k%len(p.pairs)]
		p.send(q)
		if err := q.from.flush(); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until everything that was sent has arrived.
func (p *pattern) settled(ctx context.Context) error {
	for end := machine.Now().Add(patience); p.failed.Err() == nil; {
		missing := int64(0)
		for _, q := range p.pairs {
			missing += q.sent.Load() - min(q.arrived.Load(), q.answered.Load())
		}
		if missing == 0 {
			return nil
		}
		if machine.Now().After(end) {
			return fmt.Errorf("%d messages were sent and have not arrived", missing)
		}
		if err := machine.Sleep(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
	return p.failed.Err()
}
