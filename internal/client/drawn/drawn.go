// Package drawn bounds how much of what this device wrote in a room the other
// accounts have it send again: whoever is brought back, or begins anew, is sent
// what it missed, and an account can do both with devices of its own as often as
// it likes. It is pure: the time is given to it.
package drawn

import (
	"bytes"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// For is how old a message may be that is sent again.
	For = 14 * 24 * time.Hour
	// AtOnce is how many messages one device is sent again at a time: the newest.
	AtOnce = 1000
	// most is how many an account has sent again, each of its devices counted: of
	// two devices that come out of a drawer, what both missed.
	most = 2 * AtOnce
	// again is in how long one that was drawn counts no more: AtOnce of them in a day.
	again = 24 * time.Hour / AtOnce
)

// By is what the accounts of one room drew. It is a value: Draw returns another.
type By []wire.DrawnRecord

// Left is how many messages may be sent again to devices of an account now.
func (b By) Left(a ident.AccountID, now time.Time) uint64 {
	return min(AtOnce, most-min(b.of(a, now).Count, most))
}

// Draw notes that n were.
func (b By) Draw(a ident.AccountID, n uint64, now time.Time) By {
	if n == 0 {
		return b
	}
	r := b.of(a, now)
	r.Count += n
	rest := slices.DeleteFunc(slices.Clone(b), func(x wire.DrawnRecord) bool {
		return bytes.Equal(x.Account, a[:]) || settled(x, now).Count == 0
	})
	return append(rest, r)
}

func (b By) of(a ident.AccountID, now time.Time) wire.DrawnRecord {
	for _, r := range b {
		if bytes.Equal(r.Account, a[:]) {
			return settled(r, now)
		}
	}
	return wire.DrawnRecord{Account: a[:], At: now.UnixMilli()}
}

// settled is a record without what counts no more. A clock that was set back gives
// nothing.
func settled(r wire.DrawnRecord, now time.Time) wire.DrawnRecord {
	passed := max(now.Sub(time.UnixMilli(r.At)), 0)
	gone := uint64(passed / again)
	if r.Count <= gone {
		r.Count, r.At = 0, now.UnixMilli()
		return r
	}
	r.Count -= gone
	r.At = now.Add(-(passed % again)).UnixMilli() // not later than now
	return r
}
