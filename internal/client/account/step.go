package account

import (
	"bytes"
	"errors"
	"slices"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// ErrForked says that the own device list is contradicted by another one.
var ErrForked = errors.New("two device lists of your account contradict each other: nobody would believe a new device; recover the account with its phrase first")

// ErrUnlisted says that this device does not speak for its account (ADR 10).
var ErrUnlisted = errors.New("this device is not on every device list of your account that was seen, so nobody would believe it and it sends nothing: recover the account with its phrase, or have another device remove this one and add it again")

// Step returns the own chain with the step that is to be offered: the one that
// was signed last, if it still fits, or a new one, which p keeps then. done is
// false if that one was meant for something else. want says which step it is to
// be.
func (me *Me) Step(p *Pin, want func(devchain.Chain) (wire.ChainEntryAction, error)) (next devchain.Chain, done bool, err error) {
	action, err := want(p.Chain)
	if old := p.Record.Offered; old != nil {
		var e wire.ChainEntry
		if err2 := e.Parse(old.Entry); err2 != nil {
			return next, false, err2
		}
		same := err == nil && sameAction(e.Action, action)
		if same && p.Chain.Contains(e.Height+1, devchain.EntryHash(old.Entry)) {
			return p.Chain, true, nil // it was taken, and the answer was lost
		}
		if again, err2 := p.Chain.Extend(*old); err2 == nil {
			return again, same, nil
		}
	}
	if err != nil {
		return next, false, err
	}
	if _, adds := action.(*wire.AddDevice); adds && p.View.Forked() {
		return next, false, ErrForked
	}
	if next, err = me.Extend(p.Chain, action); err != nil {
		return next, false, err
	}
	entries := next.Wire().Entries
	p.Record.Offered = &entries[len(entries)-1]
	return next, true, nil
}

// maxRefused bounds the devices that are looked for: each was linked by hand.
const maxRefused = 64

// Refused notes that the server says that it took nothing of a step. It has the
// step and can take it later. A device that it adds is looked for, and another
// step may be signed in its place once the chain was read; a step that adds none
// stays the next to be offered, byte for byte. It reports whether it changed
// anything.
func (p *Pin) Refused(step wire.SignedEntry) bool {
	var e wire.ChainEntry
	if e.Parse(step.Entry) != nil {
		return false
	}
	add, ok := e.Action.(*wire.AddDevice)
	if !ok {
		return false
	}
	id := devchain.DeviceID(add.Device)
	list := slices.DeleteFunc(slices.Clone(p.Record.Refused), func(b []byte) bool { return bytes.Equal(b, id[:]) })
	p.Record.Refused = append(list[max(0, len(list)-maxRefused+1):], id[:])
	if o := p.Record.Offered; o != nil && bytes.Equal(o.Entry, step.Entry) {
		p.Record.Offered = nil
	}
	return true
}

// came returns the devices of refused steps that the chain lists all the same, and
// looks for them no more.
func (p *Pin) came() (out []ident.DeviceID) {
	p.Record.Refused = slices.DeleteFunc(slices.Clone(p.Record.Refused), func(b []byte) bool {
		id, err := ident.DeviceIDFrom(b)
		d, known := p.Chain.Device(id)
		if known && d.Active {
			out = append(out, id)
		}
		return known || err != nil
	})
	return out
}

func sameAction(a, b wire.ChainEntryAction) bool {
	x, y := wire.ChainEntry{Action: a}, wire.ChainEntry{Action: b}
	return bytes.Equal(x.Append(nil), y.Append(nil))
}

// Why a step is not signed.
var (
	// ErrDone says that the chain has what it was to bring.
	ErrDone     = errors.New("done already")
	ErrNoDevice = errors.New("the account has no device with this id: see the list of devices")
)

// Remove is the step that ends a device, for [Me.Step].
func Remove(id ident.DeviceID) func(devchain.Chain) (wire.ChainEntryAction, error) {
	signed := false
	return func(chain devchain.Chain) (wire.ChainEntryAction, error) {
		switch d, ok := chain.Device(id); {
		case ok && !d.Active && signed:
			return nil, ErrDone // the answer was lost
		case !ok || !d.Active:
			return nil, ErrNoDevice
		}
		signed = true
		return &wire.RemoveDevice{Device: id[:]}, nil
	}
}

// SetRecovery is the step that gives an account its recovery key, whose public
// half it is, for [Me.Step].
func SetRecovery(public []byte) func(devchain.Chain) (wire.ChainEntryAction, error) {
	return func(chain devchain.Chain) (wire.ChainEntryAction, error) {
		switch has := chain.Recovery(); {
		case bytes.Equal(has, public):
			return nil, ErrDone
		case len(has) > 0:
			return nil, ErrHasPhrase
		}
		return &wire.SetRecovery{Recovery: public}, nil
	}
}
