package client

import (
	"bytes"
	"context"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// oneTime is how many one-time key packages stand at the relay (its bound),
	// and fewOneTime when they are filled up.
	oneTime, fewOneTime = 16, 8
	// lastResortFor is how long a last-resort key package is given out.
	lastResortFor = 24 * time.Hour
	// oneTimeFor is how long a one-time key package is: well below the life of
	// its leaf.
	oneTimeFor = 14 * 24 * time.Hour
	// shelfCheck is how often a connection that lasts looks after them.
	shelfCheck = 6 * time.Hour
)

// replenish fills up the key packages at the relay. Private parts are durable
// before they are published. Packages whose publishing was not confirmed are
// not published again, because one that is given out twice breaks the second
// conversation; they are kept until nobody can hold a Welcome for them.
func (s *session) replenish(ctx context.Context, in shelf) error {
	req := &wire.PublishKeyPackages{}
	// K1: a crash after this commit leaves key packages that nobody has.
	err := s.do(ctx, func(tx *txn) error {
		s.shelved = tx.now
		tx.retireKeyPackages()
		want := 0
		if in.oneTime < fewOneTime {
			want = oneTime - in.oneTime
		}
		if tx.oneTimeTooOld() {
			want, req.Replace = oneTime, true
			tx.retireAll()
		}
		for range want {
			public, err := tx.newKeyPackage(false)
			if err != nil {
				return err
			}
			req.OneTime = append(req.OneTime, public)
		}
		if tx.now.Sub(in.lastResort) < lastResortFor && tx.haveLastResort() {
			return nil
		}
		public, err := tx.newKeyPackage(true)
		req.LastResort = public
		return err
	})
	if err != nil || len(req.OneTime) == 0 && len(req.LastResort) == 0 {
		return err
	}
	_, err = s.ask(ctx, req)
	return err
}

// shelf is what stands at the relay.
type shelf struct {
	oneTime    int
	lastResort time.Time // since when
}

// replenishJob looks after the key packages of a connection that lasts.
func (s *session) replenishJob() *job {
	return &job{
		run: func(ctx context.Context) error {
			body, err := s.ask(ctx, &wire.ReadHeld{})
			if err != nil {
				return err
			}
			held, ok := body.(*wire.Held)
			if !ok {
				return ErrProtocol
			}
			var in shelf
			for _, it := range held.Items {
				switch {
				case !bytes.Equal(it.Device, s.me.Device[:]):
				case it.Kind == "key_packages":
					in.oneTime = int(min(it.Count, oneTime)) //nolint:gosec // bounded
				case it.Kind == "last_resort_key_package":
					in.lastResort = time.Unix(it.Since, 0)
				}
			}
			return s.replenish(ctx, in)
		},
		failed: func(tx *txn, _ error) { s.shelved = tx.now }, // next time
	}
}

func (tx *txn) newKeyPackage(lastResort bool) ([]byte, error) {
	k, err := tx.me.KeyPackage(tx.pins[tx.me.Account].Chain, account.KeyPackageOptions{Suite: tx.cfg.Suite, Now: tx.now, LastResort: lastResort})
	if err != nil {
		return nil, err
	}
	rec := &wire.KeyPackageRecord{Ref: k.Ref(), State: k.State().Reveal(), LastResort: lastResort, MadeAt: tx.now.UnixMilli()}
	if lastResort {
		for _, old := range tx.keyPackages {
			if old.LastResort && old.RetiredAt == 0 {
				tx.retireKeyPackage(old)
			}
		}
	}
	tx.keyPackages[string(rec.Ref)] = rec
	tx.Put(tx.home.Key(home.KeyPackage, rec.Ref), rec)
	return k.Public(), nil
}

// haveLastResort reports whether the private part of the last resort at the
// relay is here.
func (tx *txn) haveLastResort() bool {
	for _, rec := range tx.keyPackages {
		if rec.LastResort && rec.RetiredAt == 0 {
			return true
		}
	}
	return false
}

func (tx *txn) oneTimeTooOld() bool {
	for _, rec := range tx.keyPackages {
		if !rec.LastResort && rec.RetiredAt == 0 && tx.now.Sub(time.UnixMilli(rec.MadeAt)) > oneTimeFor {
			return true
		}
	}
	return false
}

// retireAll notes that the one-time packages are no longer given out.
func (tx *txn) retireAll() {
	for _, rec := range tx.keyPackages {
		if !rec.LastResort && rec.RetiredAt == 0 {
			tx.retireKeyPackage(rec)
		}
	}
}

func (tx *txn) retireKeyPackage(rec *wire.KeyPackageRecord) {
	rec.RetiredAt = tx.now.UnixMilli()
	tx.Put(tx.home.Key(home.KeyPackage, rec.Ref), rec)
}

// retireKeyPackages erases the private parts for which no Welcome can wait at
// the relay any more.
func (tx *txn) retireKeyPackages() {
	for _, rec := range tx.keyPackages {
		if rec.RetiredAt != 0 && tx.now.Sub(time.UnixMilli(rec.RetiredAt)) > seenFor {
			tx.dropKeyPackage(rec)
		}
	}
}

// dropKeyPackage erases a private part.
func (tx *txn) dropKeyPackage(rec *wire.KeyPackageRecord) {
	delete(tx.keyPackages, string(rec.Ref))
	clear(rec.State)
	tx.Delete(tx.home.Key(home.KeyPackage, rec.Ref))
}
