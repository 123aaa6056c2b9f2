package vault

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
)

// Errors of [Start].
var (
	// ErrClock says that the clock is far ahead of what it was when the last
	// checkpoint was made. Nothing was changed. Either it is right, and then all
	// that waited is past its time: start with Confirmed. Or it is wrong.
	ErrClock = errors.New("the clock is more than 7 days ahead of when the server last ran, and what waits would be destroyed: set the clock right, or confirm it")
	// ErrLost says that there are keys in the vault but no checkpoint that opens
	// with them, or that there are none although something waits. Nothing was
	// changed. What waited can be opened no more: start with Discard.
	ErrLost = errors.New("what waits can't be opened, because the slots of the vault or the checkpoint of the keys are missing or damaged: put back the files of both as they were when the server ended, or give up what waits")
)

// Config is what a keeper stands on.
type Config struct {
	Vault       Vault
	Checkpoints Checkpoints
	Retention   time.Duration // between [seal.MinRetention] and [seal.MaxRetention]
	Wall        time.Time     // what the clock says at the start
	Confirmed   bool          // a clock that is far ahead is right
	Discard     bool          // what can't be opened is given up
}

// Keeper keeps the checkpoints of keys. It is safe for concurrent use.
type Keeper struct {
	mu          sync.Mutex
	vault       Vault
	checkpoints Checkpoints
	keys        *seal.Keys
	generation  uint64 // of the last whole checkpoint, 0: none
	size        int    // of its bytes
	mark        seal.Mark

	newKey func() secret.Bytes // [seal.NewKey], but in tests of what a bad one would do
}

// Start recovers the keys of what is held, and makes a first checkpoint: when it
// returns, keys can be sealed with, whatever was due is gone, and the last
// process's checkpoint opens no more. behind tells that the clock is behind what
// it was then.
//
// It reads, decides, and then does what every checkpoint does. A crash within it
// leaves what a crash within [Keeper.Checkpoint] leaves.
func Start(c Config, held iter.Seq2[seal.Held, error]) (k *Keeper, keys *seal.Keys, behind bool, err error) {
	return start(c, held, seal.NewKey)
}

func start(c Config, held iter.Seq2[seal.Held, error], newKey func() secret.Bytes) (*Keeper, *seal.Keys, bool, error) {
	k := &Keeper{vault: c.Vault, checkpoints: c.Checkpoints, newKey: newKey}
	// 1. The highest generation that is whole.
	state, err := k.latest(c.Discard)
	if err != nil {
		return nil, nil, false, err
	}
	defer state.Wipe()
	// 2. What time it is. Nothing is destroyed by a clock that is far ahead.
	last, err := seal.ReadMark(state)
	if err != nil {
		return nil, nil, false, fmt.Errorf("recover keys: %w", err)
	}
	now, verdict := last.Resume(c.Wall, c.Confirmed)
	if verdict == seal.Confirm {
		return nil, nil, false, ErrClock
	}
	// 3. What is due is dropped, and what is held is kept. Where nothing is left
	// to keep it with, somebody has to say that it may go: a vault that was not
	// mounted looks like an empty one.
	waits := false
	if k.keys, err = seal.Recover(c.Retention, state, now, noting(held, &waits)); err != nil {
		return nil, nil, false, fmt.Errorf("recover keys: %w", err)
	}
	if waits && state.Len() == 0 && c.Vault.Class().Durable && !c.Discard {
		return nil, nil, false, ErrLost
	}
	// 4. From here as in every hour.
	if err := k.Checkpoint(now); err != nil {
		return nil, nil, false, err
	}
	return k, k.keys, verdict == seal.Behind, nil
}

// noting is held, and sets some once it yields something.
func noting(held iter.Seq2[seal.Held, error], some *bool) iter.Seq2[seal.Held, error] {
	return func(yield func(seal.Held, error) bool) {
		for h, err := range held {
			*some = *some || err == nil
			if !yield(h, err) {
				return
			}
		}
	}
}

// latest returns the snapshot of the highest generation that is whole, and notes
// that generation; empty if there is none.
func (k *Keeper) latest(discard bool) (secret.Bytes, error) {
	slots, err := k.vault.Slots()
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("read the vault: %w", err)
	}
	slices.SortFunc(slots, func(a, b Slot) int { return cmp.Compare(b.Generation, a.Generation) })
	for _, s := range slots {
		sealed, err := k.checkpoints.Read(s.Generation)
		if err != nil {
			return secret.Bytes{}, fmt.Errorf("read checkpoint: %w", err)
		}
		state, err := seal.OpenCheckpoint(s.Key, s.Generation, sealed)
		s.Key.Wipe()
		if err == nil {
			k.generation = s.Generation
			return state, nil
		}
		if !errors.Is(err, seal.ErrDamaged) {
			return secret.Bytes{}, fmt.Errorf("read checkpoint: %w", err)
		}
	}
	switch {
	case len(slots) == 0, len(slots) == 1 && slots[0].Generation == 1:
		// Nothing, or a first start that was interrupted.
		return secret.Bytes{}, nil
	case discard:
		k.generation = slots[0].Generation
		return secret.Bytes{}, nil
	default:
		return secret.Bytes{}, ErrLost
	}
}

// Checkpoint makes true what was forgotten before the call: when it returns nil,
// nothing of that opens with anything that can still be read. Sealing and opening
// go on meanwhile. After an error the one before still stands; it may be called
// again.
//
// Call t the last whole generation.
func (k *Keeper) Checkpoint(now seal.Mark) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	// 1. The snapshot is taken; the source steps. A crash here leaves t, from
	// which everything opens that was sealed since: the source of t derives
	// those after it.
	state, err := k.keys.Snapshot(now)
	if err != nil {
		return fmt.Errorf("snapshot of the keys: %w", err)
	}
	defer state.Wipe()
	t := k.generation
	next := Slot{t + 1, k.newKey()}
	defer next.Key.Wipe()
	// 2. Slot t+1 becomes durable, over what is left of t-1.
	// Z1: the slot. A crash before it or behind it leaves t: no checkpoint opens
	// with the new key.
	if err := k.vault.Write(next); err != nil {
		return fmt.Errorf("write to the vault: %w", err)
	}
	// 3. Checkpoint t+1 becomes durable, and is read again.
	// Z2: the checkpoint. A crash before it leaves t, one behind it t+1 and t;
	// the higher one counts.
	sealed, err := seal.NewCheckpoint(next.Key, next.Generation, state)
	if err != nil {
		return fmt.Errorf("seal checkpoint: %w", err)
	}
	if err := k.checkpoints.Write(next.Generation, sealed); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	if there, err := k.checkpoints.Read(next.Generation); err != nil || !bytes.Equal(there, sealed) {
		return fmt.Errorf("write checkpoint: what was written is not what is read (%w)", errors.Join(err, seal.ErrDamaged))
	}
	k.generation, k.size, k.mark = next.Generation, len(sealed), now
	// 4. Slot t is erased. If that fails, the next checkpoint overwrites it.
	// Z3: that it is gone. A crash before it leaves t+1 and t, one behind it t+1
	// alone.
	if err := k.vault.Erase(t); err != nil {
		return fmt.Errorf("erase in the vault: %w", err)
	}
	// 5. Segment and source of t+1 may be used.
	k.keys.Adopt()
	return nil
}

// Mark is the mark of the last checkpoint.
func (k *Keeper) Mark() seal.Mark {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mark
}

// Size is how many bytes the last checkpoint has.
func (k *Keeper) Size() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.size
}

// Close ends the sealing and makes a last checkpoint.
func (k *Keeper) Close(now seal.Mark) error {
	k.keys.Close()
	return k.Checkpoint(now)
}
