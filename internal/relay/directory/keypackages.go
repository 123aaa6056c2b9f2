package directory

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// Bounds of key packages.
const (
	MaxOneTime    = 16       // that stand there for one device
	MaxKeyPackage = 32 << 10 // bytes of one
)

var (
	// ErrTooMany says that more one-time key packages were published than may
	// stand there.
	ErrTooMany = errors.New("at most 16 one-time key packages of a device are kept")
	// ErrKeyPackage says that a key package is empty or too large.
	ErrKeyPackage = errors.New("a key package is empty or larger than 32 KiB")
)

// Stock is what stands there of a device's key packages.
type Stock struct {
	OneTime      int
	LastResort   bool
	LastResortAt int64 // unix seconds
	Bytes        uint64
}

// Publish adds one-time key packages of a device, after dropping those that
// stand there if replace is set, and replaces its last-resort one unless
// lastResort is empty.
func (d Directory) Publish(ctx context.Context, now time.Time, id ident.DeviceID, oneTime [][]byte, lastResort []byte, replace bool) error {
	if len(oneTime) > MaxOneTime {
		return ErrTooMany
	}
	for _, p := range oneTime {
		if len(p) == 0 || len(p) > MaxKeyPackage {
			return ErrKeyPackage
		}
	}
	if len(lastResort) > MaxKeyPackage {
		return ErrKeyPackage
	}
	// Y5: the list and what it names, or neither. A crash behind this commit
	// leaves key packages that the device does not count on; it makes others.
	return d.update(ctx, func(r store.Reader, b *store.Batch) error {
		listKey := d.listKey(id)
		var list wire.KeptKeyPackages
		if _, err := d.get(r, listKey, &list); err != nil {
			return err
		}
		if replace {
			for _, n := range list.OneTime {
				if err := d.drop(r, b, id, &list, n); err != nil {
					return err
				}
			}
			list.OneTime = nil
		}
		if len(list.OneTime)+len(oneTime) > MaxOneTime {
			return ErrTooMany
		}
		for _, p := range oneTime {
			list.OneTime = append(list.OneTime, d.put(b, id, &list, p))
		}
		if len(lastResort) > 0 {
			if list.LastResort != 0 {
				if err := d.drop(r, b, id, &list, list.LastResort); err != nil {
					return err
				}
			}
			list.LastResort, list.LastResortAt = d.put(b, id, &list, lastResort), now.Unix()
		}
		d.set(b, listKey, &list)
		return nil
	})
}

// Claim takes one key package for each device asked for that is active and has
// one; none asked for means all of the account. A one-time one is durably gone
// when Claim returns: it is given out once, also where two ask at the same time
// or the relay crashes. A crash behind the commit loses it, which harms nobody.
// sparing gives out last-resort ones alone.
func (d Directory) Claim(ctx context.Context, account ident.AccountID, devices []ident.DeviceID, sparing bool) ([]wire.ClaimedKeyPackage, error) {
	var out []wire.ClaimedKeyPackage
	// Y6: what is given out is gone. A crash before this commit gives out
	// nothing, one behind it loses a key package that nobody got.
	err := d.update(ctx, func(r store.Reader, b *store.Batch) error {
		out = nil
		a, err := d.account(r, account)
		if err != nil {
			return err
		}
		for _, id := range a.Active {
			if len(devices) > 0 && !slices.Contains(devices, id) {
				continue
			}
			p, err := d.claim(r, b, id, sparing)
			if err != nil {
				return err
			}
			if p != nil {
				out = append(out, *p)
			}
		}
		return nil
	})
	return out, err
}

func (d Directory) claim(r store.Reader, b *store.Batch, id ident.DeviceID, sparing bool) (*wire.ClaimedKeyPackage, error) {
	listKey := d.listKey(id)
	var list wire.KeptKeyPackages
	// The list is read under a guard: of two who take the same one, one fails
	// and comes again.
	if _, err := d.get(r, listKey, &list); err != nil {
		return nil, err
	}
	n, last := list.LastResort, true
	if len(list.OneTime) > 0 && !sparing {
		n, last = list.OneTime[0], false
	}
	if n == 0 {
		return nil, nil
	}
	p, err := d.open(r, id, n)
	if err != nil {
		return nil, err
	}
	if !last {
		list.OneTime = list.OneTime[1:]
		list.Bytes -= uint64(len(p))
		b.Delete(d.packageKey(id, n))
		d.set(b, listKey, &list)
	}
	return &wire.ClaimedKeyPackage{Device: id[:], KeyPackage: p, LastResort: last}, nil
}

func (d Directory) stock(r store.Reader, id ident.DeviceID) (Stock, error) {
	var list wire.KeptKeyPackages
	_, err := d.get(r, d.listKey(id), &list)
	return Stock{len(list.OneTime), list.LastResort != 0, list.LastResortAt, list.Bytes}, err
}

// dropKeyPackages drops all of a device.
func (d Directory) dropKeyPackages(r store.Reader, b *store.Batch, id ident.DeviceID) error {
	var list wire.KeptKeyPackages
	ok, err := d.get(r, d.listKey(id), &list)
	if err != nil || !ok {
		return err
	}
	for _, n := range append(list.OneTime, list.LastResort) {
		b.Delete(d.packageKey(id, n))
	}
	b.Delete(d.listKey(id))
	return nil
}

func (d Directory) put(b *store.Batch, id ident.DeviceID, list *wire.KeptKeyPackages, p []byte) uint64 {
	var n [8]byte
	_, _ = rand.Read(n[:]) // never fails
	at := binary.BigEndian.Uint64(n[:]) | 1
	key := d.packageKey(id, at)
	b.Set(key, d.Keys.Seal(key, p))
	list.Bytes += uint64(len(p))
	return at
}

func (d Directory) drop(r store.Reader, b *store.Batch, id ident.DeviceID, list *wire.KeptKeyPackages, n uint64) error {
	p, err := d.open(r, id, n)
	if err != nil {
		return err
	}
	list.Bytes -= uint64(len(p))
	b.Delete(d.packageKey(id, n))
	return nil
}

func (d Directory) open(r store.Reader, id ident.DeviceID, n uint64) ([]byte, error) {
	key := d.packageKey(id, n)
	val, ok, err := r.Get(key)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, atrest.ErrDamaged
	}
	return d.Keys.Open(key, val)
}

func (d Directory) listKey(id ident.DeviceID) []byte {
	tag := d.Keys.Tag(atrest.KeyPackages, id[:])
	return atrest.Key(atrest.KeyPackages, tag[:])
}

func (d Directory) packageKey(id ident.DeviceID, n uint64) []byte {
	tag := d.Keys.Tag(atrest.KeyPackage, id[:])
	return atrest.Key(atrest.KeyPackage, tag[:], binary.BigEndian.AppendUint64(nil, n))
}
