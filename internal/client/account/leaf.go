package account

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/group"
)

// The private extension types (docs/spec/content.md).
const (
	extLeafInfo     group.ExtensionType = 0xF100
	extIntroduction group.ExtensionType = 0xF101
	extRoomContext  group.ExtensionType = 0xF102
)

// LeafLife is how long a leaf is good.
const LeafLife = 30 * 24 * time.Hour

// Backdate is how long before it was made a leaf is good: clocks differ, and one
// made just now must be good elsewhere, also where it is a day and some earlier.
const Backdate = 48 * time.Hour

// ErrLeaf says that a leaf does not stand for a device of its account.
var ErrLeaf = errors.New("a device's leaf does not hold")

// Supports are the extension types that every leaf handles.
func Supports() []group.ExtensionType {
	return []group.ExtensionType{extLeafInfo, extIntroduction, extRoomContext}
}

// Identity is the credential of this device.
func (m *Me) Identity() []byte {
	return (&wire.Credential{Account: m.Account[:], Device: m.Device[:]}).Append(nil)
}

// LeafNumber is the number of a leaf that is made now and replaces one of the
// number last, 0 if it replaces none (ADR 14).
func LeafNumber(last uint64, now time.Time) uint64 {
	return max(last+1, uint64(max(now.Unix(), 0)))
}

// LeafExtensions are what this device's leaves carry: what it last saw of its
// own chain, how to write to it, and their [LeafNumber].
func (m *Me) LeafExtensions(own devchain.Chain, number uint64) group.Extensions {
	return m.leafExtensions(own, m.token.Reveal(), number, nil)
}

func (m *Me) leafExtensions(own devchain.Chain, token []byte, number uint64, rejoins []byte) group.Extensions {
	head := own.Head()
	info := &wire.LeafInfo{ChainLength: own.Len(), ChainHead: head[:], DeliveryToken: token, Number: number, Rejoins: rejoins}
	intro := &wire.Introduction{Chain: own.Wire()}
	return group.Extensions{
		{Type: extLeafInfo, Data: info.Append(nil)},
		{Type: extIntroduction, Data: intro.Append(nil)},
	}
}

// KeyPackage makes a key package that is good from now on.
func (m *Me) KeyPackage(own devchain.Chain, o KeyPackageOptions) (*group.OwnKeyPackage, error) {
	token := m.token.Reveal()
	if o.Mute {
		token = nil
	}
	exts := m.leafExtensions(own, token, LeafNumber(o.After, o.Now), o.Rejoins)
	return group.NewKeyPackage(group.KeyPackageOptions{
		Suite: o.Suite, Identity: m.Identity(), Signer: m.Leaf, LastResort: o.LastResort,
		Extensions: exts, Supports: Supports(),
		NotBefore: o.Now.Add(-Backdate), NotAfter: o.Now.Add(LeafLife),
	})
}

// Member is a leaf whose every claim was checked.
type Member struct {
	Account ident.AccountID
	Device  ident.DeviceID
	Leaf    group.LeafIndex
	// Number grows from leaf to leaf of the device.
	Number uint64
	// Rejoins is the room that its key package was made for to come back into, or
	// empty.
	Rejoins []byte
	// Token lets this device write to the member's mailbox; empty, to its request
	// box alone.
	Token []byte
	// Chain is the one that introduced the device. It may be older than the one
	// pinned here.
	Chain devchain.Chain
	// Keys are the device's, as the chain has them.
	Keys *wire.DeviceKeys
}

// ReadMember checks what a leaf claims by its own bytes: that its chain holds,
// names the device as active, and certifies the leaf's signature key.
func ReadMember(l group.Member) (Member, error) {
	m := Member{Leaf: l.Leaf}
	var cred wire.Credential
	if err := cred.Parse(l.Identity); err != nil || !bytes.Equal(cred.Append(nil), l.Identity) {
		return m, fmt.Errorf("%w: its credential can't be read", ErrLeaf)
	}
	var err error
	if m.Account, err = ident.AccountIDFrom(cred.Account); err != nil {
		return m, fmt.Errorf("%w: %w", ErrLeaf, err)
	}
	if m.Device, err = ident.DeviceIDFrom(cred.Device); err != nil {
		return m, fmt.Errorf("%w: %w", ErrLeaf, err)
	}
	var info wire.LeafInfo
	if err := parseExtension(l.Extensions, extLeafInfo, &info); err != nil {
		return m, err
	}
	if n := len(info.DeliveryToken); n != TokenSize && n != 0 || len(info.ChainHead) != sha256.Size {
		return m, fmt.Errorf("%w: its delivery token or chain head has a wrong size", ErrLeaf)
	}
	m.Token, m.Number, m.Rejoins = info.DeliveryToken, info.Number, info.Rejoins
	var intro wire.Introduction
	if err := parseExtension(l.Extensions, extIntroduction, &intro); err != nil {
		return m, err
	}
	if intro.Chain == nil {
		return m, fmt.Errorf("%w: nothing introduces it", ErrLeaf)
	}
	if m.Chain, err = devchain.Verify(intro.Chain); err != nil {
		return m, fmt.Errorf("%w: %w", ErrLeaf, err)
	}
	d, ok := m.Chain.Device(m.Device)
	switch {
	case m.Chain.ID() != m.Account:
		return m, fmt.Errorf("%w: its chain is of another account", ErrLeaf)
	case !ok || !d.Active:
		return m, fmt.Errorf("%w: its chain does not name the device", ErrLeaf)
	case !bytes.Equal(d.Keys.Mls, l.SignatureKey):
		return m, fmt.Errorf("%w: its signature key is not the one in the chain", ErrLeaf)
	case !m.Chain.Contains(info.ChainLength, devchain.Hash(info.ChainHead)):
		return m, fmt.Errorf("%w: it speaks of another chain than it shows", ErrLeaf)
	}
	m.Keys = d.Keys
	return m, nil
}

func parseExtension(exts group.Extensions, t group.ExtensionType, into interface{ Parse([]byte) error }) error {
	data, ok := exts.Get(t)
	if !ok {
		return fmt.Errorf("%w: extension %#x is missing", ErrLeaf, uint16(t))
	}
	if err := into.Parse(data); err != nil {
		return fmt.Errorf("%w: extension %#x: %w", ErrLeaf, uint16(t), err)
	}
	return nil
}

// maxListed bounds each list of a WelcomeBox: more than honest devices write.
const maxListed = 1024

// CheckWelcomeBox returns ErrLeaf if a WelcomeBox lists more than there can be.
func CheckWelcomeBox(w *wire.WelcomeBox) error {
	if len(w.Names) > maxListed || len(w.Sent) > maxListed || len(w.Replaces) > maxListed {
		return fmt.Errorf("%w: it comes with endless lists", ErrLeaf)
	}
	return nil
}

// Validate judges a leaf for every group of byre, by its argument alone.
func Validate(c group.Claim) error {
	m, err := ReadMember(c.Member)
	if err != nil {
		return err
	}
	room, err := ReadRoom(c.Group)
	if err != nil {
		return err
	}
	if !room.Has(m.Account) {
		return fmt.Errorf("%w: its account is none of the room's", ErrLeaf)
	}
	if c.Previous == nil {
		return nil
	}
	// A leaf is renewed by its own device alone.
	if !bytes.Equal(c.Previous.Identity, c.Identity) || !bytes.Equal(c.Previous.SignatureKey, c.SignatureKey) {
		return fmt.Errorf("%w: an update changes whose it is", ErrLeaf)
	}
	return grows(*c.Previous, c.Member)
}

// grows returns ErrLeaf unless the number of a leaf is above that of the one it
// replaces (ADR 14): else an old one could be put in place of a newer one, which
// its device could not follow.
func grows(before, after group.Member) error {
	var was, is wire.LeafInfo
	if err := parseExtension(before.Extensions, extLeafInfo, &was); err != nil {
		return err
	}
	if err := parseExtension(after.Extensions, extLeafInfo, &is); err != nil {
		return err
	}
	if is.Number <= was.Number {
		return fmt.Errorf("%w: it is older than the one it replaces", ErrLeaf)
	}
	return nil
}

// CheckReplaced judges a commit in a room that takes leaves out and adds others, by
// those alone: a device that stands in both comes back, with a newer leaf that it
// made to come back into this room. Else a member could put any key package there
// that the device ever published, which the device may know no more.
func CheckReplaced(room ident.RoomID, removed, added []group.Member) error {
	for _, before := range removed {
		for _, after := range added {
			if !bytes.Equal(before.Identity, after.Identity) {
				continue
			}
			if err := grows(before, after); err != nil {
				return err
			}
			var info wire.LeafInfo
			if err := parseExtension(after.Extensions, extLeafInfo, &info); err != nil {
				return err
			}
			if !bytes.Equal(info.Rejoins, room[:]) {
				return fmt.Errorf("%w: it was not made to take the place of another", ErrLeaf)
			}
		}
	}
	return nil
}

// Room is what a group's context says of its room.
type Room struct {
	ID       ident.RoomID
	Kind     wire.RoomKind
	Accounts []ident.AccountID // ascending
}

// Direct is the room of two accounts (docs/spec/content.md).
func Direct(a, b ident.AccountID) Room {
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	h := sha256.New()
	h.Write([]byte("byre/1 direct\x00"))
	h.Write(a[:])
	h.Write(b[:])
	return Room{ident.RoomID(h.Sum(nil)[:ident.RoomSize]), wire.RoomDirect, []ident.AccountID{a, b}}
}

// Home is the room of an account's own devices (docs/spec/home-group.md).
func Home(a ident.AccountID) Room {
	h := sha256.New()
	h.Write([]byte("byre/1 home\x00"))
	h.Write(a[:])
	return Room{ident.RoomID(h.Sum(nil)[:ident.RoomSize]), wire.RoomHome, []ident.AccountID{a}}
}

// Home reports whether the room is that of an account's own devices.
func (r Room) Home() bool { return r.Kind == wire.RoomHome }

// Has reports whether an account belongs to the room.
func (r Room) Has(a ident.AccountID) bool {
	return slices.Contains(r.Accounts, a)
}

// Other returns the account of a direct room that is not a; of a home group, its
// own.
func (r Room) Other(a ident.AccountID) ident.AccountID {
	if r.Accounts[0] == a {
		return r.Accounts[len(r.Accounts)-1]
	}
	return r.Accounts[0]
}

// Record is the room as the home keeps it, and RoomFrom reads that.
func (r Room) Record() *wire.RoomRecord {
	rec := &wire.RoomRecord{Id: r.ID[:], Kind: r.Kind}
	for i := range r.Accounts {
		rec.Accounts = append(rec.Accounts, r.Accounts[i][:])
	}
	return rec
}

// RoomFrom reads a room of the home.
func RoomFrom(rec *wire.RoomRecord) (r Room, err error) {
	r.Kind = rec.Kind
	if r.ID, err = ident.RoomIDFrom(rec.Id); err != nil {
		return r, err
	}
	for _, b := range rec.Accounts {
		a, err := ident.AccountIDFrom(b)
		if err != nil {
			return r, err
		}
		r.Accounts = append(r.Accounts, a)
	}
	return r, nil
}

// Extensions is the room as a group's context carries it.
func (r Room) Extensions() group.Extensions {
	c := &wire.RoomContext{Kind: r.Kind}
	for _, a := range r.Accounts {
		c.Accounts = append(c.Accounts, bytes.Clone(a[:]))
	}
	return group.Extensions{{Type: extRoomContext, Data: c.Append(nil)}}
}

// ReadRoom reads the room of a group's context.
func ReadRoom(exts group.Extensions) (Room, error) {
	var c wire.RoomContext
	if err := parseExtension(exts, extRoomContext, &c); err != nil {
		return Room{}, err
	}
	if c.Kind == wire.RoomHome && len(c.Accounts) == 1 {
		a, err := ident.AccountIDFrom(c.Accounts[0])
		return Home(a), err
	}
	if c.Kind != wire.RoomDirect || len(c.Accounts) != 2 {
		return Room{}, fmt.Errorf("%w: the room is of a kind that this byre does not know", ErrLeaf)
	}
	a, errA := ident.AccountIDFrom(c.Accounts[0])
	b, errB := ident.AccountIDFrom(c.Accounts[1])
	if errA != nil || errB != nil || bytes.Compare(a[:], b[:]) >= 0 {
		return Room{}, fmt.Errorf("%w: the room's accounts do not stand in order", ErrLeaf)
	}
	return Direct(a, b), nil
}
