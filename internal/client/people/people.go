// Package people is whom a device knows: accounts as it pinned them, and what
// they are called. A name means one account and an account has one name, for good,
// whatever the server says later. It writes to the home and does no other I/O.
package people

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Book is the people of a device. It has one owner.
type Book struct {
	// Pins are those that are pinned, the own account among them. They are changed
	// by [Book.Put] alone.
	Pins map[ident.AccountID]*account.Pin

	home   *home.Home
	names  map[string]ident.AccountID // by ident.Name's key
	me     ident.AccountID
	myName string
}

// Load reads them. me is the own account, and myName what its owner calls it.
func Load(ctx context.Context, h *home.Home, me ident.AccountID, myName string) (*Book, error) {
	b := &Book{Pins: map[ident.AccountID]*account.Pin{}, home: h, names: map[string]ident.AccountID{}, me: me, myName: myName}
	for it, err := range h.All(ctx, home.Pin) {
		if err != nil {
			return nil, err
		}
		var rec wire.PinRecord
		if err := rec.Parse(it.Record); err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		pin, err := account.PinFrom(rec)
		if err != nil {
			return nil, err
		}
		b.Pins[pin.ID()] = &pin
		if name, err := ident.ParseName(rec.Name); err == nil {
			b.names[string(name.Key())] = pin.ID()
		}
	}
	return b, nil
}

// Put pins an account, or what changed of it.
func (b *Book) Put(tx *home.Tx, p *account.Pin) {
	id := p.ID()
	b.Pins[id] = p
	tx.Put(b.home.Key(home.Pin, id[:]), &p.Record)
}

// Call pins what an account that is pinned is called, as the directory says. What
// contradicts what is known changes nothing: the owner is told.
func (b *Book) Call(tx *home.Tx, id ident.AccountID, name ident.Name) (alarm *wire.KeyChangedEvent) {
	if pinned, ok := b.names[string(name.Key())]; ok && pinned != id {
		return &wire.KeyChangedEvent{Account: pinned[:], Name: name.String(), Text: fmt.Sprintf("%s: %v", name, why.ErrMoved)}
	}
	p := *b.Pins[id]
	if known, err := ident.ParseName(p.Record.Name); err == nil && !bytes.Equal(known.Key(), name.Key()) {
		// An account has one name for good: else the server could show somebody
		// under another's name, and give the pinned name away.
		return &wire.KeyChangedEvent{Account: id[:], Name: known.String(), Text: fmt.Sprintf("%s: %v", name, why.ErrTwoNames)}
	}
	if p.Record.Name != name.String() || p.Record.Claimed != "" {
		p.Record.Name, p.Record.Claimed = name.String(), ""
		b.Put(tx, &p)
	}
	b.names[string(name.Key())] = id
	return nil
}

// Moved reports whether a name is pinned to another account than this.
func (b *Book) Moved(name ident.Name, id ident.AccountID) bool {
	pinned, ok := b.names[string(name.Key())]
	return ok && pinned != id
}

// Leads returns why a name that the server led to an account does not mean it.
func (b *Book) Leads(name ident.Name, id ident.AccountID) error {
	switch pinned, ok := b.names[string(name.Key())]; {
	case !ok:
		return why.ErrTwoNames
	case pinned != id:
		return why.ErrMoved
	}
	return nil
}

// Claim notes the names that accounts are said to have, for those that have none
// here yet; Unclaim that the directory was asked about one.
func (b *Book) Claim(tx *home.Tx, names []wire.Named) {
	for _, n := range names {
		id, err := ident.AccountIDFrom(n.Account)
		if err != nil {
			continue
		}
		if p, ok := b.Pins[id]; ok && id != b.me && p.Record.Name == "" {
			next := *p
			next.Record.Claimed = n.Name
			b.Put(tx, &next)
		}
	}
}

// Unclaim is behind [Book.Claim].
func (b *Book) Unclaim(tx *home.Tx, id ident.AccountID) {
	p := *b.Pins[id]
	p.Record.Claimed = ""
	b.Put(tx, &p)
}

// Find finds the account of a name that this device knows.
func (b *Book) Find(text string) (ident.AccountID, error) {
	name, err := ident.ParseName(text)
	if err != nil {
		return ident.AccountID{}, err
	}
	id, ok := b.names[string(name.Key())]
	if !ok {
		return id, fmt.Errorf("%w: %s", why.ErrUnknownRoom, name)
	}
	return id, nil
}

// Name is an account's name, or empty.
func (b *Book) Name(a ident.AccountID) string {
	if a == b.me {
		return b.myName
	}
	if p, ok := b.Pins[a]; ok {
		return p.Record.Name
	}
	return ""
}

// Called is what an account is called: its name if it is pinned, or the start of
// its id.
func (b *Book) Called(a ident.AccountID) string {
	if name := b.Name(a); name != "" {
		return name
	}
	return "?" + a.String()[:8]
}

// Friend is what the owner is told of an account that is pinned; compared tells
// that its safety number was compared on another device.
func (b *Book) Friend(id ident.AccountID, compared func(ident.AccountID) bool) told.Friend {
	p := b.Pins[id]
	return told.Friend{
		Name: b.Called(id), Account: id, Room: account.Direct(id, b.me).ID,
		Confirmed: p.Record.ConfirmedAt != 0 || compared(id), Alarmed: p.Record.Forked, Devices: len(p.View.Listed()),
	}
}

// Friends are all of them but the own account.
func (b *Book) Friends(compared func(ident.AccountID) bool) (out []told.Friend) {
	for id := range b.Pins {
		if id != b.me {
			out = append(out, b.Friend(id, compared))
		}
	}
	slices.SortFunc(out, func(x, y told.Friend) int { return strings.Compare(x.Name, y.Name) })
	return out
}
