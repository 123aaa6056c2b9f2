// Package meet has two devices of one person meet at the relay, over lines that
// break: it runs the two sides of package linking. What they say and why stands
// in docs/spec/linking.md, what the relay does for them in docs/spec/relay.md.
//
// One goroutine owns a side; what comes from the line, the person and the clock
// waits for it in a queue.
package meet

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/wire"
)

// Why two devices can't meet, as sentences for the owner.
var (
	ErrTooOld = errors.New("this server is too old to link devices: ask its operator to update byred")
	errFlood  = errors.New("the server says more at the place of linking than two devices do, so byre hung up")
)

// EndedError is how linking ended, other than by [linking.Linked].
type EndedError struct {
	Why linking.Why
	// Cause is why this side's person could not be asked, or nil.
	Cause error
}

// Error is a sentence for the person.
func (e EndedError) Error() string {
	if e.Cause != nil {
		return e.Cause.Error()
	}
	return e.Why.String()
}

// Unwrap returns the cause.
func (e EndedError) Unwrap() error { return e.Cause }

// Person is who has both devices in hand. Its methods are called one at a time.
type Person interface {
	// Compare shows the digits, asks whether the other device shows the same ones
	// and whether it is meant, and at the sponsor for the passphrase. It returns
	// what was answered, or ctx's error when that ends: linking is over. An error
	// is as good as a no, and is what linking ends with.
	Compare(ctx context.Context, a linking.Ask) (bool, error)
	// Waits tells that this device has agreed and waits for the other one. For
	// joiners.
	Waits(name string)
}

// Lines opens a line at which places can be spoken of. What the server says of
// places unasked goes to pushed, which does not block. leave is called once.
type Lines func(ctx context.Context, pushed func(wire.PushBody)) (l *line.Line, leave func(), err error)

const (
	// featureLinking is the bit of Hello.features that tells of places (ADR 43).
	featureLinking = 1 << 1
	// patience is how long a joiner asks for a place again that it has met before:
	// the relay may have forgotten it, and the sponsor not be back yet.
	patience = 30 * time.Second
	// againAfter is how long it waits between, and a side that is told to wait.
	againAfter = 2 * time.Second
	// parting is how long a side that has ended tries to tell the other one, and
	// farewell how long one that is stopped does.
	parting  = 10 * time.Second
	farewell = 2 * time.Second
	// tick is how often a side is told the time.
	tick = time.Second
	// calmAfter is how long a line must have lasted for the next one to be opened
	// at once: those that only look at the chain last for 30 seconds.
	calmAfter = 20 * time.Second
	// maxPushes is how often the server may say something unasked: with lines that
	// break it comes to dozens.
	maxPushes = 256
)

// side is one of the two, as its runner knows it.
type side interface {
	// apply takes an event. Where the side refuses it, nothing happens.
	apply(linking.Event) []linking.Effect
	// greets is what is asked first on a line, nil if nothing is.
	greets() wire.RequestBody
	// parts reports whether the side ends where it is stopped: nothing of it will
	// be gone on with.
	parts() bool
}

// meeting runs a side. All but in belongs to the goroutine of run.
type meeting struct {
	side   side
	place  linking.Place
	clock  clock.Clock
	lines  Lines
	person Person
	runner linking.Runner

	ctx context.Context
	in  queue
	// work are the goroutines that put something into the queue.
	work   sync.WaitGroup
	pushes atomic.Int64

	line   *line.Line // nil while there is none
	leave  func()
	unwait func() bool // for its end
	pace   line.Pace
	since  time.Time       // of the line
	stands bool            // this side stands at its place
	early  []linking.Event // pushed before it did
	met    bool            // it has stood there before
	lost   time.Time       // since when the place is not known any more
	posted []linking.Post
	said   bool // the last of them stands in its slot
	// closing: the relay is told to forget the place.
	closing bool
	asking  context.CancelFunc

	why   linking.Why
	cause error     // why its person could not be asked
	until time.Time // when a side that has ended is done at the latest
	err   error
}

// queue is what waits for the goroutine of a side.
type queue struct {
	mu   sync.Mutex
	list []func()
	more chan struct{}
}

// put adds something to do.
func (q *queue) put(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, f)
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *queue) take() []func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.list
	q.list = nil
	return list
}

// run goes on until the side has ended and the other one was told as far as that
// goes, or ctx ends, or something fails.
func (m *meeting) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	m.ctx, m.in.more, m.asking = ctx, make(chan struct{}, 1), func() {}
	defer func() {
		cancel()
		m.work.Wait()
		m.hangUp()
	}()
	m.work.Go(func() {
		for m.clock.Sleep(ctx, tick) == nil {
			m.in.put(m.tick)
		}
	})
	m.connect() //nolint:contextcheck // it is in m
	for m.err == nil && !m.done() {
		for _, f := range m.in.take() {
			if m.err == nil {
				f()
			}
		}
		if m.err != nil || m.done() {
			break
		}
		select {
		case <-m.in.more:
		case <-ctx.Done():
			m.part()
			return ctx.Err()
		}
	}
	return m.err
}

// part tells the other side, as far as that goes in a moment, that this one was
// stopped: it would wait until its time is over.
func (m *meeting) part() {
	if m.err != nil || !m.stands || m.line.Err() != nil || !m.side.parts() {
		return
	}
	m.happens(linking.Stopped{})
	m.until = m.clock.Now().Add(farewell)
	m.later(farewell, func() {})
	for m.why != 0 && !m.done() {
		<-m.in.more
		for _, f := range m.in.take() {
			f()
		}
	}
}

// end is how it ended, once it has and nothing else failed.
func (m *meeting) end() error { return EndedError{m.why, m.cause} }

// done reports whether there is nothing more to do. Who has never stood at the place
// has nobody there to tell.
func (m *meeting) done() bool {
	told := !m.closing && (m.said || !m.met || len(m.posted) == 0)
	return m.why != 0 && (told || !m.clock.Now().Before(m.until))
}

// fail ends the meeting as a crash would. A side that has ended has told the other
// one as far as that goes.
func (m *meeting) fail(err error) {
	switch {
	case m.why != 0:
		m.until = m.clock.Now()
	case m.err == nil:
		m.err = err
	}
}

// later puts f into the queue when a while has passed.
func (m *meeting) later(d time.Duration, f func()) {
	m.clock.AfterFunc(d, func() { m.in.put(f) })
}

func (m *meeting) tick() { m.happens(linking.Tick{Now: m.clock.Now()}) }

// happens has the side take an event, and does what follows.
func (m *meeting) happens(ev linking.Event) {
	if m.why != 0 {
		return
	}
	for _, e := range m.side.apply(ev) {
		if err := e.Run(m.runner); err != nil {
			m.fail(err)
			return
		}
	}
}

// ended notes how it ended; the runners call it.
func (m *meeting) ended(why linking.Why) {
	m.asking()
	m.why, m.until = why, m.clock.Now().Add(parting)
}

// ask asks the person, without waiting for the answer.
func (m *meeting) ask(a linking.Ask) {
	ctx, cancel := context.WithCancel(m.ctx)
	m.asking = cancel
	m.work.Go(func() {
		yes, err := m.person.Compare(ctx, a)
		m.in.put(func() {
			switch {
			case m.why != 0:
			case yes && err == nil:
				m.happens(linking.Agreed{At: m.clock.Now()})
			default:
				m.cause = err
				m.happens(linking.Stopped{})
			}
		})
	})
}
