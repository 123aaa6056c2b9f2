package sealer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/vault"
)

// CheckpointTime is how often [Chained.Run] makes a checkpoint while something
// was forgotten: the shred lag is at most that and the time of writing one.
const CheckpointTime = 5 * time.Second

// ChainedConfig is what a chained sealer stands on. Wall is its own to fill in.
type ChainedConfig struct {
	vault.Config

	Clock clock.Clock
	// ShredLag, unless nil, is told after each checkpoint how long the first of
	// what was forgotten had waited for it.
	ShredLag func(time.Duration)
	// Leapt, unless nil, is told when the clock leapt ahead by more than is
	// believed.
	Leapt func()
	// Failed, unless nil, is told of each checkpoint that failed. It is made
	// again after [CheckpointTime].
	Failed func(error)
}

// Chained is the sealer whose keys are chains that a vault lets be forgotten
// (docs/spec/seal.md). What it forgot is gone from memory at once and from
// everywhere with the next checkpoint.
type Chained struct {
	config ChainedConfig
	keys   *seal.Keys
	keeper *vault.Keeper

	time sync.Mutex
	seen time.Duration // how long the clock had run at mark
	mark seal.Mark

	turning sync.Mutex   // held by who makes a checkpoint because it needs one
	since   atomic.Int64 // unix nanoseconds of the first forgetting since the last checkpoint began, 0: none
	lag     atomic.Int64 // nanoseconds: of the last checkpoint that destroyed keys

	destroyed atomic.Uint64
}

var _ Sealer = (*Chained)(nil)

// NewChained recovers the keys of what the store holds, drops what is due, and
// makes a first checkpoint. behind tells that the clock is behind what it was
// when the last process ran. Errors are those of [vault.Start]. Afterwards
// somebody calls [Chained.Run], and [Chained.Close] at the end.
func NewChained(c ChainedConfig, held iter.Seq2[seal.Held, error]) (s *Chained, behind bool, err error) {
	s = &Chained{config: c, seen: c.Clock.Ran()}
	c.Wall = c.Clock.Now()
	if s.keeper, s.keys, behind, err = vault.Start(c.Config, held); err != nil {
		return nil, false, fmt.Errorf("keys of what waits: %w", err)
	}
	s.mark = s.keys.Mark()
	return s, behind, nil
}

// Class says what the vault survives; if it is not durable, nothing is stored
// that a sender may forget.
func (s *Chained) Class() vault.Class { return s.config.Vault.Class() }

// Stats count what lives, and the bytes of the last checkpoint.
type Stats struct {
	seal.Stats

	CheckpointBytes int
}

// Stats counts what lives.
func (s *Chained) Stats() Stats { return Stats{s.keys.Stats(), s.keeper.Size()} }

// SealIn implements [Sealer].
func (s *Chained) SealIn(owner Owner, key, record []byte) (uint64, error) {
	h, err := s.keys.SealIn(owner, key, record)
	if errors.Is(err, seal.ErrTurn) {
		h, err = s.sealNext(owner, key, record)
	}
	if err != nil {
		return 0, fmt.Errorf("seal: %w", err)
	}
	return uint64(h), nil
}

// sealNext seals behind a checkpoint, which it makes unless somebody else has.
func (s *Chained) sealNext(owner Owner, key, record []byte) (seal.Handle, error) {
	s.turning.Lock()
	defer s.turning.Unlock()
	h, err := s.keys.SealIn(owner, key, record)
	if !errors.Is(err, seal.ErrTurn) {
		return h, err
	}
	if err := s.checkpoint(s.Now()); err != nil {
		return 0, err
	}
	return s.keys.SealIn(owner, key, record)
}

// Open implements [Sealer].
func (s *Chained) Open(owner Owner, handle uint64, key, ciphertext []byte) ([]byte, error) {
	plain, err := s.keys.Open(owner, seal.Handle(handle), key, ciphertext)
	switch {
	case errors.Is(err, seal.ErrForgotten):
		return nil, ErrForgotten
	case err != nil:
		return nil, atrest.ErrDamaged
	}
	return plain, nil
}

// Forget implements [Sealer]. It may be called before the commit that deletes
// the records: what a crash leaves of them has no key and is dropped, or has it
// still and is delivered again.
func (s *Chained) Forget(owner Owner, handles []uint64) {
	hs := make([]seal.Handle, len(handles))
	for i, h := range handles {
		hs[i] = seal.Handle(h)
	}
	gone := s.keys.Forget(owner, hs...)
	if gone > 0 && s.since.Load() == 0 {
		s.since.CompareAndSwap(0, s.config.Clock.Now().UnixNano())
	}
	s.destroyed.Add(uint64(gone)) //nolint:gosec // a count
}

// Oldest implements [Sealer]. It looks what time it is: a machine that slept wakes
// up with keys that are past their time, and nobody may be given what they open.
func (s *Chained) Oldest() uint32 {
	s.keys.Tick(s.Now())
	return s.keys.Oldest()
}

// Durable implements [Sealer].
func (s *Chained) Durable() bool { return s.Class().Durable }

// Destroyed is how many keys were forgotten since the start.
func (s *Chained) Destroyed() uint64 { return s.destroyed.Load() }

// Lag is the shred lag as it stands: that of the last checkpoint, or how long
// what was forgotten waits for the next, whichever is longer.
func (s *Chained) Lag() time.Duration {
	lag := time.Duration(s.lag.Load())
	if since := s.since.Load(); since != 0 {
		lag = max(lag, s.config.Clock.Now().Sub(time.Unix(0, since)))
	}
	return lag
}

// Run makes checkpoints until ctx ends: when something was forgotten, when an
// hour is over, when segments died, and each minute for the time's sake.
func (s *Chained) Run(ctx context.Context) {
	for s.config.Clock.Sleep(ctx, CheckpointTime) == nil {
		now := s.Now()
		dropped := s.keys.Tick(now)
		if dropped == 0 && !s.keys.Due() && now.Elapsed-s.keeper.Mark().Elapsed < seal.MarkTime {
			continue
		}
		if err := s.checkpoint(now); err != nil && s.config.Failed != nil {
			s.config.Failed(err)
		}
	}
}

// Close ends the sealing and makes a last checkpoint, from which the next
// process starts with few bytes.
func (s *Chained) Close() error {
	if err := s.keeper.Close(s.Now()); err != nil {
		return fmt.Errorf("last checkpoint: %w", err)
	}
	return nil
}

func (s *Chained) checkpoint(now seal.Mark) error {
	since := s.since.Swap(0)
	if err := s.keeper.Checkpoint(now); err != nil {
		if since != 0 {
			s.since.Store(since) // it goes on waiting
		}
		return err
	}
	if since != 0 {
		lag := s.config.Clock.Now().Sub(time.Unix(0, since))
		if s.lag.Store(int64(lag)); s.config.ShredLag != nil {
			s.config.ShredLag(lag)
		}
	}
	return nil
}

// Now returns the present mark. It counts running time, so that setting the
// clock changes nothing.
func (s *Chained) Now() seal.Mark {
	s.time.Lock()
	defer s.time.Unlock()
	wall, at := s.config.Clock.Now(), s.config.Clock.Ran()
	if s.mark.Leapt(at-s.seen, wall) && s.config.Leapt != nil {
		s.config.Leapt()
	}
	s.mark = s.mark.Later(at-s.seen, wall)
	s.seen = at
	return s.mark
}
