package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/session"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// Device is what the relay has of a device.
type Device struct {
	Account ident.AccountID
	SignIn  []byte // public key
	Active  bool
	Counter uint64
	// Hash is the SHA-256 of the delivery token, zero before the first sign-in.
	Hash [session.HashSize]byte
}

// Devices reads devices; those that are not known come back as nil.
func (d Directory) Devices(ctx context.Context, ids []ident.DeviceID) ([]*Device, error) {
	out := make([]*Device, len(ids))
	err := d.Store.View(ctx, func(r store.Reader) error {
		for i, id := range ids {
			var kept wire.KeptDevice
			ok, err := d.get(r, d.deviceKey(id), &kept)
			if err != nil {
				return err
			}
			if ok {
				out[i] = device(&kept)
			}
		}
		return nil
	})
	return out, err
}

// SignIn makes the counter and the delivery hash of a sign-in durable, whose
// signature must have been verified. It returns [session.ErrOldCopy] if the
// counter is not above that of an earlier one, and [session.ErrRemoved]. If the
// device was off its chain since its last sign-in, back is called, which may add
// to the commit; it may be called several times.
func (d Directory) SignIn(ctx context.Context, s session.SignIn, back func(*store.Batch)) (Stock, error) {
	var stock Stock
	// Y2: the counter, the delivery hash, and what was missed meanwhile. After a
	// crash before this commit the counter is still unused; after one behind it
	// the device comes with a higher one.
	err := d.update(ctx, func(r store.Reader, b *store.Batch) error {
		key := d.deviceKey(s.Device)
		var kept wire.KeptDevice
		ok, err := d.get(r, key, &kept)
		if err != nil {
			return err
		}
		switch {
		case !ok:
			return ErrNoDevice
		case !kept.Active:
			return session.ErrRemoved
		case s.Counter <= kept.Counter:
			return session.ErrOldCopy
		}
		if kept.Returned {
			kept.Returned = false
			back(b)
		}
		kept.Counter, kept.DeliveryHash = s.Counter, s.Hash[:]
		d.set(b, key, &kept)
		stock, err = d.stock(r, s.Device)
		return err
	})
	return stock, err
}

// introduce makes the record of a device that a chain brings, or makes it
// active again.
func (d Directory) introduce(r store.Reader, b *store.Batch, account ident.AccountID, dev devchain.Device) error {
	key := d.deviceKey(dev.ID)
	var kept wire.KeptDevice
	ok, err := d.get(r, key, &kept)
	if err != nil {
		return err
	}
	if ok && ident.AccountID(kept.Account) != account {
		return ErrDeviceTaken
	}
	if !ok {
		kept = wire.KeptDevice{Account: account[:], SignIn: dev.Keys.SignIn}
	}
	kept.Returned = kept.Returned || (ok && !kept.Active)
	kept.Active = true
	d.set(b, key, &kept)
	return nil
}

// retire makes a device unable to sign in and drops its key packages.
func (d Directory) retire(r store.Reader, b *store.Batch, id ident.DeviceID) error {
	key := d.deviceKey(id)
	var kept wire.KeptDevice
	ok, err := d.get(r, key, &kept)
	if err != nil || !ok {
		return err
	}
	kept.Active, kept.DeliveryHash = false, nil
	d.set(b, key, &kept)
	return d.dropKeyPackages(r, b, id)
}

// AppendChain presents entries of an account's chain, from the first that the
// relay may lack, or the whole chain with its line. They are taken if they
// extend the chain that is held or recover from it; whoever came first stays, so
// that the directory never holds a fork. It returns the account as it then
// stands and the devices that it lost. Of those who have not signed in it takes
// what the recovery key alone signed, which proves itself (ADR 43).
func (d Directory) AppendChain(ctx context.Context, id ident.AccountID, signedIn bool, entries, line []wire.SignedEntry) (Account, []ident.DeviceID, error) {
	if !signedIn && !proven(entries) {
		return Account{}, nil, ErrChain
	}
	var account Account
	var lost []ident.DeviceID
	// Y3: a crash leaves the old chain with its devices or the new one with its
	// own. The mailboxes of lost devices are emptied afterwards (Y4).
	err := d.update(ctx, func(r store.Reader, b *store.Batch) (err error) {
		lost = nil
		if account, err = d.account(r, id); err != nil {
			return err
		}
		old, err := devchain.Verify(account.Chain)
		if err != nil {
			return atrest.ErrDamaged // it was verified when it was written
		}
		next, err := extend(old, entries, line)
		if err != nil {
			return err
		}
		if rel := devchain.Relate(old, next); rel != devchain.Extends && rel != devchain.Recovered {
			return nil
		}
		if next.Wire().EncodedLen() > MaxChainSize {
			return ErrChainTooLong
		}
		before := account.Active
		account.Chain, account.Active = next.Wire(), nil
		kept := wire.KeptAccount{Name: account.Name, Since: account.Since, Chain: account.Chain}
		for _, dev := range next.Devices() {
			account.Active = append(account.Active, dev.ID)
			kept.Active = append(kept.Active, dev.ID[:])
			if slices.Contains(before, dev.ID) {
				continue
			}
			if err := d.introduce(r, b, id, dev); err != nil {
				return err
			}
		}
		for _, dev := range before {
			if slices.Contains(account.Active, dev) {
				continue
			}
			lost = append(lost, dev)
			if err := d.retire(r, b, dev); err != nil {
				return err
			}
		}
		d.set(b, d.accountKey(id), &kept)
		return nil
	})
	return account, lost, err
}

// proven reports whether all of entries are signed by a recovery key, as they
// say.
func proven(entries []wire.SignedEntry) bool {
	return !slices.ContainsFunc(entries, func(signed wire.SignedEntry) bool {
		var e wire.ChainEntry
		return e.Parse(signed.Entry) != nil || e.Height == 0 || len(e.Signer) != 0
	})
}

// extend returns the chain after entries, or one that was presented whole. It
// returns c itself where another entry came first.
func extend(c devchain.Chain, entries, line []wire.SignedEntry) (devchain.Chain, error) {
	if len(entries) == 0 || len(entries)+len(line) > devchain.MaxEntries {
		return c, ErrChain
	}
	var first wire.ChainEntry
	if err := first.Parse(entries[0].Entry); err != nil {
		return c, ErrChain
	}
	if first.Height == 0 {
		next, err := devchain.Verify(&wire.Chain{Entries: entries, Line: line})
		if err != nil || next.ID() != c.ID() {
			return c, ErrChain
		}
		return next, nil
	}
	if len(line) > 0 {
		return c, ErrChain
	}
	next := c
	for i, e := range entries {
		if at := first.Height + uint64(i) + 1; next.Contains(at, devchain.EntryHash(e.Entry)) {
			continue // offered again
		}
		var err error
		if next, err = next.Extend(e); errors.Is(err, devchain.ErrLate) {
			return c, nil
		} else if err != nil {
			return c, ErrChain
		}
	}
	return next, nil
}

func (d Directory) deviceKey(id ident.DeviceID) []byte {
	tag := d.Keys.Tag(atrest.Device, id[:])
	return atrest.Key(atrest.Device, tag[:])
}

func device(kept *wire.KeptDevice) *Device {
	out := &Device{Account: ident.AccountID(kept.Account), SignIn: kept.SignIn, Active: kept.Active, Counter: kept.Counter}
	copy(out.Hash[:], kept.DeliveryHash)
	return out
}
