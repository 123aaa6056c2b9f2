// Package rejoin is how a device that can't follow a room any more comes back
// into it through another member's device (ADR 14): what it asks for, who may
// answer and in which order, and when it begins anew instead. What is asked is
// kept on a [Desk]; the decisions are values, and the time is given to them.
package rejoin

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/trust"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

const (
	// silence is how long a device must have said nothing, and how long a helper
	// must have been there to know that (ADR 14).
	silence = 24 * time.Hour
	// turn is how long each helper lets the one before it answer.
	turn = 2 * time.Second
	// goodFor is how long a request is answered after it was handed to the relay: its
	// own way to a helper and the Welcome's back take no longer than the key package
	// is kept (package shelf).
	goodFor = trust.Retention
	// madeFor is how long it is after it was made, which its device has signed, so
	// that a relay which brings it again makes no new one of it: clocks may differ,
	// and by then the key package is there still.
	madeFor = goodFor + account.Backdate
)

// Why a request is not answered.
var (
	ErrRequest  = errors.New("a request to come back that does not hold")
	ErrStale    = errors.New("the request is too old")
	ErrAbsent   = errors.New("the device is no member: it is invited, not brought back")
	ErrAnswered = errors.New("the device has a newer place already")
	ErrUnlisted = errors.New("the device does not speak for its account")
	ErrActive   = errors.New("the device said something, or was added, within a day")
	ErrAway     = errors.New("this device was away or has joined within a day: it can't vouch for the other's silence")
)

// maxNumber leaves room behind it: a leaf with the last number that there is could
// never be replaced.
const maxNumber = 1 << 62

// Request is a device that asks to come back into a room.
type Request struct {
	Room ident.RoomID
	// By is its leaf to be, checked.
	By account.Member
	// At is when the request was handed to the relay, by the relay's word; Made when
	// its key package was made, by its device's.
	At, Made time.Time

	public  []byte
	made    *group.KeyPackage
	claimed wire.ClaimedKeyPackage
}

// Read checks a request by its bytes alone.
func Read(b *wire.RejoinBox, at time.Time) (r Request, err error) {
	r.At, r.public = at, b.KeyPackage
	if r.Room, err = ident.RoomIDFrom(b.Room); err != nil {
		return r, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if r.made, err = group.ParseKeyPackage(b.KeyPackage); err != nil {
		return r, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if r.By, err = account.ReadMember(r.made.Leaf()); err != nil {
		return r, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if r.made.LastResort() || len(r.By.Token) == 0 || !bytes.Equal(r.By.Rejoins, r.Room[:]) || r.By.Number > maxNumber {
		return r, fmt.Errorf("%w: its key package was not made for this", ErrRequest)
	}
	r.Made = account.MadeAt(r.made)
	r.claimed = wire.ClaimedKeyPackage{Device: bytes.Clone(r.By.Device[:]), KeyPackage: b.KeyPackage}
	return r, nil
}

// Standing is what a helper knows once it has drained its mailbox, read the
// room's log to its end, and fetched the chain of who asks.
type Standing struct {
	// Members are those of the present epoch, and Suite is their group's.
	Members []account.Member
	Suite   ciphersuite.ID
	// View is all that was seen of the chain of who asks.
	View devchain.View
	// Active is when that device was heard here last, or added.
	Active time.Time
	// Gap is when this device was told of a gap last, Joined when it came into the
	// room.
	Gap, Joined time.Time
}

// May decides whether this device answers a request: then the leaf goes, and the
// key package is added, in one commit.
func (r Request) May(s Standing, now time.Time) (group.LeafIndex, *group.KeyPackage, error) {
	recent := func(t time.Time) bool { return now.Sub(t) < silence }
	var leaf *account.Member
	for i, m := range s.Members {
		if m.Device == r.By.Device && m.Account == r.By.Account {
			leaf = &s.Members[i]
		}
	}
	switch {
	case r.Stale(now):
		return 0, nil, ErrStale
	case leaf == nil:
		return 0, nil, ErrAbsent
	case r.By.Number <= leaf.Number:
		return 0, nil, ErrAnswered
	case !s.View.Lists(r.By.Device):
		return 0, nil, ErrUnlisted
	case recent(s.Active):
		return 0, nil, ErrActive
	case recent(s.Gap) || recent(s.Joined):
		return 0, nil, ErrAway
	}
	got, _, err := account.CheckKeyPackages([]wire.ClaimedKeyPackage{r.claimed}, s.View, []ident.DeviceID{r.By.Device}, s.Suite, now)
	if err != nil || len(got) != 1 {
		return 0, nil, fmt.Errorf("%w: %w", ErrRequest, errors.Join(err, account.ErrMissing))
	}
	return leaf.Leaf, got[0], nil
}

// Stale reports whether a request is too old to be answered: the device may have
// given up its key package.
func (r Request) Stale(now time.Time) bool {
	return now.Sub(r.At) >= goodFor || now.Sub(r.Made) >= madeFor
}

// Turn is when a member answers, so that not all of them do at once: the helpers
// stand in the order of HMAC(request, device).
func (r Request) Turn(me ident.DeviceID, members []account.Member) time.Time {
	at := r.At
	place := func(d ident.DeviceID) []byte {
		h := hmac.New(sha256.New, r.made.Ref())
		h.Write(d[:])
		return h.Sum(nil)
	}
	mine := place(me)
	for _, m := range members {
		if m.Device != r.By.Device && m.Device != me && bytes.Compare(place(m.Device), mine) < 0 {
			at = at.Add(turn)
		}
	}
	return at
}
