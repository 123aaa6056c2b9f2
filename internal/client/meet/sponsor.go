package meet

import (
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/wire"
)

// Sponsoring is what the side of a device stands on that the account has.
type Sponsoring struct {
	Clock  clock.Clock
	Lines  Lines
	Person Person
	// Shows is called once, when the place is open and the code serves.
	Shows func()
	// Device is the one that signs.
	Device *account.Me
	// Extend signs a step into the own chain durably and has the directory take it
	// (steps A2 to A4 of docs/spec/crashes.md); step's error is its own.
	Extend func(ctx context.Context, step func(devchain.Chain) (wire.ChainEntryAction, error)) error
	// Stopped is why the device itself has stopped, nil while it runs.
	Stopped func() error
}

// Link runs the sponsor until it has ended. It returns nil where a device was
// linked, else an [EndedError], or why it could not go on; what was signed then
// is offered again by the next session.
func Link(ctx context.Context, with Sponsoring, side linking.Sponsor) error {
	s := &sponsor{Sponsor: side}
	m := &meeting{side: s, place: side.Place(), clock: with.Clock, lines: with.Lines, person: with.Person}
	s.meeting = m
	m.runner = sponsorRuns{s, with}
	err := m.run(ctx)
	switch {
	case m.why == linking.Linked:
		return nil
	case m.why != 0 && err == nil:
		err = m.end()
	}
	return err
}

// sponsor is the side of a device that the account has.
type sponsor struct {
	linking.Sponsor
	*meeting

	shown bool
}

func (s *sponsor) apply(ev linking.Event) []linking.Effect {
	if _, ok := ev.(linking.Connected); ok && !s.shown {
		s.shown = true
		s.runner.(sponsorRuns).with.Shows() //nolint:forcetypeassert // it is set so
	}
	next, effects, err := s.Apply(ev)
	if err != nil {
		return nil
	}
	s.Sponsor = next
	return effects
}

// parts implements side: behind its signature only the chain decides.
func (s *sponsor) parts() bool { return true }

func (s *sponsor) greets() wire.RequestBody { return &wire.OpenLink{Place: s.place[:]} }

// sponsorRuns carries out what the sponsor asks for.
type sponsorRuns struct {
	*sponsor
	with Sponsoring
}

// Post implements [linking.Runner].
func (r sponsorRuns) Post(p linking.Post) error { r.post(p); return nil }

// Ask implements [linking.Runner].
func (r sponsorRuns) Ask(a linking.Ask) error { r.ask(a); return nil }

// Keep implements [linking.Runner].
func (r sponsorRuns) Keep(linking.Keep) error { return errors.New("a sponsor keeps nothing") }

// Look implements [linking.Runner].
func (r sponsorRuns) Look(linking.Look) error { return errors.New("a sponsor looks for nothing") }

// Sign implements [linking.Runner].
func (r sponsorRuns) Sign(s linking.Sign) error {
	r.work.Go(func() {
		became, err := r.with.sign(r.ctx, s)
		r.in.put(func() {
			if err != nil {
				r.fail(err)
			} else {
				r.happens(became)
			}
		})
	})
	return nil
}

// End implements [linking.Runner]. The place stays: a joiner whose line is down
// would not be told otherwise. One that nobody came to is closed.
func (r sponsorRuns) End(e linking.End) error {
	r.ended(e.Why)
	if len(r.posted) == 0 && r.stands {
		r.closing = true
		r.request(&wire.CloseLink{Place: r.place[:]}, func(wire.ResponseBody, error) { r.closing = false })
	}
	return nil
}

// Why a step was not signed.
var (
	errDone      = errors.New("it is in the chain already")
	errOvertaken = errors.New("the list of devices was changed meanwhile")
)

// sign signs the new device into the chain, and tells what became of it. It goes on
// until it knows.
func (with Sponsoring) sign(ctx context.Context, w linking.Sign) (linking.Event, error) {
	id := devchain.DeviceID(w.Device.Device)
	var pace line.Pace
	for first := true; ; first = false {
		err := with.Extend(ctx, func(c devchain.Chain) (wire.ChainEntryAction, error) {
			if _, ok := c.Device(id); ok {
				return nil, errDone // the answer was lost
			}
			if _, err := with.Device.Extend(c, w.Device); err != nil || c.Head() != w.Parent {
				return nil, errOvertaken
			}
			return w.Device, nil
		})
		refusal, refused := errors.AsType[*line.RefusedError](err)
		switch {
		case err == nil, errors.Is(err, errDone):
			return linking.Added{}, nil
		case errors.Is(err, errOvertaken), first && errors.Is(err, account.ErrForked):
			return linking.Lost{}, nil
		case errors.Is(err, account.ErrForked), refused && refusal.Code == wire.FailureChainRefused:
			return linking.Denied{}, nil // the server has what was signed
		case with.Stopped() != nil:
			return nil, err
		}
		if err := with.Clock.Sleep(ctx, pace.Next(0, err)); err != nil {
			return nil, err
		}
	}
}
