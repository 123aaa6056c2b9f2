package account

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// ErrChain says that the directory showed a chain that does not hold.
var ErrChain = errors.New("the server shows a device list that does not hold")

// Pin is what this device knows of an account and holds everybody to. It is a
// value: See returns another one.
type Pin struct {
	Record wire.PinRecord
	// Chain is the one held: to show and to extend. Whom it names need not be
	// listed.
	Chain devchain.Chain
	// View is all that was seen, and tells who is listed.
	View devchain.View
}

// Seen is what a chain shown by somebody changed.
type Seen struct {
	// Changed: the pin is another than before and must be kept.
	Changed bool
	// Forked: the two contradict each other; the owner must be told.
	Forked bool
	// Listed: other devices speak for the account than before.
	Listed bool
	// Came are devices that the server said it had not listed, and lists now.
	Came []ident.DeviceID
}

// NewPin pins an account as it is first seen.
func NewPin(chain devchain.Chain) Pin {
	id := chain.ID()
	return Pin{Record: wire.PinRecord{Account: id[:], Chain: chain.Wire()}, Chain: chain, View: devchain.See(chain)}
}

// PinFrom restores a pin.
func PinFrom(rec wire.PinRecord) (Pin, error) {
	if rec.Chain == nil {
		return Pin{}, errors.New("pinned account: its chain is missing")
	}
	view, err := devchain.ReadView(rec.Chain, rec.Forks)
	if err != nil {
		return Pin{}, fmt.Errorf("pinned account: %w", err)
	}
	return Pin{rec, view.Held(), view}, nil
}

// ID is the account pinned.
func (p Pin) ID() ident.AccountID { return p.Chain.ID() }

// See adds a verified chain of the same account to what is pinned. A chain that
// says nothing new changes nothing: whoever shows it is behind.
func (p Pin) See(chain devchain.Chain) (Pin, Seen) {
	view, err := p.View.Learn(chain)
	if err != nil {
		return p, Seen{} // of another account
	}
	chains := func(v devchain.View) []devchain.Chain { return append(v.Forks(), v.Held()) }
	if slices.EqualFunc(chains(view), chains(p.View), func(a, b devchain.Chain) bool { return a.Head() == b.Head() }) {
		return p, Seen{}
	}
	seen := Seen{
		Changed: true,
		Forked:  view.Forked() && !p.Record.Forked, // told once, until a recovery settles it
		Listed: !slices.EqualFunc(view.Listed(), p.View.Listed(), func(a, b devchain.Device) bool {
			return a.ID == b.ID
		}),
	}
	p.View, p.Chain = view, view.Held()
	p.Record.Chain, p.Record.Forks = view.Wire()
	p.Record.Forked = view.Forked()
	seen.Came = p.came()
	return p, seen
}

// Alarms are what the owner is told of what a chain changed; own is the account of
// this device.
func (p Pin) Alarms(seen Seen, own ident.AccountID) (out []*wire.KeyChangedEvent) {
	if seen.Forked {
		out = append(out, p.contradiction(p.ID() == own))
	}
	for _, d := range seen.Came {
		out = append(out, &wire.KeyChangedEvent{Account: p.Record.Account, Name: p.Record.Name, Text: fmt.Sprintf(cameText, d, d)})
	}
	return out
}

// cameText is told of a device that a server took into the list though it had
// said that it did not.
const cameText = "the server said that it had not let the device %s into your account, and lists it now: unless you have it in your hand, remove it (byre devices remove %s)"

// contradiction tells that the lists of an account contradict each other.
func (p Pin) contradiction(own bool) *wire.KeyChangedEvent {
	text := "two device lists of %s contradict each other: somebody may be reading along; devices that only one of them names are left out until the recovery phrase settles it; compare safety numbers and ask about the devices"
	if p.View.Contested() {
		text = "the recovery phrase of %s was used in two places: nobody can tell who owns the account any more, and no new device of it is believed; ask for a new account"
	}
	name := cmp.Or(p.Record.Name, "somebody you talk to")
	if own {
		name = "your own account"
	}
	return &wire.KeyChangedEvent{Account: p.Record.Account, Name: p.Record.Name, Text: fmt.Sprintf(text, name)}
}

// Admits returns ErrLeaf unless a member's device is listed, by all that was seen
// and what the member itself shows.
func (p Pin) Admits(m Member) error {
	if view, err := p.View.Learn(m.Chain); err != nil || !view.Lists(m.Device) {
		return fmt.Errorf("%w: its device does not speak for its account any more", ErrLeaf)
	}
	return nil
}

// ReadChain verifies what the directory says of an account.
func ReadChain(a *wire.Account) (devchain.Chain, error) {
	if a.Chain == nil {
		return devchain.Chain{}, fmt.Errorf("%w: there is none", ErrChain)
	}
	chain, err := devchain.Verify(a.Chain)
	if err != nil {
		return devchain.Chain{}, fmt.Errorf("%w: %w", ErrChain, err)
	}
	id := chain.ID()
	if got, err := ident.AccountIDFrom(a.Account); err != nil || got != id {
		return devchain.Chain{}, fmt.Errorf("%w: it is of another account", ErrChain)
	}
	return chain, nil
}
