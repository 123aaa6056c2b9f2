package linking

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// noon is when alice makes a code.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

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

// fataler is what tests and rapid's cases have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

var _ fataler = (*testing.T)(nil)

// account begins an account with two devices.
func account(t fataler, first, second device) devchain.Chain {
	t.Helper()
	c, err := devchain.Begin(first.keys, nil, first.key)
	if err != nil {
		t.Fatal(err)
	}
	return add(t, c, first, second)
}

// add has one device add another.
func add(t fataler, c devchain.Chain, by, what device) devchain.Chain {
	t.Helper()
	c, err := c.By(by.id(), by.key, &wire.AddDevice{Device: what.keys, Consent: c.Consent(what.keys, what.key)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var serverKey = [ed25519.PublicKeySize]byte{1, 2, 3}

// aliceName is what every account here is called.
var aliceName, _ = ident.ParseName("alice")

// alice links her laptop by her phone, in a world where nothing goes wrong unless
// the test does it.
type alice struct {
	t      fataler
	phone  device
	tablet device // of the account too
	laptop device
	chain  devchain.Chain // at the relay
	code   Code
	now    time.Time

	sponsor Sponsor
	signed  *wire.SignedEntry // durable at the phone, and offered
	signedT [32]byte
	joiner  Joiner
	toKeep  *Asked
	kept    *Asked // durable at the laptop

	posted   [slots][][]byte // all that was ever posted
	onPhone  string          // the digits on its screen
	onLaptop string
	looked   int
	phoneEnd Why
	laptpEnd Why
}

func newAlice(t fataler) *alice {
	t.Helper()
	a := &alice{t: t, phone: newDevice(), tablet: newDevice(), laptop: newDevice(), code: NewCode(), now: noon}
	a.chain = account(t, a.phone, a.tablet)
	var err error
	if a.sponsor, err = NewSponsor(a.code, serverKey, aliceName, a.chain, a.phone.id(), a.now); err != nil {
		t.Fatal(err)
	}
	if a.joiner, err = NewJoiner(a.code, serverKey, a.laptop.keys, a.laptop.key, a.now); err != nil {
		t.Fatal(err)
	}
	return a
}

// phoneRuns and laptopRuns are the two runners.
type (
	phoneRuns  struct{ *alice }
	laptopRuns struct{ *alice }
)

func (a *alice) post(p Post) error {
	if len(p.Bytes) != Size || p.Place != a.sponsor.Place() {
		a.t.Fatalf("%d bytes are posted, at %x", len(p.Bytes), p.Place)
	}
	a.posted[p.Slot] = append(a.posted[p.Slot], p.Bytes)
	return nil
}

func (r phoneRuns) Post(p Post) error { return r.post(p) }
func (r phoneRuns) Ask(e Ask) error   { r.onPhone = e.Digits; return nil }
func (r phoneRuns) Keep(Keep) error   { panic("the phone keeps nothing") }
func (r phoneRuns) Look(Look) error   { panic("the phone looks for nothing") }
func (r phoneRuns) End(e End) error   { r.phoneEnd = e.Why; return nil }
func (r phoneRuns) Sign(e Sign) error {
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

func (r laptopRuns) Post(p Post) error { return r.post(p) }
func (r laptopRuns) Ask(e Ask) error   { r.onLaptop = e.Digits; return nil }
func (r laptopRuns) Sign(Sign) error   { panic("the laptop signs nothing") }
func (r laptopRuns) Keep(e Keep) error { r.toKeep = &e.Asked; return nil }
func (r laptopRuns) Look(Look) error   { r.looked++; return nil }
func (r laptopRuns) End(e End) error   { r.laptpEnd = e.Why; return nil }

// toPhone and toLaptop apply an event.
func (a *alice) toPhone(ev Event) {
	a.t.Helper()
	next, effects, err := a.sponsor.Apply(ev)
	if err != nil {
		a.t.Fatalf("phone, %T: %v", ev, err)
	}
	a.sponsor = next
	run(a.t, phoneRuns{a}, effects)
}

func (a *alice) toLaptop(ev Event) {
	a.t.Helper()
	next, effects, err := a.joiner.Apply(ev)
	if err != nil {
		a.t.Fatalf("laptop, %T: %v", ev, err)
	}
	a.joiner = next
	run(a.t, laptopRuns{a}, effects)
}

func run(t fataler, r Runner, effects []Effect) {
	t.Helper()
	for _, e := range effects {
		if err := e.Run(r); err != nil {
			t.Fatal(err)
		}
	}
}

// carry takes the first message of a slot, as an honest relay does.
func (a *alice) carry(s Slot) {
	a.t.Helper()
	if len(a.posted[s]) == 0 {
		a.t.Fatalf("nobody posted %s", names[s])
	}
	a.arrives(s, a.posted[s][0])
}

func (a *alice) arrives(s Slot, b []byte) {
	a.t.Helper()
	if ev := (Arrived{s, b, a.now}); s == Offer || s == Verdict {
		a.toLaptop(ev)
	} else {
		a.toPhone(ev)
	}
}

// keeps makes what the laptop asked for durable, and tells it.
func (a *alice) keeps() {
	a.t.Helper()
	a.kept = a.toKeep
	a.toLaptop(Kept{})
}

// offers presents what the phone signed to the relay, whose word it hears.
func (a *alice) offers() {
	a.t.Helper()
	next, err := a.chain.Extend(*a.signed)
	if err != nil {
		a.toPhone(Lost{})
		return
	}
	a.chain = next
	a.toPhone(Added{})
}

// steps are what happens where nothing goes wrong, in one order of several.
var steps = []func(*alice){
	func(a *alice) { a.toLaptop(Connected{}) },
	func(a *alice) { a.toPhone(Connected{}) },
	func(a *alice) { a.carry(Hello) },
	func(a *alice) { a.carry(Offer) },
	func(a *alice) { a.carry(Open) },
	func(a *alice) { a.toPhone(Agreed{a.now}) },
	func(a *alice) { a.toLaptop(Agreed{a.now}) },
	func(a *alice) { a.keeps() },
	func(a *alice) { a.carry(Consent) },
	func(a *alice) { a.offers() },
	func(a *alice) { a.carry(Verdict) },
	func(a *alice) { a.toLaptop(Shown{a.chain}) },
}

// listed reports whether the laptop is on the chain.
func (a *alice) listed() bool {
	_, ok := a.chain.Device(a.laptop.id())
	return ok
}
