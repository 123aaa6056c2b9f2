// Package steady is the time by which epoch logs end and used handles are
// forgotten: it goes on as the relay's running time does, over the ends of
// processes as the clock says, and no clock that is set makes it go back or leap
// ([seal.Mark]). It tells the true time where the clock always did.
package steady

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/store"
)

// Time is steady time in one process. It is safe for concurrent use.
type Time struct {
	store store.Store
	keys  *atrest.Keys
	start seal.Mark     // of this process; its Elapsed counts from 1970
	from  time.Duration // what the caller counted then

	mu   sync.Mutex
	kept time.Time // what the store has
}

// size is that of the record in plain: the time (8) and what the clock said then
// (8), unix milliseconds, big-endian.
const size = 8 + 8

// Start reads how late it was when the store was last used, and adds what has gone
// by since, as now's wall says: not a leap of more than [seal.MaxJump] unless that
// is confirmed. Where nothing stands yet it is as late as the wall says.
func Start(ctx context.Context, s store.Store, keys *atrest.Keys, now seal.Mark, confirmed bool) (*Time, error) {
	t := &Time{store: s, keys: keys, from: now.Elapsed}
	last := seal.Mark{Elapsed: time.Duration(now.Wall.UnixNano()), Wall: now.Wall}
	err := s.View(ctx, func(r store.Reader) error {
		val, ok, err := r.Get(key)
		if err != nil || !ok {
			return err
		}
		plain, err := keys.Open(key, val)
		if err == nil && len(plain) != size {
			err = atrest.ErrDamaged
		}
		if err == nil {
			last.Elapsed = time.Duration(binary.BigEndian.Uint64(plain)) * time.Millisecond //nolint:gosec // after 1970
			last.Wall = time.UnixMilli(int64(binary.BigEndian.Uint64(plain[8:])))           //nolint:gosec // written from an int64
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read how late it is: %w", err)
	}
	var verdict seal.Verdict
	if t.start, verdict = last.Resume(now.Wall, confirmed); verdict == seal.Confirm {
		t.start.Elapsed += seal.MarkTime // as if the clock were behind: nothing ends by it
	}
	return t, nil
}

var key = atrest.Key(atrest.Late)

// At is the time at a mark of the same process.
func (t *Time) At(now seal.Mark) time.Time {
	return time.Unix(0, int64(t.start.Elapsed+now.Elapsed-t.from))
}

// keepEvery is how often the time is written. A clock that was set hides no more
// than that of the time before a start; what goes by it has 30 days.
const keepEvery = 24 * time.Hour

// Keep makes the time of a mark durable, at its first call and once a day.
func (t *Time) Keep(ctx context.Context, now seal.Mark) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.At(now)
	if at.Sub(t.kept) < keepEvery {
		return nil
	}
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, size), uint64(at.UnixMilli()))
	plain = binary.BigEndian.AppendUint64(plain, uint64(now.Wall.UnixMilli()))
	var b store.Batch
	b.Set(key, t.keys.Seal(key, plain))
	// L3: how late it is. A crash before it leaves what it was a day ago, from
	// which the next start goes on by the clock.
	if err := t.store.Commit(ctx, &b); err != nil {
		return fmt.Errorf("write how late it is: %w", err)
	}
	t.kept = at
	return nil
}
