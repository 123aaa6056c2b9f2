package meet

import (
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/wire"
)

// Joining is what a new device's side stands on.
type Joining struct {
	Clock  clock.Clock
	Lines  Lines
	Person Person
	// Keep makes what the device consents to durable (step A1 of
	// docs/spec/crashes.md).
	Keep func(context.Context, linking.Asked) error
}

// Join runs the joiner until it has ended. It returns the chain that lists this
// device, or an [EndedError] beside which nothing that was kept is of use any
// more; any other error, ctx's too, leaves a joiner that has kept something to be
// resumed.
func Join(ctx context.Context, j Joining, side linking.Joiner) (devchain.Chain, error) {
	s := &joiner{Joiner: side}
	m := &meeting{side: s, place: side.Place(), clock: j.Clock, lines: j.Lines, person: j.Person}
	s.meeting = m
	m.runner = joinerRuns{s, j}
	s.asked = side.Asked()
	if s.waits() {
		j.Person.Waits(s.asked.Name.String())
	}
	err := m.run(ctx)
	switch {
	case m.why == linking.Linked:
		return s.shown, nil
	case m.why != 0 && err == nil:
		err = m.end()
	}
	return devchain.Chain{}, err
}

// joiner is the new device's side.
type joiner struct {
	linking.Joiner
	*meeting

	asked linking.Asked // zero before Keep
	shown devchain.Chain
}

// waits reports whether the device has consented.
func (s *joiner) waits() bool { return len(s.asked.Consent) > 0 }

func (s *joiner) apply(ev linking.Event) []linking.Effect {
	next, effects, err := s.Apply(ev)
	if err != nil {
		return nil // a chain of another account: it waits for its own
	}
	s.Joiner = next
	return effects
}

// parts implements side: a device that has consented is gone on with.
func (s *joiner) parts() bool { return !s.waits() }

func (s *joiner) greets() wire.RequestBody {
	return &wire.MeetLink{Place: s.place[:]}
}

// joinerRuns carries out what the joiner asks for.
type joinerRuns struct {
	*joiner
	with Joining
}

// Post implements [linking.Runner].
func (r joinerRuns) Post(p linking.Post) error { r.post(p); return nil }

// Ask implements [linking.Runner].
func (r joinerRuns) Ask(a linking.Ask) error { r.ask(a); return nil }

// Sign implements [linking.Runner].
func (r joinerRuns) Sign(linking.Sign) error { return errors.New("a joiner signs nothing") }

// Keep implements [linking.Runner].
func (r joinerRuns) Keep(k linking.Keep) error {
	if err := r.with.Keep(r.ctx, k.Asked); err != nil {
		return err
	}
	r.asked = k.Asked
	r.person.Waits(k.Asked.Name.String())
	r.happens(linking.Kept{})
	return nil
}

// Look implements [linking.Runner].
func (r joinerRuns) Look(l linking.Look) error {
	if r.line == nil {
		return nil // it looks again in five seconds
	}
	r.request(&wire.ReadChain{Account: l.Account[:]}, func(body wire.ResponseBody, err error) {
		if shown, ok := body.(*wire.Account); ok && err == nil {
			r.sees(l.Account, shown)
		}
	})
	return nil
}

// sees takes what the server shows of an account. Behind the end it changes nothing
// any more.
func (r joinerRuns) sees(of ident.AccountID, shown *wire.Account) {
	if chain, err := account.ReadChain(shown); err == nil && r.why == 0 && chain.ID() == of {
		r.shown = chain
		r.happens(linking.Shown{Chain: chain})
	}
}

// End implements [linking.Runner].
func (r joinerRuns) End(e linking.End) error {
	r.ended(e.Why)
	r.said = r.said || e.Why == linking.Linked // there is nothing to tell
	return nil
}
