package client

import (
	"context"
	"maps"
	"time"

	"github.com/byre-messenger/byre/internal/client/groups"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/shelf"
	"github.com/byre-messenger/byre/internal/wire"
)

// shelfCheck is how often a connection that lasts looks after the key packages
// at the relay.
const shelfCheck = 6 * time.Hour

// replenish fills up the key packages at the relay.
func (s *session) replenish(ctx context.Context, at shelf.Published) error {
	var req *wire.PublishKeyPackages
	// K1: the private parts are durable before the public ones leave. A crash
	// after this commit leaves key packages that nobody has.
	if err := s.do(ctx, func(tx *txn) (err error) {
		s.shelved = tx.now
		tx.shelf.Prune(tx.Tx, groups.Oldest(maps.Values(tx.groups)))
		req, err = tx.shelf.Fill(tx.Tx, tx.me, tx.own().Chain, tx.suite(), at, tx.requests.Ask, tx.now)
		return err
	}); err != nil || req == nil {
		return err
	}
	_, err := s.ask(ctx, req)
	return err
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
				return line.ErrAnswer
			}
			return s.replenish(ctx, shelf.PublishedNow(held, s.me.Device))
		},
		failed: func(tx *txn, _ error) { s.shelved = tx.now }, // next time
	}
}
