package account

import (
	"errors"
	"fmt"

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
	Chain  devchain.Chain
}

// Seen is what a chain shown by somebody changed.
type Seen struct {
	// Changed: the chain that holds is another than before.
	Changed bool
	// Forked: the two contradict each other; the owner must be told.
	Forked bool
}

// NewPin pins an account as it is first seen.
func NewPin(chain devchain.Chain) Pin {
	id := chain.ID()
	return Pin{Record: wire.PinRecord{Account: id[:], Chain: chain.Wire()}, Chain: chain}
}

// PinFrom restores a pin.
func PinFrom(rec wire.PinRecord) (Pin, error) {
	if rec.Chain == nil {
		return Pin{}, errors.New("pinned account: its chain is missing")
	}
	chain, err := devchain.Verify(rec.Chain)
	if err != nil {
		return Pin{}, fmt.Errorf("pinned account: %w", err)
	}
	return Pin{rec, chain}, nil
}

// ID is the account pinned.
func (p Pin) ID() ident.AccountID { return p.Chain.ID() }

// See holds a verified chain of the same account against the pin and keeps the
// one that holds. A chain shorter than the pinned one changes nothing: whoever
// shows it is behind.
func (p Pin) See(chain devchain.Chain) (Pin, Seen) {
	better, rel := devchain.Better(p.Chain, chain)
	var seen Seen
	switch rel {
	case devchain.Forked:
		seen.Forked = !p.Record.Forked // told once
		p.Record.Forked = true
	case devchain.Recovered:
		p.Record.Forked = false // the recovery key has spoken
	case devchain.Same, devchain.Extends, devchain.Extended, devchain.Foreign:
	}
	if better.Head() != p.Chain.Head() && rel != devchain.Foreign {
		seen.Changed = true
		p.Chain, p.Record.Chain = better, better.Wire()
	}
	return p, seen
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
