package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/byre-messenger/byre/bench/proc"
	"github.com/byre-messenger/byre/bench/several"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	storeSenders  = 20
	storeAway     = 1_000
	storeMessages = 50_000
)

// storeAndForward is W2: messages for devices that are away are made durable,
// then the devices come and fetch them.
func storeAndForward(ctx context.Context, o options, r *result) error {
	n := or(o.n, storeMessages)
	away := min(storeAway, max(1, n/50))
	t, devices, err := serve(ctx, o, storeSenders+away)
	if err != nil {
		return err
	}
	b := newBoxes(devices[storeSenders:])
	err = b.measureEnqueue(ctx, t, devices[:storeSenders], n, r)
	if err == nil {
		err = b.measureDrain(ctx, t, r)
	}
	return errors.Join(err, t.stop())
}

// boxes are devices that are away, and what was sent to each.
type boxes struct {
	devices []*device
	sent    []atomic.Int64 // by device: sent and answered as stored
}

func newBoxes(devices []*device) *boxes {
	return &boxes{devices: devices, sent: make([]atomic.Int64, len(devices))}
}

// label is what an envelope to a device that is away begins with: the sender,
// and its number among those of this sender to this device, from 1.
const label = 16

// measureEnqueue sends n messages and waits for all to be stored.
func (b *boxes) measureEnqueue(ctx context.Context, t *target, senders []*device, n int, r *result) error {
	conns, err := connectAll(ctx, t, senders)
	if err != nil {
		return err
	}
	defer hangUp(conns)
	var before int64
	if t.proc != nil {
		if before, err = proc.DiskUse(filepath.Join(t.data, "relay")); err != nil {
			return err
		}
	}
	r.tell("%d messages to %d devices that are away", n, len(b.devices))
	m, err := proc.NewMeter(t.proc)
	if err != nil {
		return err
	}
	failed := several.NewFailures()
	var wg sync.WaitGroup
	for i, c := range conns {
		share := n / len(conns)
		if i < n%len(conns) {
			share++
		}
		wg.Go(func() { failed.Add(b.post(c, i, share, len(conns))) })
	}
	wg.Wait()
	if err := failed.Err(); err != nil {
		return err
	}
	u, err := m.Read()
	if err != nil {
		return err
	}
	total := float64(n)
	r.EnqueuePerS, r.EnqueueCPU, r.Elsewhere = total/u.Seconds, u.Server/total*1e4, u.Elsewhere
	if t.proc == nil {
		return nil
	}
	waiting, err := t.waiting(ctx)
	if err == nil && waiting != int64(n) {
		err = fmt.Errorf("%d messages were stored and %d wait", n, waiting)
	}
	if err != nil {
		return err
	}
	after, err := proc.DiskUse(filepath.Join(t.data, "relay"))
	r.DiskPerMessage = float64(after-before) / total
	return err
}

// post sends one sender's share, a window at a time, to the devices in turn.
func (b *boxes) post(c *conn, from, share, senders int) error {
	c.deadline(machine.Now().Add(2 * time.Minute))
	body, send := make([]byte, envelopeSize), wire.Send{Targets: make([]wire.Target, 1)}
	count := make([]uint64, len(b.devices)) // by device
	open, posted, answered := map[uint64]int{}, 0, 0
	for answered < share {
		for len(open) < windowSize && posted < share {
			to := (from*len(b.devices)/senders + posted) % len(b.devices) // each begins elsewhere
			count[to]++
			binary.BigEndian.PutUint64(body, uint64(from)) //nolint:gosec // a count
			binary.BigEndian.PutUint64(body[8:], count[to])
			send.Envelope, send.Targets[0] = body, b.devices[to].target()
			open[c.post(&send)] = to
			posted++
		}
		if err := c.flush(); err != nil {
			return err
		}
		for again := true; again; again = c.more() {
			id, err := stored(c)
			if err != nil {
				return err
			}
			to, ok := open[id]
			if !ok {
				return errors.New("an answer came twice")
			}
			delete(open, id)
			b.sent[to].Add(1)
			answered++
		}
	}
	return nil
}

// stored waits for the answer to a message that was made durable, and returns
// its request.
func stored(c *conn) (uint64, error) {
	for {
		var f wire.Frame
		if err := c.read(&f); err != nil {
			return 0, fmt.Errorf("a sender: %w", err)
		}
		r, ok := f.Body.(*wire.Response)
		if !ok {
			continue
		}
		sent, ok := r.Body.(*wire.Sent)
		if !ok || len(sent.Outcomes) != 1 || sent.Outcomes[0].Outcome != wire.OutcomeStored {
			return 0, fmt.Errorf("a message was answered %v, not as stored", r.Body)
		}
		return r.Id, nil
	}
}

// measureDrain has all devices come and fetch what waits for them. Connections
// are open before it begins: it is the sign-in that brings the messages.
func (b *boxes) measureDrain(ctx context.Context, t *target, r *result) error {
	conns, err := dialAll(ctx, t, len(b.devices))
	if err != nil {
		return err
	}
	defer hangUp(conns)
	m, err := proc.NewMeter(t.proc)
	if err != nil {
		return err
	}
	failed := several.NewFailures()
	var wg sync.WaitGroup
	var fetched atomic.Int64
	for i, c := range conns {
		wg.Go(func() {
			n, err := b.fetch(c, i)
			fetched.Add(int64(n))
			failed.Add(err)
		})
	}
	wg.Wait()
	if err := failed.Err(); err != nil {
		return err
	}
	u, err := m.Read()
	if err != nil {
		return err
	}
	n := float64(fetched.Load())
	r.DrainPerS, r.DrainCPU = n/u.Seconds, u.Server/n*1e4
	return forgotten(ctx, t)
}

// forgotten waits until the relay has taken all confirmations.
func forgotten(ctx context.Context, t *target) error {
	for end := machine.Now().Add(patience); ; {
		left, err := t.waiting(ctx)
		if err != nil || left <= 0 {
			return err
		}
		if machine.Now().After(end) {
			return fmt.Errorf("%d messages were confirmed and still wait", left)
		}
		if err := machine.Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// fetch signs a device in, takes all that waits for it and confirms it; what
// came must be exactly what was sent.
func (b *boxes) fetch(c *conn, i int) (int, error) {
	c.deadline(machine.Now().Add(2 * time.Minute))
	if _, err := c.signIn(b.devices[i]); err != nil {
		return 0, err
	}
	last := map[uint64]uint64{} // by sender
	got := 0
	err := take(c, func(body []byte) error {
		from, n := binary.BigEndian.Uint64(body), binary.BigEndian.Uint64(body[8:])
		if n != last[from]+1 {
			return fmt.Errorf("message %d of a sender came where %d was due", n, last[from]+1)
		}
		last[from] = n
		got++
		return nil
	})
	if sent := int(b.sent[i].Load()); err == nil && got != sent {
		err = fmt.Errorf("a device fetched %d messages of %d", got, sent)
	}
	return got, err
}

// take hands over what is delivered, confirming as it goes, until the relay says
// that nothing waits any more.
func take(c *conn, each func(body []byte) error) error {
	var ack wire.Ack
	for {
		var f wire.Frame
		if err := c.read(&f); err != nil {
			return fmt.Errorf("a receiver: %w", err)
		}
		p, ok := f.Body.(*wire.Push)
		if !ok {
			continue
		}
		switch m := p.Body.(type) {
		case *wire.Deliver:
			if m.N != ack.N+1 || len(m.Envelope) < label {
				return fmt.Errorf("delivery %d came where %d was due", m.N, ack.N+1)
			}
			if err := each(m.Envelope); err != nil {
				return err
			}
			ack.N = m.N
			if !c.more() {
				c.request(0, &ack)
			}
		case *wire.Drained:
			if ack.N > 0 {
				c.request(0, &ack)
			}
			return c.flush()
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
}
