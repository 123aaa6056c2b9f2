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
	"fmt"
	"hash/maphash"
	"iter"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/calm"
	"github.com/byre-messenger/byre/internal/relay/directory"
	"github.com/byre-messenger/byre/internal/relay/epochlog"
	"github.com/byre-messenger/byre/internal/relay/gate"
	"github.com/byre-messenger/byre/internal/relay/limit"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/relay/meeting"
	"github.com/byre-messenger/byre/internal/relay/rush"
	"github.com/byre-messenger/byre/internal/relay/sealer"
	"github.com/byre-messenger/byre/internal/relay/steady"
	"github.com/byre-messenger/byre/internal/relay/task"
	"github.com/byre-messenger/byre/internal/relay/timer"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/wire"
)

// Relay is one relay on one store. It is safe for concurrent use.
type Relay struct {
	cfg       Config
	serverKey []byte // public
	directory directory.Directory
	records   mailbox.Records
	epochs    epochlog.Log
	keys      *sealer.Chained // of what waits
	time      *steady.Time    // by which epochs end
	router    router
	commits   committer
	timers    *timer.Timers
	work      task.Group
	counters  counters
	memory    atomic.Int64 // bytes of envelopes that are in memory alone

	// life ends with Run.
	life context.Context
	end  context.CancelFunc

	// Limits by account, in memory alone.
	sends   limit.Buckets[ident.AccountID]
	appends limit.Buckets[ident.AccountID]
	entries limit.Buckets[entryBy] // by account
	firsts  limit.Buckets[entryBy] // by device
	claims  limit.Buckets[claimBy]
	knocks  limit.Buckets[knock]
	// commitBytes bounds what an account's commits take of the disk.
	commitBytes limit.Buckets[ident.AccountID]
	newcomers   rush.Count
	places      meeting.Places
	seed        maphash.Seed // of the numbers that stand for senders

	mu       sync.Mutex
	sessions map[*Session]struct{}
	gate     gate.Gate  // frames that are handled are inside
	hour     int64      // of the last sweep; only sweep uses it
	oldest   uint32     // segment of keys at the last sweep; only sweep uses it
	calm     calm.Watch // only Run uses it
}

// New reads what waits in the store, drops what is past its time, and returns
// a relay on it. It starts nothing that stays: [Relay.Run] does.
func New(ctx context.Context, cfg Config) (*Relay, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	l := cfg.Limits
	r := &Relay{
		cfg:       cfg,
		serverKey: cfg.ServerKey.Public(),
		directory: directory.Directory{Store: cfg.Store, Keys: cfg.Keys},
		records:   mailbox.Records{Store: cfg.Store, Keys: cfg.Keys},
		epochs:    epochlog.Log{Store: cfg.Store, Keys: cfg.Keys, Retention: cfg.Retention},
		timers:    timer.New(),
		sends:     limit.Buckets[ident.AccountID]{Rate: limit.Rate{Burst: float64(l.SendBytes), PerSecond: float64(l.SendBytesPerSecond)}},
		appends:   limit.Buckets[ident.AccountID]{Rate: appendRate},
		entries:   limit.Buckets[entryBy]{Rate: limit.Rate{Burst: entriesByAccount, PerSecond: entriesByAccount / cfg.Retention.Seconds()}},
		firsts:    limit.Buckets[entryBy]{Rate: limit.Rate{Burst: 1, PerSecond: 1 / cfg.Retention.Seconds()}},
		claims:    limit.Buckets[claimBy]{Rate: claimRate},
		knocks:    limit.Buckets[knock]{Rate: knockRate},
		// What an account may hold in commits is at most twice this.
		commitBytes: limit.Buckets[ident.AccountID]{Rate: limit.Rate{Burst: float64(l.CommitBytes), PerSecond: float64(l.CommitBytes) / cfg.Retention.Seconds()}},
		seed:        maphash.MakeSeed(),
		sessions:    map[*Session]struct{}{},
	}
	r.router = &local{relay: r}
	r.commits.relay = r
	r.life, r.end = context.WithCancel(context.WithoutCancel(ctx))
	err := r.unlock(ctx)
	if err == nil {
		// Before it serves, nothing older than the bound is left (R2).
		if err = r.sweep(ctx); err == nil {
			err = r.work.Wait(ctx)
		}
	}
	if err != nil {
		r.end()
		return nil, fmt.Errorf("start the relay: %w", err)
	}
	return r, nil
}

// unlock recovers the keys of what the store holds, and fills the mailboxes.
func (r *Relay) unlock(ctx context.Context) error {
	c := r.cfg.Vault
	c.Retention = r.cfg.Retention
	keys, behind, err := sealer.NewChained(sealer.ChainedConfig{
		Config: c, Clock: r.cfg.Clock, ShredLag: r.cfg.ShredLag,
		Leapt: func() {
			r.cfg.Log.WarnContext(ctx, "the clock leapt ahead by more than 7 days while the server ran; nothing is destroyed by that, and what waits is dropped when the server has run for as long as it may wait: look at the clock")
		},
		Failed: func(err error) {
			r.cfg.Log.ErrorContext(ctx, "what was forgotten waits to be destroyed", slog.Any("err", err))
		},
	}, r.waits(ctx))
	if err != nil {
		return err
	}
	if behind {
		r.cfg.Log.WarnContext(ctx, "the clock is behind what it was when the server last ran; what waits may live for longer by that, look at the clock")
	}
	r.keys, r.records.Sealer, r.epochs.Sealer = keys, keys, keys
	r.time, err = steady.Start(ctx, r.cfg.Store, r.cfg.Keys, keys.Now(), c.Confirmed)
	return err
}

// waits reads the store once: it yields the place of every key of what waits, and
// puts what waits into the mailboxes.
func (r *Relay) waits(ctx context.Context) iter.Seq2[seal.Held, error] {
	return func(yield func(seal.Held, error) bool) {
		more := true
		tell := func(tag sealer.Owner, handle uint64, segment uint32) bool {
			more = more && yield(seal.Held{Owner: tag, Handle: seal.Handle(handle), Segment: segment}, nil)
			return more
		}
		err := r.records.Restore(ctx,
			func(tag mailbox.Tag, rec mailbox.Record, size int) {
				r.restore(tag).Restore(rec, size)
				tell(tag, rec.Handle, rec.Segment)
			},
			func(tag mailbox.Tag, g mailbox.Gap) { r.restore(tag).RestoreGap(g) })
		if err == nil {
			err = r.epochs.Held(ctx, tell)
		}
		if err != nil && more {
			yield(seal.Held{}, err)
		}
	}
}

// restore returns a mailbox to fill, before anybody else knows of the relay.
func (r *Relay) restore(tag mailbox.Tag) *mailbox.Mailbox {
	b := r.router.find(tag)
	b.unpin()
	return &b.mb
}

// Run does what happens by itself: timeouts, expiry, and checkpoints of the keys
// of what waits. It returns when ctx ends, and the relay has then ended too and
// uses store and vault no more: what was neither confirmed nor stored is as after
// a crash, unless [Relay.Drain] came before. It is called once.
func (r *Relay) Run(ctx context.Context) {
	defer r.end()
	var wg sync.WaitGroup
	wg.Go(func() { r.timers.Run(ctx, r.cfg.Clock) })
	wg.Go(func() { r.keys.Run(ctx) })
	for r.cfg.Clock.Sleep(ctx, sealer.CheckpointTime) == nil {
		if err := r.sweep(ctx); err != nil && ctx.Err() == nil {
			r.cfg.Log.ErrorContext(ctx, "what expired can't be dropped", slog.Any("err", err))
		}
		r.places.Tick(r.cfg.Clock.Ran())
		if r.calm.Look(r.counters.opened.Load()) {
			debug.FreeOSMemory() // hundredths of a second for ten thousand sessions
		}
	}
	wg.Wait()
	r.end()
	_ = r.work.Wait(context.WithoutCancel(ctx)) // commits and loads under way; none waits any more
	if err := r.keys.Close(); err != nil {
		r.cfg.Log.ErrorContext(ctx, "the last checkpoint of the keys failed: what was confirmed since the one before may be delivered again", slog.Any("err", err))
	}
}

// sweep drops what expired: when an hour of keys has died, and once an hour for
// the epochs, all of which end at full hours, a little ahead of the bound (R2).
func (r *Relay) sweep(ctx context.Context) error {
	mark, oldest := r.keys.Now(), r.keys.Oldest()
	now := r.time.At(mark).Add(seal.Ahead)
	hour := now.Unix() / 3600
	if hour == r.hour && oldest == r.oldest {
		return nil
	}
	r.router.all((*box).expire)
	r.router.evict()
	if err := r.epochs.Sweep(ctx, now); err != nil {
		return err
	}
	r.hour, r.oldest = hour, oldest
	return r.time.Keep(ctx, mark)
}

// expire drops what has waited for the retention time.
func (b *box) expire() {
	b.with(func(m *mailbox.Mailbox, fx mailbox.Effects) {
		n := m.Expire(b.relay.cfg.Clock.Now(), b.relay.keys.Oldest(), fx)
		b.relay.counters.expired.Add(uint64(n)) //nolint:gosec // a count
	})
}

// logFailure notes that the store failed a request. Its errors name no account,
// device or envelope.
func (r *Relay) logFailure(err error) {
	r.cfg.Log.Error("a request failed", slog.Any("err", err))
}

func (r *Relay) countStored(c wire.Class) {
	if c == wire.ClassHandshake {
		r.counters.handshake.Add(1)
	} else {
		r.counters.stored.Add(1)
	}
}

// Status returns the counters as they stand.
func (r *Relay) Status() Status {
	s := Status{
		Connections: r.counters.connections.Load(), SignedIn: r.counters.signedIn.Load(),
		Live: r.counters.live.Load(), Stored: r.counters.stored.Load(), Handshake: r.counters.handshake.Load(),
		Acked: r.counters.acked.Load(), Expired: r.counters.expired.Load(), Withdrawn: r.counters.withdrawn.Load(),
	}
	oldest := int64(0)
	r.router.all(func(b *box) {
		b.mu.Lock()
		sum := b.mb.Summary()
		b.mu.Unlock()
		s.Waiting += int64(sum.OnDisk)
		s.Unanswered += int64(sum.Held)
		if sum.OnDisk > 0 && (oldest == 0 || sum.Oldest < oldest) {
			oldest = sum.Oldest
		}
	})
	s.Destroyed, s.ShredLagSeconds = r.keys.Destroyed(), r.keys.Lag().Seconds()
	if oldest > 0 {
		s.OldestWaitingSeconds = max(0, r.cfg.Clock.Now().Unix()-oldest/1000)
	}
	return s
}

// Drain ends the relay's service in order: it takes no more requests, seals and
// stores what devices have not confirmed, answers those senders, and closes the
// sessions. It returns ctx's error if that did not come to an end before ctx
// did; what is then unanswered is not lost, its senders send it again.
func (r *Relay) Drain(ctx context.Context) error {
	r.gate.Shut()
	r.router.all(func(b *box) {
		b.with(func(m *mailbox.Mailbox, fx mailbox.Effects) { m.Stop(fx) })
	})
	err := r.work.Wait(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.sessions {
		s.end(Stopping)
	}
	if err != nil {
		return fmt.Errorf("drain the relay: %w", err)
	}
	return nil
}
