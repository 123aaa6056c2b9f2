package groups

import (
	"maps"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

// Lack is what a group lacks, held against the device lists of its accounts.
type Lack struct {
	// Add are the devices that are listed and no members.
	Add map[ident.AccountID][]ident.DeviceID
	// Remove are the leaves that are not listed, and Grounds is why.
	Remove  []group.LeafIndex
	Grounds []byte
	// Renew: this device's keys are old, or it has no token there.
	Renew bool

	known map[ident.AccountID]*wire.Target
	me    ident.AccountID
	fresh bool // there is no group yet
	home  bool
	suite ciphersuite.ID
}

// Lists is what a device knows of an account: who is listed, and what shows its
// devices that this one is no stranger, or nil.
type Lists func(ident.AccountID) (devchain.View, *wire.Target)

// Lacks returns what a group lacks; g is nil where a room has none yet, which
// would be of the suite.
func (d Device) Lacks(g *Group, room account.Room, suite ciphersuite.ID, lists Lists, now time.Time) Lack {
	l := Lack{Add: map[ident.AccountID][]ident.DeviceID{}, known: map[ident.AccountID]*wire.Target{}, me: d.Me.Account, fresh: g == nil, home: room.Home(), suite: suite}
	have := []ident.DeviceID{d.Me.Device}
	if g != nil {
		l.suite, have = g.Suite(), append(have, g.Others()...)
		struck := map[ident.AccountID]devchain.View{}
		l.Remove = g.Unlisted(func(m account.Member) bool {
			view, _ := lists(m.Account)
			if !view.Lists(m.Device) {
				struck[m.Account] = view
			}
			return view.Lists(m.Device)
		})
		l.Grounds = account.Grounds(maps.Values(struck))
		l.Renew = g.RenewalDue(now) || g.Mute()
	}
	for _, a := range room.Accounts {
		view, known := lists(a)
		l.known[a] = known
		for _, x := range view.Listed() {
			if !slices.Contains(have, x.ID) {
				l.Add[a] = append(l.Add[a], x.ID)
			}
		}
	}
	return l
}

// Claim asks for key packages of the devices of an account that lack.
func (l Lack) Claim(a ident.AccountID) *wire.ClaimKeyPackages {
	req := &wire.ClaimKeyPackages{Account: a[:], Known: l.known[a]}
	for i := range l.Add[a] {
		req.Devices = append(req.Devices, l.Add[a][i][:])
	}
	return req
}

// Take checks what the directory gave out for an account. A new group needs a key
// package of another account at least, a home group of another device; devices
// without any are added later.
func (l Lack) Take(a ident.AccountID, claimed []wire.ClaimedKeyPackage, view devchain.View, now time.Time) ([]*group.KeyPackage, error) {
	got, missing, err := account.CheckKeyPackages(claimed, view, l.Add[a], l.suite, now)
	if err == nil && l.fresh && (l.home || a != l.me) && len(missing) == len(l.Add[a]) {
		err = account.ErrMissing
	}
	return got, err
}
