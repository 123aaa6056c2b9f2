package account

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

// KeyPackageOptions tell what a key package is for.
type KeyPackageOptions struct {
	Suite      ciphersuite.ID
	Now        time.Time
	LastResort bool
	// Mute leaves the delivery token out: who uses it writes to the request box.
	Mute bool
	// After is the number of the leaf that it is to replace, 0: of none.
	After uint64
	// Rejoins is the room that it asks to come back into, empty: none.
	Rejoins []byte
}

// MadeAt is when a key package of [Me.KeyPackage] was made, by its device's word.
func MadeAt(k *group.KeyPackage) time.Time {
	seconds := min(k.Content().Leaf.Lifetime.NotBefore, math.MaxInt32<<8)
	return time.Unix(int64(seconds), 0).Add(Backdate)
}

var (
	// ErrForged says that the directory gave out a key package that its device
	// did not make.
	ErrForged = errors.New("the server gave out a forged key package")
	// ErrMissing says that a device has no key package at the directory.
	ErrMissing = errors.New("a device has no key package at the server")
)

// CheckKeyPackages checks what the directory gave out for an account against
// what is known of its chain: exactly one package for each device wanted, made
// by that device, good now and of the suite. Devices that are left out come back
// as missing.
func CheckKeyPackages(claimed []wire.ClaimedKeyPackage, view devchain.View, want []ident.DeviceID, suite ciphersuite.ID, now time.Time) (got []*group.KeyPackage, missing []ident.DeviceID, err error) {
	byDevice := map[ident.DeviceID]*group.KeyPackage{}
	for _, c := range claimed {
		id, err := ident.DeviceIDFrom(c.Device)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrForged, err)
		}
		kp, err := group.ParseKeyPackage(c.KeyPackage)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrForged, err)
		}
		m, err := ReadMember(kp.Leaf())
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrForged, err)
		}
		if m.Device != id || m.Account != view.Held().ID() {
			return nil, nil, fmt.Errorf("%w: it is another device's", ErrForged)
		}
		if known, err := view.Learn(m.Chain); err != nil || known.Forked() && !view.Forked() {
			return nil, nil, fmt.Errorf("%w: its chain contradicts the account's", ErrForged)
		}
		if kp.Validate(now, suite) != nil || !envelope.IsBoxKey(m.Keys.Box) {
			continue // too old, of another suite, or nothing can be sealed to it: as good as none
		}
		byDevice[id] = kp
	}
	for _, id := range want {
		switch kp := byDevice[id]; kp {
		case nil:
			missing = append(missing, id)
		default:
			got = append(got, kp)
		}
	}
	return got, missing, nil
}
