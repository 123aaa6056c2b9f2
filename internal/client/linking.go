package client

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/meet"
	"github.com/byre-messenger/byre/internal/client/share"
	"github.com/byre-messenger/byre/internal/client/steps"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// Join makes this device one of an account that another device has: it asks with
// the code that the other one shows. It goes on with what it consented to before,
// where it was interrupted; code and cfg.Server are not used then. key, unless
// nil, is what the server must show. Where it ends otherwise than linked, Join
// returns a [meet.EndedError], and the home is empty again; after any other
// error Join may be called again.
func Join(ctx context.Context, cfg Config, code linking.Code, key []byte, who meet.Person) (*Client, error) {
	connect := func(url string, ca []byte) (line.Transport, error) { return cfg.Connect(Server{URL: url, CA: ca}) }
	h, dev, err := enroll.Link(ctx, cfg.Enroll(nil), connect, cfg.Clock, enroll.Code{Code: code, ServerKey: key}, who)
	if err != nil {
		return nil, err
	}
	return first(ctx, cfg, h, dev)
}

// GiveUp ends the waiting of a device that has agreed to be linked and is not: its
// home is empty then. The other device may list it all the same.
func GiveUp(ctx context.Context, cfg Config) error { return enroll.GiveUp(ctx, cfg.Enroll(nil)) }

// Link lets another device into the account: shows is told the code once it
// serves. It returns nil when the device is linked, a [meet.EndedError] when it
// will not be.
func (c *Client) Link(ctx context.Context, who meet.Person, shows func(linking.Link)) error {
	e := c.e
	if !e.linking.TryLock() {
		return why.ErrLinking
	}
	defer e.linking.Unlock()
	ctx, cancel := share.Until(ctx, e.stopped)
	defer cancel()
	s, letGo, err := e.hold(ctx)
	if err != nil {
		return err
	}
	defer letGo()
	if err := s.readChain(ctx, e.me.Account); err != nil {
		return err
	}
	var own account.Pin
	if err := e.look(ctx, func(tx *txn) error { own = *tx.own(); return nil }); err != nil {
		return err
	}
	if own.View.Forked() {
		return account.ErrForked
	}
	name, err := ident.ParseName(e.device.Name)
	if err != nil {
		return err
	}
	link := linking.Link{Server: strings.TrimSuffix(e.device.Server, "/"), ServerKey: [sign.PublicSize]byte(s.line.Hello.ServerKey), Code: linking.NewCode()}
	side, err := linking.NewSponsor(link.Code, link.ServerKey, name, own.Chain, e.me.Device, e.clock.Now())
	if err != nil {
		return err
	}
	defer link.Code.Wipe()
	defer side.Wipe()
	if err := meet.Link(ctx, meet.Sponsoring{
		Clock: e.clock, Lines: e.places, Person: who, Shows: func() { shows(link) },
		Device: e.me, Extend: e.extend, Stopped: e.closedError,
	}, side); err != nil {
		return cmp.Or(e.closedError(), err)
	}
	return nil
}

// places has what the server says of places handed to pushed.
func (e *engine) places(ctx context.Context, pushed func(wire.PushBody)) (*line.Line, func(), error) {
	s, letGo, err := e.hold(ctx)
	if err != nil {
		return nil, nil, err
	}
	hand := func(to func(wire.PushBody)) { e.post(func(*txn) error { s.places = to; return nil }) }
	hand(pushed)
	return s.line, func() { hand(nil); letGo() }, nil
}

// called holds what the server calls the account against the word of the device
// that linked this one.
func (tx *txn) called(name string) {
	p := *tx.own()
	if alarm := p.Called(tx.device.Name, name); alarm != nil {
		tx.people.Put(tx.Tx, &p)
		tx.tell(alarm)
	}
}

// offerAgain offers the step of the own chain that an earlier session signed.
func (s *session) offerAgain() {
	if err := steps.Again(s.ctx, stepping{s}, s.unsure); err != nil && !errors.Is(err, account.ErrDone) {
		s.report(err)
	}
}
