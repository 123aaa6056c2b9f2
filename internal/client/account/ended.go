package account

import (
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Ended reports whether an account has struck off a device of its own, beyond
// doubt (ADR 45): nothing that was seen contradicts the chain that goes through
// without it, not even a step that the device itself has signed and nobody took.
// A recovery entry voids what contradicts it. It is false where two lists
// contradict each other: whoever holds one key that was listed once can make them.
func (p Pin) Ended(me ident.DeviceID) bool {
	view := p.View
	if o := p.Record.Offered; o != nil {
		var e wire.ChainEntry
		if e.Parse(o.Entry) != nil {
			return false
		}
		if base, err := p.Chain.At(e.Height); err == nil {
			if own, err := base.Extend(*o); err == nil {
				view, _ = view.Learn(own) // of the same account
			}
		}
	}
	return !view.Forked() && !view.Lists(me)
}
