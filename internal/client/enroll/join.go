package enroll

import (
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/meet"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/wire"
)

// ErrBegun says that a home is not one to join with.
var ErrBegun = errors.New("this home has begun to make an account: go on with register, or join with another home")

// ErrWaits says that a home's device has consented and is not listed yet.
var ErrWaits = errors.New("this device waits to be linked: run join again, and have the other device at hand")

// ErrNoCode says that there is nothing to go on with.
var ErrNoCode = errors.New("this home waits for no other device: name the server's address and the code that the other device shows")

// Joining is the home of a device that is to be one of an account. It is for one
// goroutine.
type Joining struct {
	Home *home.Home
	// Me has no account before Keep.
	Me *account.Me

	cfg   Config
	asked *linking.Asked
}

// askedKey is where stands what a device kept that has consented.
func askedKey(h *home.Home) home.Key { return h.Key(home.Device, []byte("asked")) }

// Code is what the other device shows.
type Code struct {
	Code linking.Code
	// ServerKey is what the server must show; nil accepts any.
	ServerKey []byte
}

// Link makes this device one of an account that another device has, by its code;
// or it goes on with what was kept, and then the code is not used. connect returns
// the transport to the server. Where it ends otherwise than linked, it returns a
// [meet.EndedError], and the home is empty; after any other error it may be called
// again.
func Link(ctx context.Context, cfg Config, connect func(url string, ca []byte) (line.Transport, error), clk clock.Clock, code Code, who meet.Person) (*home.Home, *wire.DeviceRecord, error) {
	j, err := Join(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	if j.asked == nil && j.cfg.Server == "" {
		return nil, nil, ErrNoCode
	}
	lines := meet.Opener{Key: code.ServerKey}
	if lines.Transport, err = connect(j.cfg.Server, j.cfg.CA); err != nil {
		return nil, nil, err
	}
	var side linking.Joiner
	if a := j.asked; a != nil {
		lines.Key, side = a.ServerKey[:], linking.Resume(*a)
	} else {
		server, err := lines.First(ctx)
		if err != nil {
			return nil, nil, err
		}
		if side, err = j.Me.Joins(code.Code, server, clk.Now()); err != nil {
			return nil, nil, err
		}
	}
	defer side.Wipe()
	chain, err := meet.Join(ctx, meet.Joining{Clock: clk, Lines: lines.Open, Person: who, Keep: j.Keep}, side)
	if _, ended := errors.AsType[meet.EndedError](err); ended {
		return nil, nil, errors.Join(err, j.Forget(context.WithoutCancel(ctx)))
	} else if err != nil {
		return nil, nil, err
	}
	dev, err := j.Become(ctx, chain)
	return j.Home, dev, err
}

// GiveUp ends the waiting of a device that has consented: its home is empty then.
// The other device may list it all the same.
func GiveUp(ctx context.Context, cfg Config) error {
	if there, err := home.Exists(ctx, cfg.Store); err != nil || !there {
		return err // and none is made
	}
	j, err := Join(ctx, cfg)
	if err != nil {
		return err
	}
	return j.Forget(ctx)
}

// Nobody says why a home opens nobody's device: [ErrWaits] where it goes on with
// [Join], [ErrRecovers] with [Recover], else [ErrNotRegistered].
func Nobody(ctx context.Context, h *home.Home) error {
	if _, waits, err := h.GetBytes(ctx, askedKey(h)); err != nil {
		return err
	} else if waits {
		return ErrWaits
	}
	if _, recovers, err := h.GetBytes(ctx, recoversKey(h)); err != nil {
		return err
	} else if recovers {
		return ErrRecovers
	}
	return ErrNotRegistered
}

// begun says what else a home has begun.
func begun(ctx context.Context, h *home.Home) error {
	if err := Nobody(ctx, h); !errors.Is(err, ErrNotRegistered) {
		return err
	}
	return ErrBegun
}

// Join makes the home, or opens one that has no account: with what was kept
// behind the device's consent, or else with fresh keys.
func Join(ctx context.Context, cfg Config) (*Joining, error) {
	h, err := openOrCreate(ctx, cfg)
	if err != nil {
		return nil, err
	}
	j := &Joining{Home: h, cfg: cfg}
	var dev wire.DeviceRecord
	var asked wire.AskedRecord
	found, err := h.Get(ctx, h.Key(home.Device), &dev)
	if err != nil {
		return nil, err
	}
	waits, err := h.Get(ctx, askedKey(h), &asked)
	switch {
	case err != nil:
		return nil, err
	case dev.Registered:
		return nil, ErrRegistered
	case found && !waits:
		return nil, begun(ctx, h)
	case !found:
		j.Me, err = account.NewDevice(cfg.Web)
		return j, err
	}
	if j.asked, err = readAsked(&asked, &dev); err != nil {
		return nil, errors.Join(home.ErrDamaged, err)
	}
	j.cfg.Server, j.cfg.CA = dev.Server, dev.ServerCa
	j.Me, err = account.FromRecord(&dev)
	return j, err
}

// Keep makes durable who this device is and what it consented to; then its
// consent may leave.
func (j *Joining) Keep(ctx context.Context, a linking.Asked) error {
	j.Me.Account = a.Account
	dev := &wire.DeviceRecord{Name: a.Name.String(), Server: j.cfg.Server, ServerCa: j.cfg.CA, ServerKey: a.ServerKey[:]}
	if err := j.Me.Fill(dev); err != nil {
		return err
	}
	// A1: keys, account and the sealed consent are durable before anybody can
	// vouch for them. A crash before this commit leaves an empty home, and no
	// consent has left; one after it a device that waits.
	tx := j.Home.Begin()
	tx.Put(j.Home.Key(home.Device), dev)
	tx.Put(askedKey(j.Home), &wire.AskedRecord{
		Account: a.Account[:], Name: a.Name.String(), Length: a.Length, Head: a.Head[:],
		Sponsor: a.Sponsor[:], Transcript: a.Transcript[:], Place: a.Place[:], Consent: a.Consent,
	})
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	j.asked = &a
	return nil
}

// Become makes the account this device's own: it is listed by the chain. The
// record returned is what the home has of it.
func (j *Joining) Become(ctx context.Context, chain devchain.Chain) (*wire.DeviceRecord, error) {
	dev := &wire.DeviceRecord{}
	if ok, err := j.Home.Get(ctx, j.Home.Key(home.Device), dev); err != nil || !ok {
		return nil, errors.Join(home.ErrDamaged, err)
	}
	if d, ok := chain.Device(j.Me.Device); !ok || !d.Active || chain.ID() != j.Me.Account {
		return nil, account.ErrChain
	}
	dev.Registered = true
	pin := account.NewPin(chain)
	pin.Record.Name = dev.Name
	// A5: the account is this device's own. A crash before this commit leaves a
	// device that looks at the chain again; one after it a device.
	tx := j.Home.Begin()
	tx.Put(j.Home.Key(home.Device), dev)
	tx.Put(j.Home.Key(home.Pin, dev.Account), &pin.Record)
	tx.Delete(askedKey(j.Home))
	return dev, tx.Commit(ctx)
}

// Forget erases what was kept: the device will not be listed, or its person
// waits no longer.
func (j *Joining) Forget(ctx context.Context) error {
	if j.asked == nil {
		return nil
	}
	if err := forget(ctx, j.Home, askedKey(j.Home)); err != nil {
		return err
	}
	j.asked = nil
	return nil
}

// forget erases who the device is, what it kept, and what both were kept under.
func forget(ctx context.Context, h *home.Home, kept home.Key) error {
	// A6: nothing is kept. A crash before this commit leaves a device that waits,
	// and that finds out again.
	tx := h.Begin()
	tx.Delete(h.Key(home.Device))
	tx.Delete(kept)
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	return h.Shred(ctx)
}

// readAsked reads what was kept.
func readAsked(r *wire.AskedRecord, dev *wire.DeviceRecord) (*linking.Asked, error) {
	a := &linking.Asked{Length: r.Length, Consent: r.Consent}
	var errs [4]error
	a.Account, errs[0] = ident.AccountIDFrom(r.Account)
	a.Sponsor, errs[1] = ident.DeviceIDFrom(r.Sponsor)
	a.Device, errs[2] = ident.DeviceIDFrom(dev.Device)
	a.Name, errs[3] = ident.ParseName(r.Name)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	for _, part := range []struct{ to, from []byte }{
		{a.ServerKey[:], dev.ServerKey}, {a.Head[:], r.Head}, {a.Transcript[:], r.Transcript}, {a.Place[:], r.Place},
	} {
		if copy(part.to, part.from) != len(part.to) {
			return nil, errors.New("what a joining device kept is cut off")
		}
	}
	return a, nil
}
