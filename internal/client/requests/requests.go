// Package requests keeps the first Welcomes of strangers, while the owner wants
// to be asked before anybody unknown may talk (ADR 21).
package requests

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// most is how many wait for the owner; who comes then asks again later.
	most = 20
	// keptFor is as long as a Welcome may wait at a relay, and shorter than the
	// key that opens it lives.
	keptFor = 72 * time.Hour
)

var (
	// ErrNone says that nobody asks by that name.
	ErrNone = errors.New("nobody asks by this name or account: 'byre requests' shows who does")
	// ErrSeveral says that two ask by one name.
	ErrSeveral = errors.New("several people ask by this name: give the account instead, as 'byre requests' shows it")
)

// Request is one stranger.
type Request struct {
	Account ident.AccountID
	// Name is what the stranger says; nobody was asked whether it is true.
	Name string
	At   time.Time
}

// Box is the requests of a device and whether there are any: Ask. It has one
// owner.
type Box struct {
	// Ask is what the owner wants: strangers ask first.
	Ask bool

	home *home.Home
	kept map[ident.AccountID]*wire.RequestRecord
}

// Load reads them.
func Load(ctx context.Context, h *home.Home) (*Box, error) {
	b := &Box{home: h, kept: map[ident.AccountID]*wire.RequestRecord{}}
	var s wire.SettingsRecord
	if _, err := h.Get(ctx, h.Key(home.Settings), &s); err != nil {
		return nil, err
	}
	b.Ask = s.Ask
	for it, err := range h.All(ctx, home.Request) {
		if err != nil {
			return nil, err
		}
		rec := &wire.RequestRecord{}
		if err := rec.Parse(it.Record); err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		id, err := ident.AccountIDFrom(rec.Account)
		if err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		b.kept[id] = rec
	}
	return b, nil
}

// Set keeps what the owner wants.
func (b *Box) Set(tx *home.Tx, ask bool) {
	b.Ask = ask
	tx.Put(b.home.Key(home.Settings), &wire.SettingsRecord{Ask: ask})
}

// Put keeps a request. It reports whether the owner is to be told: not where
// the account asks already, and not where too many do.
func (b *Box) Put(tx *home.Tx, by ident.AccountID, w *wire.WelcomeBox, now time.Time) bool {
	b.forget(tx, now)
	_, again := b.kept[by]
	if !again && len(b.kept) >= most {
		return false
	}
	rec := &wire.RequestRecord{Account: slices.Clone(by[:]), Name: says(w, by), Welcome: w.Append(nil), At: now.UnixMilli()}
	b.kept[by] = rec
	tx.Put(b.key(by), rec)
	return !again
}

// Says is the name that a stranger who asks claims, or empty.
func (b *Box) Says(by ident.AccountID) string {
	if rec, ok := b.kept[by]; ok {
		return rec.Name
	}
	return ""
}

// says is the name that a stranger claims, empty if it is none.
func says(w *wire.WelcomeBox, by ident.AccountID) string {
	for _, n := range w.Names {
		if name, err := ident.ParseName(n.Name); err == nil && string(n.Account) == string(by[:]) {
			return name.String()
		}
	}
	return ""
}

// List returns who asks, oldest first.
func (b *Box) List(now time.Time) []Request {
	var out []Request
	for id, rec := range b.kept {
		if r := (Request{id, rec.Name, time.UnixMilli(rec.At).UTC()}); now.Sub(r.At) <= keptFor {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(x, y Request) int { return cmp.Or(x.At.Compare(y.At), slices.Compare(x.Account[:], y.Account[:])) })
	return out
}

// Take removes the request of a name or account, and returns its Welcome.
func (b *Box) Take(tx *home.Tx, who string, now time.Time) (*wire.WelcomeBox, error) {
	b.forget(tx, now)
	var found []ident.AccountID
	for id, rec := range b.kept {
		if strings.EqualFold(id.String(), who) {
			found = []ident.AccountID{id}
			break
		}
		if rec.Name != "" && same(rec.Name, who) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return nil, ErrNone
	case 1:
	default:
		return nil, ErrSeveral
	}
	w := &wire.WelcomeBox{}
	if err := w.Parse(b.kept[found[0]].Welcome); err != nil {
		return nil, fmt.Errorf("%w: %w", home.ErrDamaged, err)
	}
	b.drop(tx, found[0])
	return w, nil
}

func same(name, typed string) bool {
	a, errA := ident.ParseName(name)
	b, errB := ident.ParseName(typed)
	return errA == nil && errB == nil && string(a.Key()) == string(b.Key())
}

func (b *Box) forget(tx *home.Tx, now time.Time) {
	for id, rec := range b.kept {
		if now.Sub(time.UnixMilli(rec.At)) > keptFor {
			b.drop(tx, id)
		}
	}
}

func (b *Box) drop(tx *home.Tx, id ident.AccountID) {
	delete(b.kept, id)
	tx.Delete(b.key(id))
}

func (b *Box) key(id ident.AccountID) home.Key { return b.home.Key(home.Request, id[:]) }
