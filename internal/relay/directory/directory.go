// Package directory keeps who is who at this relay: names, accounts and their
// chains, devices and their key packages (docs/spec/relay.md, Directory). Every
// value is sealed and every key is a keyed hash; no name, account or device
// stands in the store in plain.
package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// MaxChainSize bounds a chain in bytes, so that an answer with it fits into a
// frame.
const MaxChainSize = 512 << 10

// What the directory refuses. The texts tell no names.
var (
	ErrNameTaken    = errors.New("this name belongs to another account, choose another")
	ErrNameAlike    = errors.New("this name looks like another account's, choose another")
	ErrOtherName    = errors.New("this account has another name already")
	ErrUnknown      = errors.New("there is no such account here")
	ErrNoName       = errors.New("nobody has this name here")
	ErrNoDevice     = errors.New("there is no such device here")
	ErrChain        = errors.New("the device chain does not hold")
	ErrChainTooLong = errors.New("the device chain is too long for this server")
	ErrInvitation   = errors.New("this server needs an invitation, and this one is not or no longer valid")
	ErrDeviceTaken  = errors.New("a device of the chain belongs to another account")
)

// Directory is a directory on a store. It is safe for concurrent use, with
// other directories on the same store too.
type Directory struct {
	Store store.Store
	Keys  *atrest.Keys
}

// Account is what the directory has of an account.
type Account struct {
	ID     ident.AccountID
	Name   string
	Since  int64 // unix seconds
	Chain  *wire.Chain
	Active []ident.DeviceID
}

// Register makes an account: name, chain and the mailboxes of its devices. It
// reports whether the account is new: repeating it with the same name and
// genesis is harmless. A use of the invitation is taken in the same commit,
// unless invitation is nil. A name that looks like another account's is refused
// as if it were taken (ident.Name.Shape).
func (d Directory) Register(ctx context.Context, now time.Time, name ident.Name, chain devchain.Chain, invitation []byte) (fresh bool, err error) {
	travel := chain.Wire()
	if travel.EncodedLen() > MaxChainSize {
		return false, ErrChainTooLong
	}
	id := chain.ID()
	nameKey, shapeKey, accountKey := d.nameKey(name), d.shapeKey(name), d.accountKey(id)
	// Y1: name, account and mailboxes. A crash before this commit leaves nothing
	// of the account, one behind it the whole; the device asks again either way.
	err = d.update(ctx, func(r store.Reader, b *store.Batch) error {
		fresh = false
		var owner wire.KeptName
		taken, err := d.get(r, nameKey, &owner)
		if err != nil {
			return err
		}
		if taken && ident.AccountID(owner.Account) != id {
			return ErrNameTaken
		}
		var like wire.KeptName
		if alike, err := d.get(r, shapeKey, &like); err != nil {
			return err
		} else if alike && ident.AccountID(like.Account) != id {
			return ErrNameAlike
		}
		var kept wire.KeptAccount
		known, err := d.get(r, accountKey, &kept)
		if err != nil {
			return err
		}
		if known && !taken {
			return ErrOtherName
		}
		if known {
			return nil // repeated: the answer was lost
		}
		if invitation != nil {
			if err := d.invited(r, b, invitation); err != nil {
				return err
			}
		}
		fresh = true
		d.set(b, nameKey, &wire.KeptName{Account: id[:]})
		d.set(b, shapeKey, &wire.KeptName{Account: id[:]})
		kept = wire.KeptAccount{Name: name.String(), Since: now.Unix(), Chain: travel}
		for _, dev := range chain.Devices() {
			kept.Active = append(kept.Active, dev.ID[:])
			if err := d.introduce(r, b, id, dev); err != nil {
				return err
			}
		}
		d.set(b, accountKey, &kept)
		return nil
	})
	return fresh && err == nil, err
}

// LookUp returns the account that has a name.
func (d Directory) LookUp(ctx context.Context, name ident.Name) (Account, error) {
	var a Account
	err := d.Store.View(ctx, func(r store.Reader) error {
		var owner wire.KeptName
		ok, err := d.get(r, d.nameKey(name), &owner)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNoName
		}
		a, err = d.account(r, ident.AccountID(owner.Account))
		return err
	})
	return a, err
}

// Account returns an account.
func (d Directory) Account(ctx context.Context, id ident.AccountID) (Account, error) {
	var a Account
	err := d.Store.View(ctx, func(r store.Reader) (err error) {
		a, err = d.account(r, id)
		return err
	})
	return a, err
}

func (d Directory) account(r store.Reader, id ident.AccountID) (Account, error) {
	var kept wire.KeptAccount
	ok, err := d.get(r, d.accountKey(id), &kept)
	if err != nil {
		return Account{}, err
	}
	if !ok {
		return Account{}, ErrUnknown
	}
	a := Account{ID: id, Name: kept.Name, Since: kept.Since, Chain: kept.Chain}
	for _, dev := range kept.Active {
		a.Active = append(a.Active, ident.DeviceID(dev))
	}
	return a, nil
}

func (d Directory) nameKey(n ident.Name) []byte {
	tag := d.Keys.Tag(atrest.Name, n.Key())
	return atrest.Key(atrest.Name, tag[:])
}

func (d Directory) shapeKey(n ident.Name) []byte {
	tag := d.Keys.Tag(atrest.Shape, n.Shape())
	return atrest.Key(atrest.Shape, tag[:])
}

func (d Directory) accountKey(id ident.AccountID) []byte {
	tag := d.Keys.Tag(atrest.Account, id[:])
	return atrest.Key(atrest.Account, tag[:])
}

// record is a message that has a Parse and an Append.
type record interface {
	Append(b []byte) []byte
	Parse(b []byte) error
}

// get reads and opens a record. The message holds copies.
func (d Directory) get(r store.Reader, key []byte, into record) (bool, error) {
	val, ok, err := r.Get(key)
	if err != nil || !ok {
		return false, err
	}
	plain, err := d.Keys.Open(key, val)
	if err != nil {
		return false, err
	}
	if err := into.Parse(plain); err != nil {
		return false, fmt.Errorf("%w: %w", atrest.ErrDamaged, err)
	}
	return true, nil
}

func (d Directory) set(b *store.Batch, key []byte, rec record) {
	b.Set(key, d.Keys.Seal(key, rec.Append(nil)))
}

func (d Directory) update(ctx context.Context, fn func(store.Reader, *store.Batch) error) error {
	return store.Update(ctx, d.Store, fn)
}
