package relay

import "sync/atomic"

// Status is what byred status shows of the relay: numbers alone. Live, Stored,
// Handshake, Acked and Expired count envelopes per device since the start.
type Status struct {
	// Connections are open now, SignedIn of them with a session.
	Connections int64 `json:"connections"`
	SignedIn    int64 `json:"signed_in"`
	// Live were confirmed without ever being stored.
	Live uint64 `json:"live"`
	// Stored are messages that were written (R4); Handshake is what changes a
	// room and is always written.
	Stored    uint64 `json:"stored"`
	Handshake uint64 `json:"handshake"`
	// Waiting are stored now, or on their way there, both classes;
	// OldestWaitingSeconds is how long the oldest has been, to the hour for
	// what an earlier process stored.
	Waiting              int64 `json:"waiting"`
	OldestWaitingSeconds int64 `json:"oldest_waiting_seconds"`
	// Acked were confirmed by their device, Expired were dropped unread.
	Acked   uint64 `json:"acked"`
	Expired uint64 `json:"expired"`
	// Withdrawn were taken back by their sender.
	Withdrawn uint64 `json:"withdrawn"`
	// Unanswered are in memory now, neither confirmed nor stored.
	Unanswered int64 `json:"unanswered"`
	// Destroyed are keys of what waited that were forgotten, and ShredLagSeconds
	// how long forgetting takes until nothing that is left opens what was
	// forgotten: the last time, or now if that is longer already.
	Destroyed       uint64  `json:"keys_destroyed"`
	ShredLagSeconds float64 `json:"shred_lag_seconds"`
}

// counters are the parts of a Status that events move.
type counters struct {
	connections, signedIn                   atomic.Int64
	opened                                  atomic.Uint64 // connections ever
	live, stored, handshake, acked, expired atomic.Uint64
	withdrawn                               atomic.Uint64
}
