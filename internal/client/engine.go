package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/alarm"
	"github.com/byre-messenger/byre/internal/client/bell"
	"github.com/byre-messenger/byre/internal/client/fading"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/inbox"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/notes"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/rejoin"
	"github.com/byre-messenger/byre/internal/client/requests"
	"github.com/byre-messenger/byre/internal/client/share"
	"github.com/byre-messenger/byre/internal/client/shelf"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// maxBatch is how many steps share one commit.
const maxBatch = 64

// engine owns the state of one device. Its loop runs every step; what stands
// under "owned by the loop" is touched in steps alone.
type engine struct {
	cfg       Config
	clock     clock.Clock
	home      *home.Home
	me        *account.Me
	transport line.Transport

	steps   chan step
	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
	failure error // why the loop stopped; read after stopped
	bell    bell.Bell
	link    *share.One[*session] // the one connection, shared by those who need it
	linking sync.Mutex           // held while a code is shown

	// Owned by the loop.
	device     wire.DeviceRecord // without the private keys
	signIn     wire.SignInRecord
	pins       map[ident.AccountID]*account.Pin
	names      map[string]ident.AccountID // by ident.Name's key
	shelf      *shelf.Shelf
	desk       *rejoin.Desk
	inbox      *inbox.Inbox
	requests   *requests.Box
	notes      *notes.Book
	alarms     alarm.Rate
	talks      map[ident.RoomID]*talk
	groups     map[string]*groupState
	unresolved []*outbox.Entry // addressed to names that are not known yet
	dropped    map[ident.MessageID]error
	next       struct{ outbox, event uint64 }
	session    *session // signed in, or nil
	shredding  shredding
	fading     fading.Times
	stopFades  func() bool // of the timer; nil before the first
}

// step is something to do in the loop. do must check before it changes
// anything: after an error the state is as it was. The one exception are
// [home.ErrUnread] and [home.ErrDamaged], after which the engine stops.
type step struct {
	do    func(*txn) error
	done  chan<- error // nil: nobody waits
	quiet bool         // nobody waits for what it changes
}

// txn is what one batch of steps writes. What after collects runs in the loop
// once the writes are durable.
type txn struct {
	*home.Tx
	*engine

	ctx      context.Context
	now      time.Time
	after    []func()
	talked   map[*talk]bool
	moved    map[*groupState]bool
	acking   bool  // an Ack follows the commit
	launched int   // messages that leave behind the commit
	unread   error // the home could not be read: the engine stops
}

// do runs fn as a step and returns when what it wrote is durable.
func (e *engine) do(ctx context.Context, fn func(*txn) error) error {
	return e.submit(ctx, step{do: fn})
}

// look is do for a step that changes nothing others wait for: it does not ring
// the bell, so that those who look when it rings do not wake each other.
func (e *engine) look(ctx context.Context, fn func(*txn) error) error {
	return e.submit(ctx, step{do: fn, quiet: true})
}

func (e *engine) submit(ctx context.Context, s step) error {
	done := make(chan error, 1)
	s.done = done
	select {
	case e.steps <- s:
	case <-e.stopped:
		return e.stoppedBy()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-e.stopped:
		if len(done) > 0 { // the step's own answer came before the end
			return <-done
		}
		return e.stoppedBy()
	}
}

// post runs fn as a step some time later, unless the loop ends before.
func (e *engine) post(fn func(*txn) error) {
	select {
	case e.steps <- step{do: fn}:
	case <-e.stopped:
	}
}

func (e *engine) stoppedBy() error {
	if e.failure != nil {
		return e.failure
	}
	return why.ErrClosed
}

// loop runs steps until the engine is closed or a commit fails.
func (e *engine) loop() {
	defer close(e.stopped)
	for {
		var batch []step
		select {
		case s := <-e.steps:
			batch = append(batch, s)
		case <-e.quit:
			e.failure = e.home.Shred(context.Background())
			return
		}
	more:
		for len(batch) < maxBatch {
			select {
			case s := <-e.steps:
				batch = append(batch, s)
			default:
				break more
			}
		}
		if err := e.apply(batch); err != nil {
			e.failure = err
			return
		}
	}
}

// apply runs a batch of steps and makes what they wrote durable in one commit.
// When the commit fails nobody knows what is on the disk, and when a step can't
// read the home its keys may have moved on in memory alone. Either way the
// engine stops; opening it again reads what is durable and goes on from there.
func (e *engine) apply(batch []step) error {
	tx := &txn{
		Tx: e.home.Begin(), engine: e, ctx: context.Background(), now: e.clock.Now(),
		talked: map[*talk]bool{}, moved: map[*groupState]bool{},
	}
	results := make([]error, len(batch))
	var err error
	for i, s := range batch {
		mark, after := tx.Mark(), len(tx.after)
		if results[i] = s.do(tx); results[i] != nil {
			tx.Undo(mark)
			tx.after = tx.after[:after]
		}
		if !s.quiet && unread(results[i]) {
			tx.unread = results[i]
		}
		if err = tx.unread; err != nil {
			break
		}
	}
	if err == nil {
		tx.save()
		err = tx.Commit(tx.ctx)
	}
	if err == nil {
		err = e.shred()
	}
	if err == nil {
		for _, f := range tx.after {
			f()
		}
	}
	ring := err != nil
	for i, s := range batch {
		ring = ring || !s.quiet
		if s.done != nil {
			s.done <- cmp.Or(results[i], err)
		}
	}
	if ring {
		e.bell.Ring()
	}
	return err
}

// unread reports whether an error comes from the home itself.
func unread(err error) bool {
	return errors.Is(err, home.ErrUnread) || errors.Is(err, home.ErrDamaged)
}

// save writes the records of what changed, each once.
func (tx *txn) save() {
	for g := range tx.moved {
		g.Save(tx.Tx)
	}
	for t := range tx.talked {
		tx.Put(tx.home.Key(home.Room, t.ID[:]), t.record())
	}
	tx.inbox.Save(tx.Tx, tx.now)
}

// then runs f in the loop once the writes are durable.
func (tx *txn) then(f func()) { tx.after = append(tx.after, f) }

// close ends the loop.
func (e *engine) close() error {
	e.once.Do(func() { close(e.quit) })
	e.link.Close()
	<-e.stopped
	if e.failure != nil {
		return fmt.Errorf("the device stopped: %w", e.failure)
	}
	return nil
}
