package rejoin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/again"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// most is how many requests of others wait; who comes then asks again.
const most = 256

// Desk is what is asked: by this device in rooms that it can't follow, and of it
// by others. It has one owner.
type Desk struct {
	home *home.Home
	me   ident.DeviceID
	own  map[ident.RoomID]*wire.RejoinRecord
	kept map[place]*Asker
}

type place struct {
	room   ident.RoomID
	device ident.DeviceID
}

// Asker is a device that asked this one.
type Asker struct {
	Request
	Pause again.Pause
}

// Load reads the desk.
func Load(ctx context.Context, h *home.Home, me ident.DeviceID) (*Desk, error) {
	d := &Desk{home: h, me: me, own: map[ident.RoomID]*wire.RejoinRecord{}, kept: map[place]*Asker{}}
	for it, err := range h.All(ctx, home.Rejoin) {
		if err != nil {
			return nil, err
		}
		rec := &wire.RejoinRecord{}
		if err := rec.Parse(it.Record); err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		if string(rec.Device) == string(me[:]) {
			room, err := ident.RoomIDFrom(rec.Room)
			if err != nil {
				return nil, errors.Join(home.ErrDamaged, err)
			}
			d.own[room] = rec
			continue
		}
		r, err := Read(&wire.RejoinBox{Room: rec.Room, KeyPackage: rec.KeyPackage}, time.UnixMilli(rec.At))
		if err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		d.kept[place{r.Room, r.By.Device}] = &Asker{Request: r}
	}
	return d, nil
}

func (d *Desk) key(room ident.RoomID, device ident.DeviceID) home.Key {
	return d.home.Key(home.Rejoin, room[:], device[:])
}

// Put keeps somebody's request, the newest of each device and room.
func (d *Desk) Put(tx *home.Tx, r Request) {
	at := place{r.Room, r.By.Device}
	if old, ok := d.kept[at]; ok && old.By.Number >= r.By.Number || !ok && len(d.kept) >= most {
		return
	}
	d.kept[at] = &Asker{Request: r}
	tx.Put(d.key(r.Room, r.By.Device), &wire.RejoinRecord{
		Room: r.Room[:], Device: r.By.Device[:], KeyPackage: r.public, At: r.At.UnixMilli(),
	})
}

// Drop forgets the request of a device for the leaf m, and what it asked before; a
// newer one stands.
func (d *Desk) Drop(tx *home.Tx, room ident.RoomID, m account.Member) {
	at := place{room, m.Device}
	if x, ok := d.kept[at]; ok && x.By.Number <= m.Number {
		delete(d.kept, at)
		tx.Delete(d.key(room, m.Device))
	}
}

// Askers are those who asked, the first first.
func (d *Desk) Askers() []*Asker {
	var out []*Asker
	for _, x := range d.kept {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b *Asker) int { return cmp.Or(a.At.Compare(b.At), slices.Compare(a.public, b.public)) })
	return out
}

// Asked tells what this device did to come back into a room.
func (d *Desk) Asked(room ident.RoomID) Asked {
	rec, ok := d.own[room]
	if !ok {
		return Asked{}
	}
	return Asked{Since: time.UnixMilli(rec.Since), At: time.UnixMilli(rec.At), Sent: rec.Sent}
}

// Ask keeps what this device is about to ask, and returns it. made makes the key
// package; one that was not sent is sent again, within a day: nobody answers an old
// one.
func (d *Desk) Ask(tx *home.Tx, room ident.RoomID, now time.Time, made func() ([]byte, error)) (*wire.RejoinBox, error) {
	rec, ok := d.own[room]
	if !ok || rec.Sent || now.Sub(time.UnixMilli(rec.At)) >= askAgain {
		public, err := made()
		if err != nil {
			return nil, err
		}
		since := now.UnixMilli()
		if ok {
			since = rec.Since
		}
		rec = &wire.RejoinRecord{Room: room[:], Device: d.me[:], KeyPackage: public, At: now.UnixMilli(), Since: since}
		d.own[room] = rec
		tx.Put(d.key(room, d.me), rec)
	}
	return &wire.RejoinBox{Room: rec.Room, KeyPackage: rec.KeyPackage}, nil
}

// Sent notes that the request of a room has left.
func (d *Desk) Sent(tx *home.Tx, room ident.RoomID, now time.Time) {
	if rec, ok := d.own[room]; ok {
		rec.Sent, rec.At = true, now.UnixMilli()
		tx.Put(d.key(room, d.me), rec)
	}
}

// Back forgets that this device asked: it has a place in the room again.
func (d *Desk) Back(tx *home.Tx, room ident.RoomID) {
	if _, ok := d.own[room]; ok {
		delete(d.own, room)
		tx.Delete(d.key(room, d.me))
	}
}
