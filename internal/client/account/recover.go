package account

import (
	"errors"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// ErrNoPhrase says that an account has no recovery key.
var ErrNoPhrase = errors.New("this account has no recovery phrase: only one of its devices can let this one in, with a code")

// ErrHasPhrase says that an account has another recovery key.
var ErrHasPhrase = errors.New("this account has a recovery phrase already: a device can't change it")

// Recover makes this device the only one of an account: key is the account's
// recovery key, which signs all that. It goes back to the first entry that knows
// a recovery key, so that whatever was signed behind it, in any view of the
// chain, is void; then it removes who was listed there. It returns the chain and
// what has to be presented of it.
func (m *Me) Recover(c devchain.Chain, key sign.Key) (devchain.Chain, []wire.SignedEntry, error) {
	for n := uint64(1); n <= c.Len(); n++ {
		base, err := c.At(n)
		if err != nil {
			return c, nil, err
		}
		if len(base.Recovery()) == 0 {
			continue
		}
		m.Account = c.ID()
		next, err := c.Recover(n, key, m.Request(base))
		for _, d := range base.Devices() {
			if err == nil {
				next, err = next.By(ident.DeviceID{}, key, &wire.RemoveDevice{Device: d.ID[:]})
			}
		}
		if err != nil {
			return c, nil, err
		}
		return next, next.Wire().Entries[n:], nil
	}
	return c, nil, ErrNoPhrase
}
