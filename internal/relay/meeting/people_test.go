package meeting_test

import (
	"crypto/ed25519"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/relay/meeting"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// device is a device's public keys and the private one of its chain.
type device struct {
	keys *wire.DeviceKeys
	key  sign.Key
}

func newDevice() device {
	k := sign.NewKey()
	return device{&wire.DeviceKeys{
		Algorithms: 1, Chain: k.Public(), SignIn: sign.NewKey().Public(), Mls: sign.NewKey().Public(),
		Box: append(k.Public(), make([]byte, 1216-32)...),
	}, k}
}

func (d device) id() ident.DeviceID { return devchain.DeviceID(d.keys) }

func add(t fataler, c devchain.Chain, by, what device) devchain.Chain {
	t.Helper()
	c, err := c.By(by.id(), by.key, &wire.AddDevice{Device: what.keys, Consent: c.Consent(what.keys, what.key)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// account begins an account with two devices.
func account(t fataler, first, second device) devchain.Chain {
	t.Helper()
	c, err := devchain.Begin(first.keys, nil, first.key)
	if err != nil {
		t.Fatal(err)
	}
	return add(t, c, first, second)
}

var serverKey = [ed25519.PublicKeySize]byte{1, 2, 3}

// aliceName is what every account here is called.
var aliceName, _ = ident.ParseName("alice")

// alice links her laptop by her phone, at places, over lines that break. Both
// devices do what docs/spec/linking.md and relay.md ask of them, and the
// directory is honest.
type alice struct {
	*hall

	phone, tablet, laptop device
	chain                 devchain.Chain // at the relay
	code                  linking.Code
	now                   time.Time

	sponsor  linking.Sponsor
	phoneOn  *line // nil while it has none
	signed   *wire.SignedEntry
	signedT  [32]byte
	onPhone  string // the digits on its screen
	phoneEnd linking.Why

	joiner    linking.Joiner
	laptopOn  *line
	toKeep    *linking.Asked
	kept      *linking.Asked // durable
	onLaptop  string
	laptopEnd linking.Why

	// What the runners meet, for after the event.
	toPhoneNext, toLaptopNext []linking.Event
}

func newAlice(t fataler) *alice {
	t.Helper()
	a := &alice{
		hall: newHall(t), phone: newDevice(), tablet: newDevice(), laptop: newDevice(),
		code: linking.NewCode(), now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
	a.chain = account(t, a.phone, a.tablet)
	var err error
	if a.sponsor, err = linking.NewSponsor(a.code, serverKey, aliceName, a.chain, a.phone.id(), a.now); err != nil {
		t.Fatal(err)
	}
	if a.joiner, err = linking.NewJoiner(a.code, serverKey, a.laptop.keys, a.laptop.key, a.now); err != nil {
		t.Fatal(err)
	}
	return a
}

// owner is who a device is to the relay.
func owner(c devchain.Chain, d device) *meeting.Owner {
	return &meeting.Owner{Account: c.ID(), Device: d.id()}
}

// posts writes a message on a line and tells what to do about the answer.
func posts(l *line, p linking.Post) (taken, lost bool) {
	switch f := l.ask(&wire.PostLink{Place: p.Place[:], Slot: uint32(p.Slot), Message: p.Bytes}).(type) {
	case *wire.Failure:
		return f.Code == wire.FailureLinkTaken, f.Code != wire.FailureLinkTaken
	default:
		return false, false
	}
}

// phoneRuns and laptopRuns are the two runners.
type (
	phoneRuns  struct{ *alice }
	laptopRuns struct{ *alice }
)

func (r phoneRuns) Post(p linking.Post) error {
	if r.phoneOn == nil {
		return nil // it is posted when there is a line again
	}
	taken, lost := posts(r.phoneOn, p)
	if taken {
		r.toPhoneNext = append(r.toPhoneNext, linking.Taken{})
	}
	if lost {
		r.breaks(&r.phoneOn)
	}
	return nil
}

func (r phoneRuns) Ask(e linking.Ask) error { r.onPhone = e.Digits; return nil }
func (r phoneRuns) Keep(linking.Keep) error { panic("the phone keeps nothing") }
func (r phoneRuns) Look(linking.Look) error { panic("the phone looks for nothing") }
func (r phoneRuns) End(e linking.End) error { r.phoneEnd = e.Why; return nil }
func (r phoneRuns) Sign(e linking.Sign) error {
	if r.signed != nil {
		r.t.Fatal("the phone signs twice")
	}
	chain := r.chain // what the phone has read last
	for chain.Head() != e.Parent {
		var err error
		if chain, err = chain.At(chain.Len() - 1); err != nil || chain.Len() == 1 {
			r.t.Fatalf("no chain has this head: %v", err)
		}
	}
	next, err := chain.By(r.phone.id(), r.phone.key, e.Device)
	if err != nil {
		r.t.Fatalf("the chain refuses what the sponsor accepted: %v", err)
	}
	entries := next.Wire().Entries
	r.signed, r.signedT = &entries[len(entries)-1], r.sponsor.Transcript()
	return nil
}

func (r laptopRuns) Post(p linking.Post) error {
	if r.laptopOn == nil {
		return nil
	}
	taken, lost := posts(r.laptopOn, p)
	if taken {
		r.toLaptopNext = append(r.toLaptopNext, linking.Taken{})
	}
	if lost {
		r.breaks(&r.laptopOn)
	}
	return nil
}

func (r laptopRuns) Ask(e linking.Ask) error   { r.onLaptop = e.Digits; return nil }
func (r laptopRuns) Sign(linking.Sign) error   { panic("the laptop signs nothing") }
func (r laptopRuns) Keep(e linking.Keep) error { r.toKeep = &e.Asked; return nil }
func (r laptopRuns) Look(linking.Look) error   { return nil }
func (r laptopRuns) End(e linking.End) error   { r.laptopEnd = e.Why; return nil }

// breaks ends a line.
func (a *alice) breaks(l **line) {
	if *l != nil {
		(*l).ends()
		*l = nil
	}
}

// toPhone and toLaptop apply an event, and what follows from it.
func (a *alice) toPhone(ev linking.Event) {
	a.t.Helper()
	for a.toPhoneNext = append(a.toPhoneNext, ev); len(a.toPhoneNext) > 0; {
		ev, a.toPhoneNext = a.toPhoneNext[0], a.toPhoneNext[1:]
		next, effects, err := a.sponsor.Apply(ev)
		if err != nil {
			a.t.Fatalf("phone, %T: %v", ev, err)
		}
		a.sponsor = next
		for _, e := range effects {
			if err := e.Run(phoneRuns{a}); err != nil {
				a.t.Fatal(err)
			}
		}
	}
}

func (a *alice) toLaptop(ev linking.Event) {
	a.t.Helper()
	for a.toLaptopNext = append(a.toLaptopNext, ev); len(a.toLaptopNext) > 0; {
		ev, a.toLaptopNext = a.toLaptopNext[0], a.toLaptopNext[1:]
		next, effects, err := a.joiner.Apply(ev)
		if err != nil {
			a.t.Fatalf("laptop, %T: %v", ev, err)
		}
		a.joiner = next
		for _, e := range effects {
			if err := e.Run(laptopRuns{a}); err != nil {
				a.t.Fatal(err)
			}
		}
	}
}

// phoneComes connects the phone: it opens the place, or comes back to it.
func (a *alice) phoneComes() {
	a.t.Helper()
	if a.phoneOn != nil {
		return
	}
	a.phoneOn = &line{h: a.hall, by: owner(a.chain, a.phone)}
	p := a.sponsor.Place()
	switch f := a.phoneOn.ask(&wire.OpenLink{Place: p[:]}).(type) {
	case *wire.Done:
		a.toPhone(linking.Connected{})
	case *wire.Failure:
		if a.breaks(&a.phoneOn); f.Code == wire.FailureLinkTaken {
			a.toPhone(linking.Taken{})
		}
	}
}

// laptopComes connects the laptop, which asks again later where nobody waits yet.
func (a *alice) laptopComes() {
	a.t.Helper()
	if a.laptopOn != nil {
		return
	}
	a.laptopOn = a.stranger()
	p := a.joiner.Place()
	if _, ok := a.laptopOn.ask(&wire.MeetLink{Place: p[:]}).(*wire.Done); !ok {
		a.breaks(&a.laptopOn)
		return
	}
	a.toLaptop(linking.Connected{})
}

// hear has a device take the first n of what it was told.
func (a *alice) hear(l *line, n int, apply func(linking.Event)) {
	a.t.Helper()
	if l == nil {
		return
	}
	for ; n > 0 && len(l.told) > 0; n-- {
		body := l.told[0]
		l.told = l.told[1:]
		switch m := body.(type) {
		case *wire.LinkArrived:
			apply(linking.Arrived{Slot: linking.Slot(m.Slot), Bytes: m.Message, At: a.now})
		case *wire.LinkTaken:
			apply(linking.Taken{})
		case *wire.LinkClosed:
			apply(linking.Closed{})
		default:
			a.t.Fatalf("a %T is pushed", m)
		}
	}
}

// keeps makes what the laptop asked for durable, and tells it.
func (a *alice) keeps() {
	a.t.Helper()
	if a.toKeep != nil && a.kept == nil && a.laptopEnd == 0 {
		a.kept = a.toKeep
		a.toLaptop(linking.Kept{})
	}
}

// offers presents what the phone signed to the directory.
func (a *alice) offers(phoneUp bool) {
	a.t.Helper()
	if a.signed == nil || a.listed() {
		return
	}
	next, err := a.chain.Extend(*a.signed)
	if err == nil {
		a.chain = next
	}
	if !phoneUp || a.phoneEnd != 0 {
		return
	}
	if err == nil {
		a.toPhone(linking.Added{})
	} else {
		a.toPhone(linking.Lost{})
	}
}

// listed reports whether the laptop is on the chain.
func (a *alice) listed() bool {
	_, ok := a.chain.Device(a.laptop.id())
	return ok
}
