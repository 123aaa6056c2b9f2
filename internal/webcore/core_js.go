package webcore

import (
	"context"
	"encoding/base64"
	"errors"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store/idbstore"
	"github.com/byre-messenger/byre/internal/transport/browser"
)

const (
	// database is the one that holds the home.
	database = "byre"
	// busyPause is how often a core looks whether the one before it has let go
	// of the database, as it does when its tab is gone.
	busyPause = 50 * time.Millisecond
	// reopenPause is how long a core that could not write waits before it opens
	// the home again.
	reopenPause = 2 * time.Second
)

// Core is the one core of an origin.
type Core struct {
	origin string
	clock  clock.Clock
	tell   func(event) // to all tabs

	turn chan struct{} // held by who opens, closes or makes the home

	mu    sync.Mutex
	store *idbstore.Store
	state state
	open  *opened      // nil while the home is sealed
	empty secret.Bytes // opens a home that is open and no account's yet
	link  *linkage     // nil while there is none
}

// state is what the tabs show; see CoreState of api.ts.
type state struct {
	Phase      string     `json:"phase"`
	Me         *identity  `json:"me,omitempty"`
	Connection connection `json:"connection"`
	Passkey    bool       `json:"passkey"`
	Vacant     bool       `json:"vacant,omitempty"`
	Linking    *linkState `json:"linking,omitempty"`
	Problem    *problem   `json:"problem,omitempty"`
}

type connection struct {
	State string   `json:"state"`
	Why   *problem `json:"why,omitempty"`
	Final bool     `json:"final,omitempty"`
}

// opened is an open home with all that runs on it.
type opened struct {
	client *client.Client
	key    secret.Bytes // opens the home again
	stop   context.CancelFunc
	ended  sync.WaitGroup
	list   list
	// Who looks at what became of a message, by whom it was written to.
	watched turns
	fades   fades
}

// New returns a core for the pages of an origin. tell must not wait.
func New(origin string, tell func(event)) *Core {
	c := &Core{origin: origin, clock: clock.System{}, tell: tell, turn: make(chan struct{}, 1)}
	c.state = state{Phase: "starting", Connection: connection{State: "offline"}}
	return c
}

// Start opens the database, which another tab's core may hold a moment longer.
func (c *Core) Start(ctx context.Context) {
	for {
		s, err := idbstore.Open(ctx, database)
		if errors.Is(err, idbstore.ErrBusy) {
			if err = c.clock.Sleep(ctx, busyPause); err == nil {
				continue
			}
		}
		if err == nil {
			c.store = s
			err = c.look(ctx)
		}
		if err != nil {
			c.fail(err)
		}
		return
	}
}

// look says what there is to open.
func (c *Core) look(ctx context.Context) error {
	exists, err := home.Exists(ctx, c.store)
	if err != nil {
		return err
	}
	st := state{Phase: "empty", Connection: connection{State: "offline"}}
	if exists {
		st.Phase = "locked"
		if st.Passkey, err = home.HasKey(ctx, c.store); err != nil {
			return err
		}
	}
	c.set(func(s *state) { *s = st })
	return nil
}

// set changes the state and tells it.
func (c *Core) set(change func(*state)) {
	c.mu.Lock()
	change(&c.state)
	now := c.state
	c.mu.Unlock()
	c.tell(event{"type": "state", "state": now})
}

func (c *Core) fail(err error) {
	why := explain(err)
	c.set(func(s *state) { s.Phase, s.Problem = "failed", &why })
}

// now returns the open home.
func (c *Core) now() (*opened, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		return nil, errLocked
	}
	return c.open, nil
}

// exclusive runs fn while nobody else opens, closes or makes the home.
func (c *Core) exclusive(ctx context.Context, fn func() error) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.turn }()
	if c.store == nil {
		return errLocked
	}
	return fn()
}

// config is what a client stands on here. key is set to what opens the home.
func (c *Core) config(key *secret.Bytes) client.Config {
	return client.Config{
		Store: c.store, Clock: c.clock, Web: true, Seen: true, Server: client.Server{URL: c.origin},
		Opened:     func(k secret.Bytes) { *key = k },
		Connection: c.connected,
		Shared: func(values []string, read []ident.RoomID) {
			if o, err := c.now(); err == nil {
				o.shared(values, read)
				c.tell(event{"type": "conversations"})
			}
		},
		Connect: func(s client.Server) (line.Transport, error) {
			// The page's server, also where the home remembers an older address
			// of it: the key is pinned.
			return dialer{browser.Dialer{URL: c.origin, Clock: c.clock}}, nil
		},
	}
}

// dialer gives the transport the core's types.
type dialer struct{ browser.Dialer }

// Dial implements [line.Transport].
func (d dialer) Dial(ctx context.Context) (line.Conn, error) {
	conn, err := d.Dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// connected is told by the client how the connection stands.
func (c *Core) connected(why error) {
	now := connection{State: "online"}
	if why != nil {
		p := explain(why)
		now = connection{State: "connecting", Why: &p}
	}
	c.set(func(s *state) {
		if s.Phase == "open" {
			s.Connection = now
		}
	})
}

// run takes over an open client: it connects and tells what comes, also when
// the call that opened it has ended.
func (c *Core) run(ctx context.Context, cl *client.Client, key secret.Bytes) *identity {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	o := &opened{client: cl, key: key, stop: cancel}
	o.fades.clock, o.fades.over = c.clock, func(id ident.MessageID) bool { return c.over(ctx, o, id) }
	me := identityOf(cl.Me())
	c.mu.Lock()
	c.open = o
	c.mu.Unlock()
	c.set(func(s *state) {
		s.Phase, s.Me, s.Problem, s.Connection = "open", me, nil, connection{State: "connecting"}
		c.empty, s.Vacant = secret.Bytes{}, false
	})
	c.tell(event{"type": "key", "key": base64.StdEncoding.EncodeToString(key.Reveal())})
	o.ended.Go(func() {
		if err := cl.Run(ctx); err != nil && ctx.Err() == nil {
			p := explain(err)
			c.set(func(s *state) { s.Connection = connection{State: "offline", Why: &p, Final: true} })
		}
	})
	o.ended.Go(func() {
		if err := c.events(ctx, o); err != nil && ctx.Err() == nil {
			go c.reopen(context.WithoutCancel(ctx), o, err)
		}
	})
	o.ended.Go(func() {
		waiting, err := cl.Outbox(ctx)
		for _, m := range waiting {
			c.watch(ctx, o, m)
		}
		_ = err // the loop above ends with the same
	})
	return me
}

// events tells what comes until ctx or the client ends.
func (c *Core) events(ctx context.Context, o *opened) error {
	for ev, err := range o.client.Events(ctx, true) {
		if err != nil {
			return err
		}
		switch ev := ev.(type) {
		case told.MessageRead:
			o.list.took(ev.Message, ev.Message.From != o.client.Me().Account && !ev.Message.Seen)
			o.fades.watch(ev.Message)
			c.tell(event{"type": "conversations"})
		case told.Delivered:
			c.changed(ctx, o, ev.ID)
		case told.Changed:
			o.list.forget(ev.Room)
			c.tell(event{"type": "conversations"})
		case told.Expired, told.KeyChanged, told.DeviceChanged, told.Notice, told.Problem:
			c.tell(event{"type": "notes"})
		}
		if out := eventOf(ev); out != nil {
			c.tell(out)
		}
	}
	return nil
}

// changed tells how a message stands now.
func (c *Core) changed(ctx context.Context, o *opened, id ident.MessageID) {
	if m, err := o.client.Message(ctx, id); err == nil {
		o.list.stands(m)
		c.tell(event{"type": "message", "message": messageOf(m), "update": true})
	}
}

// over tells that a message has disappeared, if it has.
func (c *Core) over(ctx context.Context, o *opened, id ident.MessageID) bool {
	m, err := o.client.Message(ctx, id)
	if err != nil || !m.Deleted {
		return errors.Is(err, why.ErrUnknownMessage)
	}
	o.list.stands(m)
	c.tell(event{"type": "message", "message": messageOf(m), "update": true})
	c.tell(event{"type": "conversations"})
	return true
}

// watch tells each change of an own message until the server answers for it:
// where many wait, of the first few alone, since each looks whenever something
// happens. The others' turn comes as they go.
func (c *Core) watch(ctx context.Context, o *opened, last told.Message) {
	go func() {
		leave, err := o.watched.enter(ctx, last.To)
		if err != nil {
			return
		}
		defer leave()
		for !told.Confirmed(last) {
			m, err := o.client.WaitFor(ctx, last.ID, func(m told.Message) bool { return differ(m, last) })
			if err != nil {
				return // it was dropped, with an event of its own, or the client ended
			}
			last = m
			o.list.stands(m)
			c.tell(event{"type": "message", "message": messageOf(m), "update": true})
		}
	}()
}

// differ reports whether a message changed in what is shown of it.
func differ(a, b told.Message) bool {
	if a.Room != b.Room || a.Queued != b.Queued || a.Problem != b.Problem || len(a.Devices) != len(b.Devices) {
		return true
	}
	for i := range a.Devices {
		if a.Devices[i] != b.Devices[i] {
			return true
		}
	}
	return false
}

// reopen follows a client that stopped because the home could not be written or
// read: what is durable is there, so it is opened again; or because its device was
// removed, and then nothing is there.
func (c *Core) reopen(ctx context.Context, o *opened, cause error) {
	p := explain(cause)
	c.set(func(s *state) { s.Connection = connection{State: "offline", Why: &p} })
	err := c.exclusive(ctx, func() error {
		c.mu.Lock()
		current := c.open == o
		c.mu.Unlock()
		if !current {
			return nil // locked meanwhile
		}
		if errors.Is(cause, why.ErrWiped) {
			c.close()
			return cause
		}
		if err := c.clock.Sleep(ctx, reopenPause); err != nil {
			return err
		}
		c.close()
		var key secret.Bytes
		cfg := c.config(&key)
		cfg.Key = o.key
		cfg.Passphrase = func() (secret.Bytes, error) { return secret.Bytes{}, errLocked }
		cl, err := client.Open(ctx, cfg)
		if err != nil {
			return err
		}
		c.run(ctx, cl, key)
		return nil
	})
	if err != nil {
		c.fail(err)
	}
}

// close seals the home, and ends a linking. The caller has the turn.
func (c *Core) close() {
	c.leave()
	c.mu.Lock()
	o := c.open
	c.open, c.empty = nil, secret.Bytes{}
	c.mu.Unlock()
	if o == nil {
		return
	}
	o.stop()
	o.fades.end()
	_ = o.client.Close() // what stopped it was told
	o.ended.Wait()
}
