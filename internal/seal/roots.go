package seal

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// segment is an hour of keys. Every record key is derived from the secret of the
// segment it was sealed in as well: when that goes, all of them are dead.
type segment struct {
	id     uint32
	opened time.Duration // elapsed then
	secret key

	// source is what chains begin at, nil where none begin any more. It steps
	// forward with every snapshot.
	step   uint16
	source *key
}

func (s *segment) wipe() {
	clear(s.secret[:])
	s.dry()
}

// dry ends the beginning of chains.
func (s *segment) dry() {
	if s.source != nil {
		clear(s.source[:])
		s.source = nil
	}
}

// roots are the segments that live. Its lock is taken after a shard's.
type roots struct {
	mu       sync.RWMutex
	mark     Mark
	segments []*segment // by number; looked through every few seconds
	nextID   uint32
	current  *segment // in which records are sealed; nil before the first checkpoint
	pending  *segment // becomes current when the checkpoint that has it is durable
	closed   bool
}

// segment is the living segment of a number, or nil.
func (r *roots) segment(id uint32) *segment {
	if i, ok := r.place(id); ok {
		return r.segments[i]
	}
	return nil
}

// add puts in a segment whose number is none of those there are.
func (r *roots) add(s *segment) {
	i, _ := r.place(s.id)
	r.segments = slices.Insert(r.segments, i, s)
}

func (r *roots) place(id uint32) (int, bool) {
	return slices.BinarySearchFunc(r.segments, id, func(s *segment, id uint32) int { return cmp.Compare(s.id, id) })
}

// stepLimit is the step of a source from which a new segment is asked for.
const stepLimit = 1 << 15

// Tick tells what time it is and destroys, in memory at once, every segment
// whose time has come. It returns how many went. A mark before one that was
// seen changes nothing.
func (k *Keys) Tick(now Mark) int {
	k.roots.mu.Lock()
	defer k.roots.mu.Unlock()
	gone := k.tick(now)
	if gone > 0 {
		k.changes.Add(1)
	}
	return gone
}

func (k *Keys) tick(now Mark) int {
	r := &k.roots
	if now.Elapsed < r.mark.Elapsed {
		return 0
	}
	r.mark = now
	before := len(r.segments)
	r.segments = slices.DeleteFunc(r.segments, func(s *segment) bool {
		if now.Elapsed-s.opened < k.retention-Ahead {
			return false
		}
		s.wipe()
		if s == r.current {
			r.current = nil
		}
		if s == r.pending {
			r.pending = nil
		}
		return true
	})
	return before - len(r.segments)
}

// turn steps the source, and opens a segment if it is time.
func (r *roots) turn() error {
	now := r.current
	if now != nil && now.source != nil {
		if now.step == 1<<16-1 {
			return ErrTurn
		}
		now.step++
		derive(now.source, now.source, labelTurn, nil)
	}
	switch {
	case r.pending != nil:
		// Its checkpoint failed, and nothing was sealed in it: it opens now.
		r.pending.opened = r.mark.Elapsed
	case r.due():
		r.pending = &segment{id: r.nextID, opened: r.mark.Elapsed, source: new(key)}
		random(&r.pending.secret)
		random(r.pending.source)
		r.add(r.pending)
		r.nextID++
	}
	return nil
}

// due reports whether a new segment has to be opened.
func (r *roots) due() bool {
	return !r.closed && (r.current == nil || r.mark.Elapsed-r.current.opened >= SegmentTime || r.current.step >= stepLimit)
}

// Due reports whether a checkpoint would change anything: something was
// forgotten or dropped since the last one that is durable, or the hour is over.
func (k *Keys) Due() bool {
	k.roots.mu.RLock()
	defer k.roots.mu.RUnlock()
	return k.changes.Load() != k.saved.Load() || k.roots.due()
}

// Mark returns the last mark it was told.
func (k *Keys) Mark() Mark {
	k.roots.mu.RLock()
	defer k.roots.mu.RUnlock()
	return k.roots.mark
}

// Adopt tells that the last snapshot is durable: what it opened may be used from
// now on. Whoever calls it makes sure that no older snapshot can be read again.
func (k *Keys) Adopt() {
	k.turning.Lock()
	defer k.turning.Unlock()
	k.saved.Store(k.begun.Load())
	r := &k.roots
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending != nil {
		if r.current != nil {
			r.current.dry()
		}
		r.current, r.pending = r.pending, nil
	}
}

// Close ends the sealing, for a last snapshot that knows how far each chain went
// and is small therefore. What lives still opens, and can be forgotten.
func (k *Keys) Close() {
	k.roots.mu.Lock()
	k.roots.closed = true
	k.roots.pending = nil
	k.roots.current = nil
	for _, s := range k.roots.segments {
		s.dry()
	}
	k.roots.mu.Unlock()
	for i := range k.shards {
		s := &k.shards[i]
		s.mu.Lock()
		for _, chains := range s.owners {
			for _, c := range chains {
				c.close()
			}
		}
		s.mu.Unlock()
	}
	k.changes.Add(1)
}
