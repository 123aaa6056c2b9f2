package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// envelopeSize is the size class of a message of 300 bytes: the relay takes
	// no other between 256 and this.
	envelopeSize = 1 << 10
	windowSize   = 16
	pairCount    = 50
)

// online is W1. A message is confirmed when its receiver has acknowledged it and
// the relay has therefore told the sender that it was delivered live.
func online(ctx context.Context, o options, r *result) error {
	n := or(o.n, pairCount)
	t, devices, err := serve(ctx, o, 2*n)
	if err != nil {
		return err
	}
	var pairs []*pair
	for i := range n {
		a, b := devices[2*i], devices[2*i+1]
		from, err1 := connect(ctx, t, a, dialOptions{})
		to, err2 := connect(ctx, t, b, dialOptions{})
		if err = errors.Join(err1, err2); err != nil {
			break
		}
		if err = to.drained(); err != nil {
			break
		}
		pairs = append(pairs, &pair{from: newSender(from, b), to: &receiver{conn: to}, body: make([]byte, envelopeSize)})
	}
	if err == nil {
		err = newPattern(pairs, windowSize).run(ctx, t.proc, o.duration, r)
	}
	if err = errors.Join(err, t.stop()); err != nil || o.beside == "" {
		return err
	}
	r.Mosquitto = &result{Workload: "mosquitto", Commit: r.Commit, CPUs: r.CPUs, progress: r.progress}
	if err := mosquitto(ctx, o, r.Mosquitto); err != nil {
		return fmt.Errorf("mosquitto: %w", err)
	}
	r.TimesMosquitto = r.ConfirmedPerS / r.Mosquitto.ConfirmedPerS
	return nil
}

// sender sends envelopes to one device.
type sender struct {
	*conn

	body wire.Send
	want wire.Outcome
	open [1 << 10]atomic.Bool // by id: sent and not answered
	in   wire.Frame
}

func newSender(c *conn, to *device) *sender {
	return &sender{conn: c, body: wire.Send{Targets: []wire.Target{to.target()}}, want: wire.OutcomeLive}
}

func (s *sender) send(body []byte) {
	s.body.Envelope = body
	s.open[(s.nextID+1)%uint64(len(s.open))].Store(true)
	s.post(&s.body)
}

func (s *sender) next() (event, error) {
	for {
		if err := s.read(&s.in); err != nil {
			return event{}, err
		}
		r, ok := s.in.Body.(*wire.Response)
		if !ok {
			continue // Drained, of its own sign-in
		}
		sent, ok := r.Body.(*wire.Sent)
		if f, refused := r.Body.(*wire.Failure); refused {
			return event{}, fmt.Errorf("a message was refused: %s", f.Text)
		}
		if !ok || len(sent.Outcomes) != 1 || sent.Outcomes[0].Outcome != s.want {
			return event{}, fmt.Errorf("a message was answered %v, not %d", r.Body, s.want)
		}
		if s.open[r.Id%uint64(len(s.open))].Swap(false) {
			return event{answer: true, id: r.Id}, nil
		}
		return event{}, errors.New("an answer came twice")
	}
}

func (*sender) confirm(event) {}

func (c *conn) deadline(t time.Time) { _ = c.tls.SetReadDeadline(t) }

// receiver takes envelopes and acknowledges each. One Ack may confirm many, but
// devices and MQTT confirm one by one, so this does.
type receiver struct {
	*conn

	in    wire.Frame
	ack   wire.Ack
	total uint64
}

func (*receiver) send([]byte) {}

func (r *receiver) next() (event, error) {
	for {
		if err := r.read(&r.in); err != nil {
			return event{}, err
		}
		p, ok := r.in.Body.(*wire.Push)
		if !ok {
			continue
		}
		d, ok := p.Body.(*wire.Deliver)
		if !ok {
			continue
		}
		if r.total++; d.N != r.total {
			return event{}, fmt.Errorf("delivery %d came where %d was due", d.N, r.total)
		}
		return event{id: d.N, body: d.Envelope}, nil
	}
}

func (r *receiver) confirm(e event) {
	r.ack.N = e.id
	r.request(0, &r.ack)
}
