package client

import (
	"context"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/past"
	"github.com/byre-messenger/byre/internal/ident"
	order "github.com/byre-messenger/byre/internal/room"
	"github.com/byre-messenger/byre/internal/wire"
)

// Past runs fn on the history in one step, what it writes being one commit.
func (c *Client) Past(ctx context.Context, fn func(past.Archive) error) error {
	// M3: a part of the history that came from elsewhere, or somebody it tells of. A
	// crash before this commit leaves nothing of it: it is merged again.
	return c.e.do(ctx, func(tx *txn) error { return fn(tx.archive()) })
}

func (tx *txn) archive() past.Archive {
	return past.Archive{
		Ctx: tx.ctx, Tx: tx.Tx, Home: tx.home, Me: tx.me.Account, Now: tx.now, Pin: tx.pinName, Show: tx.messageOf,
		Known: func(to string) account.Room {
			if t, ok := tx.known(to); ok {
				return t.Room
			}
			return account.Room{}
		},
		Begin: func(r account.Room, disappear uint64) {
			if tx.talks[r.ID] == nil {
				tx.talkOf(r).disappear = disappear
			}
		},
		Heal: func(room ident.RoomID, rec *wire.MessageRecord, by ident.DeviceID, seq uint64) (bool, error) {
			if t := tx.talks[room]; t.order.Lacks(by, seq) {
				return true, tx.happen(t, order.Arrive{Device: by, Seq: seq, At: tx.now}, rec)
			}
			return false, nil
		},
	}
}
