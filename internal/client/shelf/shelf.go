// Package shelf keeps the private parts of this device's key packages: durable
// before the public parts are published, erased when they are used or when
// nobody can hold a Welcome for them any more (MLS rules 5 and 8).
package shelf

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

const (
	// most is how many one-time key packages stand at the relay (its bound), and
	// few when they are filled up.
	most, few = 16, 8
	// lastResortFor is how long a last-resort key package is given out.
	lastResortFor = 24 * time.Hour
	// oneTimeFor is how long a one-time key package is: well below the life of
	// its leaf.
	oneTimeFor = 14 * 24 * time.Hour
	// keptFor is how long a private part outlives its being given out: longer
	// than a Welcome can wait at the relay.
	keptFor = 96 * time.Hour
	// askedFor is how long one of a request to come back into a room is kept: the
	// request waits at the relay, and so does the Welcome that answers it.
	askedFor = 7 * 24 * time.Hour
	// mostGone is how many leaves of requests are remembered; the lowest number is
	// forgotten first. A room makes one a day, for a week, when its device lost its
	// place there.
	mostGone = 1024
)

// Published is what stands at the relay.
type Published struct {
	OneTime    int
	LastResort time.Time // since when
}

// PublishedAt reads it from the relay's answer to a sign-in, and PublishedNow from
// what the relay says that it holds.
func PublishedAt(in *wire.SignedIn) Published {
	return Published{OneTime: int(in.OneTimeKeyPackages), LastResort: time.Unix(in.LastResortAt, 0)}
}

// PublishedNow is for a connection that lasts: see [PublishedAt].
func PublishedNow(held *wire.Held, me ident.DeviceID) (at Published) {
	for _, it := range held.Items {
		switch {
		case !bytes.Equal(it.Device, me[:]):
		case it.Kind == "key_packages":
			at.OneTime = int(min(it.Count, math.MaxInt32))
		case it.Kind == "last_resort_key_package":
			at.LastResort = time.Unix(it.Since, 0)
		}
	}
	return at
}

// Shelf is the private parts. It has one owner.
type Shelf struct {
	home *home.Home
	kept map[string]*wire.KeyPackageRecord
	gone map[string]*wire.KeyPackageRecord // of requests, without their private parts
}

// Load reads the shelf.
func Load(ctx context.Context, h *home.Home) (*Shelf, error) {
	s := &Shelf{home: h, kept: map[string]*wire.KeyPackageRecord{}, gone: map[string]*wire.KeyPackageRecord{}}
	for it, err := range h.All(ctx, home.KeyPackage) {
		if err != nil {
			return nil, err
		}
		rec := &wire.KeyPackageRecord{}
		if err := rec.Parse(it.Record); err != nil {
			return nil, errors.Join(home.ErrDamaged, err)
		}
		if len(rec.State) == 0 {
			s.gone[string(rec.Ref)] = rec
		} else {
			s.kept[string(rec.Ref)] = rec
		}
	}
	return s, nil
}

// Fill makes what the relay lacks and returns the request that publishes it,
// nil if it lacks nothing. Packages whose publishing was not confirmed are not
// published again, because one that is given out twice breaks the second
// conversation.
//
// With ask, last-resort ones, which strangers get, have no delivery token.
func (s *Shelf) Fill(tx *home.Tx, me *account.Me, own devchain.Chain, suite ciphersuite.ID, at Published, ask bool, now time.Time) (*wire.PublishKeyPackages, error) {
	s.forget(tx, now)
	req := &wire.PublishKeyPackages{}
	want := 0
	if at.OneTime < few {
		want = most - max(at.OneTime, 0)
	}
	if s.oneTimeTooOld(now) {
		want, req.Replace = most, true
		s.retire(tx, false, now)
	}
	make1 := func(lastResort bool) ([]byte, error) {
		k, err := me.KeyPackage(own, account.KeyPackageOptions{Suite: suite, Now: now, LastResort: lastResort, Mute: lastResort && ask})
		if err != nil {
			return nil, err
		}
		rec := &wire.KeyPackageRecord{Ref: k.Ref(), State: k.State().Reveal(), LastResort: lastResort, MadeAt: now.UnixMilli()}
		s.put(tx, rec)
		return k.Public(), nil
	}
	for range want {
		public, err := make1(false)
		if err != nil {
			return nil, err
		}
		req.OneTime = append(req.OneTime, public)
	}
	if now.Sub(at.LastResort) >= lastResortFor || !s.offers(true) {
		s.retire(tx, true, now)
		var err error
		if req.LastResort, err = make1(true); err != nil {
			return nil, err
		}
	}
	if len(req.OneTime) == 0 && len(req.LastResort) == 0 {
		return nil, nil //nolint:nilnil // nothing lacks
	}
	return req, nil
}

// Renew has the last-resort key package replaced at the next Fill.
func (s *Shelf) Renew(tx *home.Tx, now time.Time) { s.retire(tx, true, now) }

// Ask makes a key package for a request to come back into a room, in the place
// of a leaf of the number after, and returns its public part.
func (s *Shelf) Ask(tx *home.Tx, me *account.Me, own devchain.Chain, suite ciphersuite.ID, room ident.RoomID, after uint64, now time.Time) ([]byte, error) {
	k, err := me.KeyPackage(own, account.KeyPackageOptions{Suite: suite, Now: now, After: after, Rejoins: room[:]})
	if err != nil {
		return nil, err
	}
	s.put(tx, &wire.KeyPackageRecord{
		Ref: k.Ref(), State: k.State().Reveal(), MadeAt: now.UnixMilli(), Room: room[:],
		Leaf: nameOf(k.Content().Leaf.EncryptionKey), Number: account.LeafNumber(after, now),
	})
	return k.Public(), nil
}

// nameOf is by what a leaf is remembered: its public key, which is there once.
func nameOf(leafKey []byte) []byte {
	h := sha256.Sum256(leafKey)
	return h[:]
}

// Asked reports whether this device made a leaf for a request of its own, and
// whether the key of that is still here: it was not used, and may be.
func (s *Shelf) Asked(leaf group.Member) (made, held bool) {
	name := nameOf(leaf.EncryptionKey)
	is := func(rec *wire.KeyPackageRecord) bool { return bytes.Equal(rec.Leaf, name) }
	held = anyOf(s.kept, is)
	return held || anyOf(s.gone, is), held
}

func anyOf(list map[string]*wire.KeyPackageRecord, is func(*wire.KeyPackageRecord) bool) bool {
	for _, rec := range list {
		if is(rec) {
			return true
		}
	}
	return false
}

// Prune forgets the leaves of requests that nobody can put anywhere any more.
// oldest is the lowest number of this device's leaves in all groups that it
// follows: a leaf takes the place of an older one alone, and into a group that is
// not known yet this device comes by a key package that is here.
func (s *Shelf) Prune(tx *home.Tx, oldest uint64) {
	for _, rec := range s.kept {
		n := rec.Number
		if len(rec.Room) == 0 {
			n = account.LeafNumber(0, time.UnixMilli(rec.MadeAt))
		}
		oldest = min(oldest, n)
	}
	byNumber := slices.SortedFunc(maps.Values(s.gone), func(a, b *wire.KeyPackageRecord) int { return cmp.Compare(a.Number, b.Number) })
	for i, rec := range byNumber {
		if rec.Number <= oldest || len(byNumber)-i > mostGone {
			delete(s.gone, string(rec.Ref))
			tx.Delete(s.home.Key(home.KeyPackage, rec.Ref))
		}
	}
}

// Found is a key package of this device that a Welcome names.
type Found struct {
	Key *group.OwnKeyPackage
	// Room is the one that it asked to come back into, or empty.
	Room []byte
	// Used is called once it was used: a one-time one is erased then.
	Used func(*home.Tx)
}

// Find returns the key package that a Welcome names.
func (s *Shelf) Find(welcome []byte) (f Found, err error) {
	refs, err := group.WelcomeRefs(welcome)
	if err != nil {
		return f, err
	}
	for _, ref := range refs {
		rec, ok := s.kept[string(ref)]
		if !ok {
			continue
		}
		k, err := group.RestoreKeyPackage(secret.New(slices.Clone(rec.State)))
		return Found{k, rec.Room, func(tx *home.Tx) {
			if !rec.LastResort {
				s.drop(tx, rec)
			}
		}}, err
	}
	return f, group.ErrNotForMe
}

func (s *Shelf) put(tx *home.Tx, rec *wire.KeyPackageRecord) {
	s.kept[string(rec.Ref)] = rec
	tx.Put(s.home.Key(home.KeyPackage, rec.Ref), rec)
}

// drop erases a private part. Of one that was made for a request all members of
// the room have the public part, so what shows that this device made it takes its
// place, in the same commit.
func (s *Shelf) drop(tx *home.Tx, rec *wire.KeyPackageRecord) {
	delete(s.kept, string(rec.Ref))
	clear(rec.State)
	if len(rec.Leaf) == 0 {
		tx.Delete(s.home.Key(home.KeyPackage, rec.Ref))
		return
	}
	left := &wire.KeyPackageRecord{Ref: rec.Ref, MadeAt: rec.MadeAt, Room: rec.Room, Leaf: rec.Leaf, Number: rec.Number}
	s.gone[string(rec.Ref)] = left
	tx.Put(s.home.Key(home.KeyPackage, rec.Ref), left)
}

// offers reports whether the private part of something given out is here.
func (s *Shelf) offers(lastResort bool) bool {
	for _, rec := range s.kept {
		if rec.LastResort == lastResort && len(rec.Room) == 0 && rec.RetiredAt == 0 {
			return true
		}
	}
	return false
}

func (s *Shelf) oneTimeTooOld(now time.Time) bool {
	for _, rec := range s.kept {
		if !rec.LastResort && len(rec.Room) == 0 && rec.RetiredAt == 0 && now.Sub(time.UnixMilli(rec.MadeAt)) > oneTimeFor {
			return true
		}
	}
	return false
}

// retire notes that those of a kind are no longer given out.
func (s *Shelf) retire(tx *home.Tx, lastResort bool, now time.Time) {
	for _, rec := range s.kept {
		if rec.LastResort == lastResort && len(rec.Room) == 0 && rec.RetiredAt == 0 {
			rec.RetiredAt = now.UnixMilli()
			s.put(tx, rec)
		}
	}
}

// forget erases the private parts for which no Welcome can wait any more.
func (s *Shelf) forget(tx *home.Tx, now time.Time) {
	for _, rec := range s.kept {
		if rec.RetiredAt != 0 && now.Sub(time.UnixMilli(rec.RetiredAt)) > keptFor ||
			len(rec.Room) > 0 && now.Sub(time.UnixMilli(rec.MadeAt)) > askedFor {
			s.drop(tx, rec)
		}
	}
}
