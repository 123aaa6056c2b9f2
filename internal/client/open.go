package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/inbox"
	"github.com/byre-messenger/byre/internal/client/loop"
	"github.com/byre-messenger/byre/internal/client/notes"
	"github.com/byre-messenger/byre/internal/client/ours"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/pages"
	"github.com/byre-messenger/byre/internal/client/people"
	"github.com/byre-messenger/byre/internal/client/rejoin"
	"github.com/byre-messenger/byre/internal/client/requests"
	"github.com/byre-messenger/byre/internal/client/shelf"
	"github.com/byre-messenger/byre/internal/ident"
	order "github.com/byre-messenger/byre/internal/room"
	"github.com/byre-messenger/byre/internal/wire"
)

// Open opens the device in the store. It needs no server.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	h, err := home.Open(ctx, cfg.Store, cfg.HomeOptions())
	if err != nil {
		return nil, err
	}
	var dev wire.DeviceRecord
	ok, err := h.Get(ctx, h.Key(home.Device), &dev)
	if err != nil {
		return nil, err
	}
	if !ok || !dev.Registered {
		return nil, enroll.Nobody(ctx, h)
	}
	e, err := startEngine(ctx, cfg, h, &dev)
	if err != nil {
		return nil, err
	}
	return &Client{e}, nil
}

func startEngine(ctx context.Context, cfg Config, h *home.Home, dev *wire.DeviceRecord) (*engine, error) {
	e := &engine{
		cfg: cfg, clock: cfg.Clock, home: h,
		loop:    loop.New[*txn](),
		talks:   map[ident.RoomID]*talk{},
		groups:  map[string]*groupState{},
		dropped: map[ident.MessageID]error{},
	}
	e.link, e.stopped = newLink(e), e.loop.Stopped()
	var err error
	if e.me, err = account.FromRecord(dev); err != nil {
		return nil, err
	}
	e.device = wire.DeviceRecord{Account: dev.Account, Device: dev.Device, Name: dev.Name, ServerKey: dev.ServerKey, Server: dev.Server, ServerCa: dev.ServerCa}
	if e.transport, err = cfg.Connect(Server{URL: dev.Server, CA: dev.ServerCa}); err != nil {
		return nil, err
	}
	for _, load := range []func(context.Context) error{
		e.loadPins, e.loadTalks, e.loadOutbox, e.loadQueues, e.loadFading,
	} {
		if err := load(ctx); err != nil {
			return nil, fmt.Errorf("open the home: %w", err)
		}
	}
	go e.loop.Run(e.apply, e.bell.Ring, func() error { return e.home.Shred(context.Background()) }) //nolint:contextcheck // it outlives the call that opens it
	return e, nil
}

func (e *engine) identity() Identity {
	return Identity{
		Name: e.device.Name, Account: e.me.Account, Device: e.me.Device,
		Server: Server{URL: e.device.Server, CA: e.device.ServerCa},
	}
}

func (e *engine) loadPins(ctx context.Context) error {
	if _, err := e.home.Get(ctx, e.home.Key(home.SignIn), &e.signIn); err != nil {
		return err
	}
	var err error
	e.people, err = people.Load(ctx, e.home, e.me.Account, e.device.Name)
	return err
}

func (e *engine) loadTalks(ctx context.Context) error {
	for it, err := range e.home.All(ctx, home.Room) {
		if err != nil {
			return err
		}
		var rec wire.RoomRecord
		if err := rec.Parse(it.Record); err != nil {
			return errors.Join(home.ErrDamaged, err)
		}
		t := &talk{next: rec.NextPosition, disappear: rec.Disappear, drawn: rec.Drawn}
		if t.Room, err = account.RoomFrom(&rec); err != nil {
			return err
		}
		if t.order, err = order.FromRecord(rec.Sequence); err != nil {
			return err
		}
		e.talks[t.ID] = t
	}
	for it, err := range e.home.All(ctx, home.Group) {
		if err != nil {
			return err
		}
		var rec wire.GroupRecord
		if err := rec.Parse(it.Record); err != nil {
			return errors.Join(home.ErrDamaged, err)
		}
		made, err := e.mls().Load(ctx, rec)
		if err != nil {
			return err
		}
		g := &groupState{Group: made}
		t, ok := e.talks[ident.RoomID(rec.Room)]
		if !ok {
			return fmt.Errorf("%w: a group has no room", home.ErrDamaged)
		}
		t.adopt(g)
		e.groups[string(g.ID)] = g
	}
	return nil
}

func (e *engine) loadOutbox(ctx context.Context) error {
	for it, err := range e.home.From(ctx, e.home.Key(home.Outbox), 0, 0) {
		if err != nil {
			return err
		}
		x, err := outbox.Load(it.N, it.Record)
		if err != nil {
			return errors.Join(home.ErrDamaged, err)
		}
		e.nextOut = it.N + 1
		if len(x.Rec.Room) == 0 {
			e.unresolved = append(e.unresolved, x)
			continue
		}
		t, ok := e.talks[ident.RoomID(x.Rec.Room)]
		if !ok {
			return fmt.Errorf("%w: a message waits for a room that is not here", home.ErrDamaged)
		}
		rec, content, err := pages.Read(ctx, e.home, e.home, t.ID, x.Rec.Position)
		if err != nil {
			return err
		}
		x.Seq = content.Seq
		x.Recorded(rec.Outcomes)
		t.outbox = append(t.outbox, x)
	}
	for _, t := range e.talks {
		outbox.Sort(t.outbox)
	}
	return nil
}

func (e *engine) loadQueues(ctx context.Context) error {
	var err error
	if e.inbox, err = inbox.Load(ctx, e.home); err != nil {
		return err
	}
	if e.requests, err = requests.Load(ctx, e.home); err != nil {
		return err
	}
	if e.notes, err = notes.Load(ctx, e.home); err != nil {
		return err
	}
	if e.ours, err = ours.Load(ctx, e.home, e.me.Device); err != nil {
		return err
	}
	if e.desk, err = rejoin.Load(ctx, e.home, e.me.Device); err != nil {
		return err
	}
	e.shelf, err = shelf.Load(ctx, e.home)
	return err
}
