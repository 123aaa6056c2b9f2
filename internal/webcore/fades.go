package webcore

import (
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/ident"
)

// Pauses between looks at a message that is still there when its time should be
// over: it runs from when it was shown or sent, which may be later than the
// message tells.
const (
	firstLook = time.Second
	lastLook  = time.Minute
)

// fades looks at messages that disappear when their time is over: the client
// deletes them by itself, and tells nobody. It is safe for concurrent use.
type fades struct {
	clock clock.Clock
	// over looks at a message, and reports whether there is nothing more to look at.
	over func(ident.MessageID) bool

	mu    sync.Mutex
	due   map[ident.MessageID]fade
	next  time.Time   // when it looks; zero: never
	stop  func() bool // of the timer
	ended bool
}

// fade is when a message is looked at, and the pause after that.
type fade struct {
	at    time.Time
	pause time.Duration
}

// watch looks after a message that a screen may show.
func (f *fades) watch(m told.Message) {
	if m.Disappears == 0 || m.Deleted {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.due[m.ID]; ok || f.ended {
		return
	}
	if f.due == nil {
		f.due = map[ident.MessageID]fade{}
	}
	at := m.ReadAt.Add(m.Disappears)
	f.due[m.ID] = fade{at, firstLook}
	if f.next.IsZero() || at.Before(f.next) {
		f.plan(at)
	}
}

// begun looks after a message whose time begins now.
func (f *fades) begun(m told.Message) {
	f.mu.Lock()
	delete(f.due, m.ID)
	f.mu.Unlock()
	m.ReadAt = f.clock.Now()
	f.watch(m)
}

// plan looks again at a time. The caller has the lock.
func (f *fades) plan(at time.Time) {
	if f.stop != nil {
		f.stop()
	}
	f.next = at
	f.stop = f.clock.AfterFunc(max(at.Sub(f.clock.Now()), 0), f.look)
}

// look looks at all whose time should be over.
func (f *fades) look() {
	now := f.clock.Now()
	for _, id := range f.late(now) {
		over := f.over(id)
		f.mu.Lock()
		if x, ok := f.due[id]; over {
			delete(f.due, id)
		} else if ok {
			f.due[id] = fade{now.Add(x.pause), min(2*x.pause, lastLook)}
		}
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = time.Time{}
	for _, x := range f.due {
		if f.next.IsZero() || x.at.Before(f.next) {
			f.next = x.at
		}
	}
	if !f.next.IsZero() && !f.ended {
		f.plan(f.next)
	}
}

func (f *fades) late(now time.Time) (ids []ident.MessageID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, x := range f.due {
		if !x.at.After(now) {
			ids = append(ids, id)
		}
	}
	return ids
}

// end looks no more.
func (f *fades) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended = true; f.stop != nil {
		f.stop()
	}
}
