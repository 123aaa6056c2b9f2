package client

import (
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
	"github.com/byre-messenger/byre/internal/client/loop"
	"github.com/byre-messenger/byre/internal/client/notes"
	"github.com/byre-messenger/byre/internal/client/ours"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/people"
	"github.com/byre-messenger/byre/internal/client/rejoin"
	"github.com/byre-messenger/byre/internal/client/requests"
	"github.com/byre-messenger/byre/internal/client/share"
	"github.com/byre-messenger/byre/internal/client/shelf"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// engine owns the state of one device. Its loop runs every step; what stands
// under "owned by the loop" is touched in steps alone. A step must check before it
// changes anything: after an error the state is as it was. The one exception are
// [home.ErrUnread] and [home.ErrDamaged], after which the engine stops.
type engine struct {
	cfg       Config
	clock     clock.Clock
	home      *home.Home
	me        *account.Me
	transport line.Transport

	loop    *loop.Loop[*txn]
	stopped <-chan struct{} // the loop's
	bell    bell.Bell
	link    *share.One[*session] // the one connection, shared by those who need it
	linking sync.Mutex           // held while a code is shown

	// Owned by the loop.
	device     wire.DeviceRecord // without the private keys
	signIn     wire.SignInRecord
	people     *people.Book
	shelf      *shelf.Shelf
	desk       *rejoin.Desk
	inbox      *inbox.Inbox
	requests   *requests.Box
	notes      *notes.Book
	ours       *ours.Book
	alarms     alarm.Rate
	talks      map[ident.RoomID]*talk
	groups     map[string]*groupState
	unresolved []*outbox.Entry // addressed to names that are not known yet
	dropped    map[ident.MessageID]error
	nextOut    uint64   // place in the outbox
	session    *session // signed in, or nil
	shredding  shredding
	fading     fading.Times
	stopFades  func() bool // of the timer; nil before the first
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
	return e.loop.Do(ctx, loop.Step[*txn]{Do: fn})
}

// look is do for a step that changes nothing others wait for: it does not ring
// the bell, so that those who look when it rings do not wake each other.
func (e *engine) look(ctx context.Context, fn func(*txn) error) error {
	return e.loop.Do(ctx, loop.Step[*txn]{Do: fn, Quiet: true})
}

// post runs fn as a step some time later, unless the loop ends before.
func (e *engine) post(fn func(*txn) error) { e.loop.Post(fn) }

func (e *engine) stoppedBy() error { return e.loop.StoppedBy() }

// until waits for the bell.
func (e *engine) until(ctx context.Context, rung <-chan struct{}) error {
	select {
	case <-rung:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.stopped:
		return e.stoppedBy()
	}
}

// apply runs a batch of steps and makes what they wrote durable in one commit.
// When the commit fails nobody knows what is on the disk, and when a step can't
// read the home its keys may have moved on in memory alone. Either way the
// engine stops; opening it again reads what is durable and goes on from there.
func (e *engine) apply(batch []loop.Step[*txn], results []error) error {
	tx := &txn{
		Tx: e.home.Begin(), engine: e, ctx: context.Background(), now: e.clock.Now(),
		talked: map[*talk]bool{}, moved: map[*groupState]bool{},
	}
	var err error
	for i, s := range batch {
		mark, after := tx.Mark(), len(tx.after)
		if results[i] = s.Do(tx); results[i] != nil {
			tx.Undo(mark)
			tx.after = tx.after[:after]
		}
		if !s.Quiet && unread(results[i]) {
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
	e.loop.Close()
	e.link.Close()
	if err := e.loop.End(); err != nil {
		return fmt.Errorf("the device stopped: %w", err)
	}
	return nil
}
