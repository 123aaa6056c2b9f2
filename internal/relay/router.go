package relay

import (
	"sync"

	"github.com/byre-messenger/byre/internal/relay/mailbox"
)

// router finds the mailbox of a device. There is one implementation, a map of
// all mailboxes of this process; with several processes one would lease parts
// of the mailboxes and pass the rest on (DESIGN 11). It is safe for concurrent
// use.
type router interface {
	// find returns a mailbox and pins it, and makes it if it is not in memory;
	// the caller unpins it.
	find(tag mailbox.Tag) *box
	// all calls fn for every mailbox in memory, each pinned meanwhile.
	all(fn func(*box))
	// release unpins a mailbox, and lets go of it at once if there is no such
	// device: strangers' guesses must not fill the memory.
	release(b *box)
	// evict lets go of mailboxes that nobody has pinned and that hold nothing.
	evict()
}

// local is the map of all mailboxes in memory.
type local struct {
	relay *Relay
	parts [64]struct {
		mu    sync.RWMutex
		boxes map[mailbox.Tag]*box
	}
}

func (l *local) find(tag mailbox.Tag) *box {
	p := &l.parts[int(tag[0])%len(l.parts)]
	p.mu.RLock()
	b := p.boxes[tag]
	if b != nil {
		b.pin()
	}
	p.mu.RUnlock()
	if b != nil {
		return b
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if b = p.boxes[tag]; b == nil {
		if p.boxes == nil {
			p.boxes = map[mailbox.Tag]*box{}
		}
		b = &box{relay: l.relay, tag: tag}
		p.boxes[tag] = b
	}
	b.pin()
	return b
}

func (l *local) all(fn func(*box)) {
	for i := range l.parts {
		p := &l.parts[i]
		p.mu.RLock()
		boxes := make([]*box, 0, len(p.boxes))
		for _, b := range p.boxes {
			b.pin()
			boxes = append(boxes, b)
		}
		p.mu.RUnlock()
		for _, b := range boxes {
			fn(b)
			b.unpin()
		}
	}
}

func (l *local) release(b *box) {
	b.mu.Lock()
	known := b.known
	b.mu.Unlock()
	b.unpin()
	if known {
		return
	}
	p := &l.parts[int(b.tag[0])%len(l.parts)]
	p.mu.Lock()
	defer p.mu.Unlock()
	// As in evict; it may have become known meanwhile.
	if p.boxes[b.tag] == b && b.pins.Load() == 0 && !b.known && b.mb.Idle() {
		delete(p.boxes, b.tag)
	}
}

func (l *local) evict() {
	for i := range l.parts {
		p := &l.parts[i]
		p.mu.Lock()
		for tag, b := range p.boxes {
			// Nobody can pin it while the part is locked, and whoever uses it
			// has it pinned.
			if b.pins.Load() == 0 && b.mb.Idle() {
				delete(p.boxes, tag)
			}
		}
		p.mu.Unlock()
	}
}
