package client

import (
	"context"
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/wire"
)

// seenFor is how long an envelope is recognised: longer than the relay may keep
// it, so that one that comes twice never reaches MLS twice.
const seenFor = 96 * time.Hour

// seen recognises envelopes.
type seen struct {
	hashes map[[32]byte]struct{}
	order  []seenBatch // the oldest first
	next   uint64
}

type seenBatch struct {
	n      uint64
	at     time.Time
	hashes []byte
}

// firstTime reports whether an envelope comes for the first time, and notes it.
func (tx *txn) firstTime(b []byte) bool {
	h := envelope.Hash(b)
	if _, again := tx.seen.hashes[h]; again {
		return false
	}
	tx.seen.hashes[h] = struct{}{}
	tx.fresh = append(tx.fresh, h[:]...)
	return true
}

// saveSeen writes what came in this batch and forgets what is old.
func (tx *txn) saveSeen() {
	s := &tx.seen
	if len(tx.fresh) == 0 {
		return
	}
	k := tx.home.Key(home.Seen)
	tx.Put(k.At(s.next), &wire.SeenRecord{At: tx.now.UnixMilli(), Hashes: tx.fresh})
	s.order = append(s.order, seenBatch{s.next, tx.now, tx.fresh})
	s.next++
	old := 0
	for old < len(s.order) && tx.now.Sub(s.order[old].at) > seenFor {
		for h := s.order[old].hashes; len(h) >= 32; h = h[32:] {
			delete(s.hashes, [32]byte(h))
		}
		old++
	}
	if old > 0 {
		tx.DeleteBefore(k, s.order[old-1].n+1)
		s.order = s.order[old:]
	}
}

func (e *engine) loadSeen(ctx context.Context) error {
	for it, err := range e.home.From(ctx, e.home.Key(home.Seen), 0, 0) {
		if err != nil {
			return err
		}
		var rec wire.SeenRecord
		if err := rec.Parse(it.Record); err != nil {
			return errors.Join(home.ErrDamaged, err)
		}
		for h := rec.Hashes; len(h) >= 32; h = h[32:] {
			e.seen.hashes[[32]byte(h)] = struct{}{}
		}
		e.seen.order = append(e.seen.order, seenBatch{it.N, time.UnixMilli(rec.At), rec.Hashes})
		e.seen.next = it.N + 1
	}
	return nil
}
