package devchain

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// authorise checks that the entry is signed by who may sign it at c.
func (c Chain) authorise(e *wire.ChainEntry, signed wire.SignedEntry) error {
	key := c.recovery
	if len(e.Signer) != 0 {
		id, err := ident.DeviceIDFrom(e.Signer)
		if err != nil {
			return fmt.Errorf("%w: signer: %w", ErrInvalid, err)
		}
		d, ok := c.Device(id)
		if !ok || !d.Active {
			return fmt.Errorf("%w: the signer is not a device of the account", ErrInvalid)
		}
		key = d.Keys.Chain
	} else if len(key) == 0 {
		return fmt.Errorf("%w: the account has no recovery key", ErrInvalid)
	}
	if err := sign.Verify(key, sign.Chain, signed.Signature, signed.Entry); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// apply returns c after the effect of an entry that is authorised, without its
// step.
func (c Chain) apply(e *wire.ChainEntry) (Chain, error) {
	switch a := e.Action.(type) {
	case *wire.AddDevice:
		if err := c.consented(e, a); err != nil {
			return c, err
		}
		by, _ := ident.DeviceIDFrom(e.Signer) // zero for the recovery key
		return c.introduce(a.Device, e.Height, by)
	case *wire.RemoveDevice:
		return c.remove(e, a)
	case *wire.SetRecovery:
		if len(a.Recovery) != sign.PublicSize {
			return c, fmt.Errorf("%w: the recovery key has not %d bytes", ErrInvalid, sign.PublicSize)
		}
		if len(e.Signer) != 0 && len(c.recovery) != 0 {
			return c, fmt.Errorf("%w: only the recovery key changes the recovery key", ErrInvalid)
		}
		c.recovery = a.Recovery
		return c, nil
	case *wire.Genesis:
		return c, fmt.Errorf("%w: a second genesis", ErrInvalid)
	case nil:
		return c, fmt.Errorf("%w: the entry does nothing this byre knows", ErrInvalid)
	}
	return c, fmt.Errorf("%w: unknown action %T", ErrInvalid, e.Action)
}

// introduce adds a device that was never there before.
func (c Chain) introduce(keys *wire.DeviceKeys, height uint64, by ident.DeviceID) (Chain, error) {
	if keys == nil || keys.Algorithms != algorithmsV1 {
		return c, fmt.Errorf("%w: the device's key algorithms are not known; a newer byre may know them", ErrInvalid)
	}
	if len(keys.Chain) != sign.PublicSize || len(keys.SignIn) != sign.PublicSize || len(keys.Mls) != sign.PublicSize || len(keys.Box) != boxKeySize {
		return c, fmt.Errorf("%w: a device key has a wrong size", ErrInvalid)
	}
	own := [][]byte{keys.Chain, keys.SignIn, keys.Mls, c.recovery}
	for i, a := range own {
		if slices.ContainsFunc(own[i+1:], func(b []byte) bool { return bytes.Equal(a, b) }) {
			return c, fmt.Errorf("%w: a device's keys must be distinct", ErrInvalid)
		}
	}
	for _, d := range c.devices {
		for _, used := range [][]byte{d.Keys.Chain, d.Keys.SignIn, d.Keys.Mls} {
			if slices.ContainsFunc(own[:3], func(k []byte) bool { return bytes.Equal(k, used) }) || bytes.Equal(d.Keys.Box, keys.Box) {
				return c, fmt.Errorf("%w: a device key was used before", ErrInvalid)
			}
		}
	}
	if len(c.Devices()) >= MaxDevices {
		return c, fmt.Errorf("%w: an account has at most %d devices", ErrInvalid, MaxDevices)
	}
	c.devices = append(slices.Clip(c.devices), Device{ID: DeviceID(keys), Keys: keys, Active: true, Since: height, By: by})
	return c, nil
}

// remove ends a device. The last one can be removed by the recovery key alone
// when it has added another, so an account is never without a device.
func (c Chain) remove(e *wire.ChainEntry, a *wire.RemoveDevice) (Chain, error) {
	i := slices.IndexFunc(c.devices, func(d Device) bool { return bytes.Equal(d.ID[:], a.Device) && d.Active })
	if i < 0 {
		return c, fmt.Errorf("%w: the device to remove is not active", ErrInvalid)
	}
	if len(c.Devices()) == 1 {
		return c, fmt.Errorf("%w: the last device can't be removed (entry %d)", ErrInvalid, e.Height)
	}
	c.devices = slices.Clone(c.devices)
	c.devices[i].Active = false
	return c, nil
}

// consented checks the new device's own signature.
func (c Chain) consented(e *wire.ChainEntry, a *wire.AddDevice) error {
	if a.Device == nil {
		return fmt.Errorf("%w: no device to add", ErrInvalid)
	}
	id := c.ID()
	if err := sign.Verify(a.Device.Chain, sign.Consent, a.Consent, id[:], e.Parent, a.Device.Append(nil)); err != nil {
		return fmt.Errorf("%w: the new device did not consent: %w", ErrInvalid, err)
	}
	return nil
}
