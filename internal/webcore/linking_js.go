package webcore

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/meet"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/secret"
)

// linkState is what is shown of a linking; see Linking of api.ts.
type linkState struct {
	Side   string   `json:"side"`
	Stage  string   `json:"stage"`
	Code   string   `json:"code,omitempty"`
	Link   string   `json:"link,omitempty"`
	Until  int64    `json:"until,omitempty"`
	Digits string   `json:"digits,omitempty"`
	Name   string   `json:"name,omitempty"`
	Web    bool     `json:"web,omitempty"`
	Kept   bool     `json:"kept,omitempty"`
	Why    *problem `json:"why,omitempty"`
}

// The sides and stages of api.ts.
const (
	atSponsor = "sponsor"
	atJoiner  = "joiner"

	linkBegins   = "begins"
	linkShows    = "shows"
	linkCompares = "compares"
	linkWaits    = "waits"
	linkEnded    = "ended"
)

// maxTries is how many wrong passphrases end a linking.
const maxTries = 3

// linkage is a linking, from when it was asked for until its end was put away. It
// is the person of package meet: the tabs answer for it.
type linkage struct {
	core    *Core
	sponsor *client.Client // nil at the joiner
	stop    context.CancelFunc
	over    chan struct{} // closed when nothing of it runs any more
	said    chan verdict  // what the person answered, once

	// Guarded by the core's mu.
	now   linkState
	asked bool // somebody waits for the answer
	tries int  // passphrases that were wrong
}

// verdict is the person's answer.
type verdict struct {
	yes bool
	err error
}

// begin makes a linking the present one, unless another runs.
func (c *Core) begin(ctx context.Context, sponsor *client.Client, st linkState) (context.Context, *linkage, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &linkage{core: c, sponsor: sponsor, stop: cancel, over: make(chan struct{}), said: make(chan verdict, 1), now: st}
	busy := false
	c.set(func(s *state) {
		if busy = c.link != nil && c.link.now.Stage != linkEnded; busy {
			return
		}
		c.link, s.Linking = l, &st
		if sponsor == nil {
			s.Phase = "empty"
		}
	})
	if busy {
		cancel()
		return nil, nil, why.ErrLinking
	}
	return ctx, l, nil
}

// linking reports whether one runs.
func (c *Core) linking() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link != nil && c.link.now.Stage != linkEnded
}

// show changes what is shown, while it is the present one.
func (l *linkage) show(change func(*linkState)) {
	l.core.set(func(s *state) {
		if l.core.link != l {
			return
		}
		change(&l.now)
		now := l.now
		s.Linking = &now
	})
}

// finish shows how it ended.
func (l *linkage) finish(err error) {
	p := problem{"link_done", linking.Linked.String()}
	_, ended := errors.AsType[meet.EndedError](err)
	if err != nil {
		switch p = explain(err); {
		case p.Code == "offline":
			p.Code = "link_offline" // nobody tries again
		case p.Code == "link_refused" && l.sponsor != nil:
			p.Code = "link_stopped" // at the new device
		}
	}
	l.show(func(s *linkState) {
		*s = linkState{Side: s.Side, Stage: linkEnded, Name: s.Name, Kept: s.Kept && err != nil && !ended, Why: &p}
	})
}

// leave ends the present linking, if there is one, and waits until nothing of it
// runs any more. It returns how it stood. The caller has the turn.
func (c *Core) leave() (last linkState) {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l == nil {
		return last
	}
	c.set(func(s *state) { last, c.link, s.Linking = l.now, nil, nil })
	l.stop()
	<-l.over
	return last
}

// letIn shows a code for another device.
func (c *Core) letIn(ctx context.Context) error {
	return c.exclusive(ctx, func() error {
		o, err := c.now()
		if err != nil {
			return err
		}
		ctx, l, err := c.begin(ctx, o.client, linkState{Side: atSponsor, Stage: linkBegins})
		if err != nil {
			return err
		}
		go func() {
			defer close(l.over)
			l.finish(o.client.Link(ctx, l, l.shows))
		}()
		return nil
	})
}

// shows takes the code.
func (l *linkage) shows(link linking.Link) {
	l.show(func(s *linkState) {
		s.Stage, s.Code, s.Link = linkShows, link.Code.Text(), link.Text()
		s.Until = millis(l.core.clock.Now().Add(linking.Lifetime))
	})
}

// Compare implements [meet.Person].
func (l *linkage) Compare(ctx context.Context, a linking.Ask) (bool, error) {
	l.show(func(s *linkState) {
		l.asked = true
		*s = linkState{Side: s.Side, Stage: linkCompares, Digits: a.Digits, Web: a.Web}
		if l.sponsor == nil {
			s.Name = a.Name.String()
		}
	})
	select {
	case v := <-l.said:
		return v.yes, v.err
	case <-ctx.Done():
		l.show(func(*linkState) { l.asked = false })
		return false, ctx.Err()
	}
}

// Waits implements [meet.Person].
func (l *linkage) Waits(name string) {
	l.show(func(s *linkState) { *s = linkState{Side: s.Side, Stage: linkWaits, Name: name, Kept: true} })
}

// answer takes what the person says to Compare: at the sponsor a yes goes with
// what proves that it is the owner's.
func (c *Core) answer(ctx context.Context, a args) error {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l == nil {
		return errNotAsked
	}
	v := verdict{yes: a.On}
	if a.On && l.sponsor != nil {
		err := prove(ctx, l.sponsor, a)
		wrong := errors.Is(err, home.ErrPassphrase)
		last := false
		l.show(func(*linkState) {
			if wrong {
				l.tries++
			}
			last = l.tries >= maxTries
		})
		if err != nil && (!wrong || !last) {
			return err
		}
		v.err = err
	}
	asked := false
	l.show(func(s *linkState) {
		if asked, l.asked = l.asked, false; asked && v.yes && v.err == nil {
			*s = linkState{Side: s.Side, Stage: linkWaits, Name: s.Name}
		}
	})
	if !asked {
		return errNotAsked // it ended meanwhile, or another tab was quicker
	}
	l.said <- v
	return v.err
}

// prove asks for the passphrase or the passkey: a home that lies open is not
// enough to change who speaks for the account.
func prove(ctx context.Context, cl *client.Client, a args) error {
	key, err := base64.StdEncoding.DecodeString(a.Key)
	switch {
	case err != nil:
		return errBadCall
	case len(key) > 0:
		if err := cl.Home().CheckKey(ctx, secret.New(key)); err != nil {
			return errors.Join(errKey, err)
		}
		return nil
	case a.Passphrase == "":
		return errEmptyPass
	}
	return cl.Home().Check(ctx, func() (secret.Bytes, error) { return secret.New([]byte(a.Passphrase)), nil })
}

// join makes this browser a device of an account that another one has, by its
// code; without one it goes on where it was interrupted.
func (c *Core) join(ctx context.Context, a args) error {
	var to enroll.Code
	var err error
	if a.Code != "" {
		if to.Code, err = linking.ReadCode(a.Code); err != nil {
			return err
		}
	}
	if a.Key != "" {
		if to.ServerKey, err = base64.RawURLEncoding.Strict().DecodeString(a.Key); err != nil {
			return errBadCall
		}
	}
	return c.exclusive(ctx, func() error {
		if _, err := c.now(); err == nil {
			return enroll.ErrRegistered
		}
		if a.Passphrase == "" && c.nobodys().Len() == 0 {
			return errEmptyPass
		}
		return c.joins(ctx, to, a.Passphrase, a.Code == "")
	})
}

// joins has this browser join until that ends. The caller has the turn.
func (c *Core) joins(ctx context.Context, to enroll.Code, passphrase string, resumed bool) error {
	ctx, l, err := c.begin(ctx, nil, linkState{Side: atJoiner, Stage: linkBegins, Kept: resumed})
	if err != nil {
		return err
	}
	var key secret.Bytes
	cfg := c.config(&key)
	cfg.Key, cfg.Opened = c.nobodys(), func(k secret.Bytes) { key = k; c.vacant(k) }
	cfg.Passphrase = func() (secret.Bytes, error) {
		if passphrase == "" {
			return secret.Bytes{}, errKey
		}
		return secret.New([]byte(passphrase)), nil
	}
	go func() {
		defer close(l.over)
		cl, err := l.joined(ctx, cfg, to)
		if err == nil {
			err = c.takeOver(ctx, cl, &key)
		}
		l.finish(err)
	}()
	return nil
}

// joined joins. A device that has agreed waits for a server that is away, too.
func (l *linkage) joined(ctx context.Context, cfg client.Config, to enroll.Code) (*client.Client, error) {
	for pace := (line.Pace{}); ; {
		cl, err := client.Join(ctx, cfg, to.Code, to.ServerKey, l)
		if err == nil {
			return cl, nil
		}
		cfg.Key = l.core.nobodys()
		if to.ServerKey != nil && errors.Is(err, line.ErrServerKey) {
			err = errors.Join(errLinkKey, err)
		}
		p := explain(err)
		again := false
		l.show(func(s *linkState) {
			if again = s.Kept && slices.Contains([]string{"offline", "busy"}, p.Code); again {
				s.Stage, s.Why = linkWaits, &p
			}
		})
		if !again {
			return nil, err
		}
		if err := l.core.clock.Sleep(ctx, pace.Next(0, err)); err != nil {
			return nil, err
		}
	}
}

// takeOver opens the account that this browser has joined.
func (c *Core) takeOver(ctx context.Context, cl *client.Client, key *secret.Bytes) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), cl.Close())
	}
	defer func() { <-c.turn }()
	c.run(ctx, cl, *key)
	return nil
}

// nobodys is what opens the home while it is no account's.
func (c *Core) nobodys() secret.Bytes {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.empty
}

// vacant notes what opens a home that is no account's yet: nobody is asked for its
// passphrase again, and the core after this one opens it.
func (c *Core) vacant(key secret.Bytes) {
	c.set(func(s *state) { c.empty, s.Phase, s.Vacant = key, "empty", true })
	c.tell(event{"type": "key", "key": base64.StdEncoding.EncodeToString(key.Reveal())})
}

// stopLinking ends a linking, or puts away how one ended.
func (c *Core) stopLinking(ctx context.Context) error {
	return c.exclusive(ctx, func() error {
		last := c.leave()
		switch {
		case last.Side == atSponsor && last.Stage == linkWaits:
			return c.endedAs(last.Side, problem{"link_unsure", errUnsure.Error()})
		case !last.Kept:
			return nil
		}
		var key secret.Bytes
		cfg := c.config(&key)
		cfg.Key, cfg.Passphrase = c.nobodys(), func() (secret.Bytes, error) { return secret.Bytes{}, errKey }
		err := client.GiveUp(ctx, cfg)
		if errors.Is(err, enroll.ErrRegistered) {
			return c.look(ctx) // it was linked in this moment
		} else if err != nil {
			return errors.Join(err, c.joins(ctx, enroll.Code{}, "", true))
		}
		return c.endedAs(last.Side, explain(meet.EndedError{Why: linking.Abandoned}))
	})
}

// endedAs shows an end that nothing ran up to.
func (c *Core) endedAs(side string, p problem) error {
	st := linkState{Side: side, Stage: linkEnded, Why: &p}
	l := &linkage{core: c, stop: func() {}, over: make(chan struct{}), now: st}
	close(l.over)
	c.set(func(s *state) { c.link, s.Linking = l, &st })
	return nil
}

// removeDevice ends another device of the account for good.
func (o *opened) removeDevice(ctx context.Context, a args) error {
	id, err := ident.ParseDeviceID(a.ID)
	if err != nil || id == o.client.Me().Device {
		return errBadCall
	}
	if err := prove(ctx, o.client, a); err != nil {
		return err
	}
	list, err := o.client.Devices(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(d told.Device) bool { return d.ID == id && d.Active }) {
		return errNoDevice
	}
	return o.client.RemoveDevice(ctx, id)
}
