// Package meeting is where two devices meet that have only a code in common: the
// places of linking (ADR 43). A device that is signed in opens a place, one that
// nobody knows goes there, and what either writes stands there for the other.
// What it is, is not told apart: every message has one size.
//
// All of it is in memory alone, for six minutes of running time at most, which is
// handed in; there is no I/O here.
package meeting

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/limit"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// PlaceSize is what a place is named by, in bytes; it follows from the code
	// (docs/spec/linking.md).
	PlaceSize = 32
	// MessageSize is the size of every message, in bytes.
	MessageSize = 2048
	slots       = 6
)

// Limits, with docs/operate/limits.md.
const (
	// Lifetime is how long a place stands, from when it was first opened, and how
	// long a connection may stay without a sign-in that has met one.
	Lifetime = 6 * time.Minute
	// maxPlaces is how many places there are at a time: 13 MiB with their heads.
	maxPlaces = 1_024
	// maxOfAccount is how many of them one account may have.
	maxOfAccount = 3
	// maxMet is how many places a connection without sign-in may meet.
	maxMet = 4
	// maxPosts is how many messages it may write.
	maxPosts = 16
)

// openRate is how often an account may open a place.
var openRate = limit.Rate{Burst: 10, PerSecond: 1. / 60}

// Why something is refused. A place that never was, one that is closed and one
// that has run out look alike, and so does one of somebody else.
var (
	errUnknown = errors.New("no device waits there: make a new code")
	errTaken   = errors.New("something else stands there: another device uses the same code, make a new one where nobody can see it")
	errMet     = errors.New("this connection has met four places: open a new one")
	errPosts   = errors.New("this connection has written sixteen messages: open a new one")
)

// limitedError says when there may be room again.
type limitedError struct{ wait time.Duration }

func (limitedError) Error() string { return "too many places at once, try again later" }

// Line is a connection. Both methods are called with all places locked: they do
// not block, and call nothing of this package. It is comparable.
type Line interface {
	// Push tells the device something unasked. It keeps nothing of body.
	Push(body wire.PushBody)
	// Gone reports that the connection has ended. Whoever ends one sees to it
	// that Gone says so before it calls [Places.Leave].
	Gone() bool
}

// Owner is a device that is signed in.
type Owner struct {
	Account ident.AccountID
	Device  ident.DeviceID
}

// name is what a place is known by.
type name [PlaceSize]byte

// Places are all places of a relay. The zero value has none. It is safe for
// concurrent use. Running times may be handed in a little out of order.
type Places struct {
	mu      sync.Mutex
	byName  map[name]*place
	of      map[ident.DeviceID]*place
	ordered []*place // as they were opened, so that the first runs out first
	lines   map[Line]*visitor
	opened  limit.Buckets[ident.AccountID]
}

// place is one place.
type place struct {
	name  name
	owner Owner
	until time.Duration // of running time
	line  Line          // of the owner, nil while it is away
	met   map[Line]struct{}
	slots [slots + 1]*[MessageSize]byte // the first is none
	taken bool                          // somebody wrote other bytes than those that stand there
}

// visitor is a connection that opened a place or met one.
type visitor struct {
	opened *place   // as its owner; then the rest is empty
	at     []*place // that it has met, and that are still there
	met    int      // that it ever met
	posts  int
}

// ofOwner reports whether a slot is written by the device that opened the place.
func ofOwner(slot int) bool { return slot == 2 || slot == 5 }

// open opens a place, or comes back to it.
func (p *Places) open(ran time.Duration, l Line, by Owner, n name) error {
	at := p.byName[n]
	if at == nil {
		old := p.of[by.Device]
		if wait := p.full(ran, by, old); wait > 0 {
			return limitedError{wait}
		}
		p.opened.Rate = openRate
		if ok, wait := p.opened.Take(time.Time{}.Add(ran), by.Account, 1); !ok {
			return limitedError{wait}
		}
		p.end(old)
		at = &place{name: n, owner: by, until: ran + Lifetime, met: map[Line]struct{}{}}
		p.add(at)
	}
	if at.owner != by {
		at.conflict() // whoever opens it knows the code
		return errTaken
	}
	delete(p.lines, at.line)
	p.visitor(l).opened, at.line = at, l
	for s, m := range at.slots {
		if m != nil && !ofOwner(s) {
			at.arrived(l, s)
		}
	}
	if at.taken {
		l.Push(&wire.LinkTaken{Place: at.name[:]})
	}
	return nil
}

// full returns how long to wait for room for one more place, 0 if there is. The
// one that it would take the place of does not count.
func (p *Places) full(ran time.Duration, by Owner, old *place) time.Duration {
	var all, own int
	var first, firstOwn *place
	for _, at := range p.ordered {
		if at == old {
			continue
		}
		if all++; first == nil {
			first = at
		}
		if at.owner.Account == by.Account {
			if own++; firstOwn == nil {
				firstOwn = at
			}
		}
	}
	switch {
	case own >= maxOfAccount:
		return max(firstOwn.until-ran, time.Millisecond)
	case all >= maxPlaces:
		return max(first.until-ran, time.Millisecond)
	}
	return 0
}

func (p *Places) add(at *place) {
	if p.byName == nil {
		p.byName, p.of = map[name]*place{}, map[ident.DeviceID]*place{}
	}
	p.byName[at.name], p.of[at.owner.Device] = at, at
	p.ordered = append(p.ordered, at)
}

// meet brings a connection without sign-in to a place.
func (p *Places) meet(l Line, n name) error {
	at := p.byName[n]
	if at == nil {
		return errUnknown
	}
	if _, again := at.met[l]; !again {
		v := p.visitor(l)
		if v.met >= maxMet {
			return errMet
		}
		v.met++
		v.at = append(v.at, at)
		at.met[l] = struct{}{}
	}
	for s, m := range at.slots {
		if m != nil && ofOwner(s) {
			at.arrived(l, s)
		}
	}
	return nil
}

// post writes a message into its slot; by is nil for a connection without
// sign-in. The message is copied.
func (p *Places) post(l Line, by *Owner, n name, slot int, message []byte) error {
	at := p.byName[n]
	if by != nil {
		if at == nil || at.owner != *by {
			return errUnknown
		}
		return p.write(at, slot, message)
	}
	v := p.lines[l]
	if v == nil {
		return errUnknown
	}
	if v.posts >= maxPosts {
		return errPosts
	}
	v.posts++
	if at == nil || !slices.Contains(v.at, at) {
		return errUnknown
	}
	return p.write(at, slot, message)
}

// write fills a slot and tells the other side.
func (p *Places) write(at *place, slot int, message []byte) error {
	if was := at.slots[slot]; was != nil {
		if bytes.Equal(was[:], message) {
			return nil
		}
		if !ofOwner(slot) {
			at.conflict()
		}
		return errTaken
	}
	at.slots[slot] = (*[MessageSize]byte)(bytes.Clone(message))
	if !ofOwner(slot) {
		if at.line != nil {
			at.arrived(at.line, slot)
		}
		return nil
	}
	for l := range at.met {
		at.arrived(l, slot)
	}
	return nil
}

// conflict tells the owner, once, that it is not alone with whom it waits for; if
// it is away, when it comes back.
func (at *place) conflict() {
	if !at.taken && at.line != nil {
		at.line.Push(&wire.LinkTaken{Place: at.name[:]})
	}
	at.taken = true
}

func (at *place) arrived(l Line, slot int) {
	l.Push(&wire.LinkArrived{Place: at.name[:], Slot: uint32(slot), Message: at.slots[slot][:]}) //nolint:gosec // at most 6
}

// end forgets a place and tells those who have met it.
func (p *Places) end(at *place) {
	if at == nil {
		return
	}
	delete(p.byName, at.name)
	delete(p.of, at.owner.Device)
	p.ordered = slices.DeleteFunc(p.ordered, func(o *place) bool { return o == at })
	delete(p.lines, at.line)
	for l := range at.met {
		v := p.lines[l]
		v.at = slices.DeleteFunc(v.at, func(o *place) bool { return o == at })
		l.Push(&wire.LinkClosed{Place: at.name[:]})
	}
}

// visitor returns what is known of a connection.
func (p *Places) visitor(l Line) *visitor {
	v := p.lines[l]
	if v == nil {
		if p.lines == nil {
			p.lines = map[Line]*visitor{}
		}
		v = &visitor{}
		p.lines[l] = v
	}
	return v
}

// tick ends what has run out.
func (p *Places) tick(ran time.Duration) {
	for len(p.ordered) > 0 && p.ordered[0].until <= ran {
		p.end(p.ordered[0])
	}
}

// Tick ends the places that have run out. Nobody meets such a place in any case:
// that it is called from time to time frees their memory, and tells who waits.
func (p *Places) Tick(ran time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tick(ran)
}

// Leave takes a connection away from all places: it has ended, or has signed in.
// What it wrote stays.
func (p *Places) Leave(l Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.lines[l]
	if v == nil {
		return
	}
	delete(p.lines, l)
	for _, at := range v.at {
		delete(at.met, l)
	}
	if v.opened != nil {
		v.opened.line = nil
	}
}

// Met reports whether a connection has ever met a place.
func (p *Places) Met(l Line) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.lines[l]
	return v != nil && v.met > 0
}
