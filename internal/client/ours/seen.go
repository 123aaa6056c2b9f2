package ours

import (
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/room"
)

// Saw keeps that the owner was shown the messages of a device in a room up to a
// number, but not above what was received from it here: a number that leapt must
// not speak for what comes later. Of a full book the others are not told.
func (b *Book) Saw(tx *home.Tx, r ident.RoomID, d ident.DeviceID, seq, received uint64, now time.Time) error {
	seq = min(seq, received)
	if key := Key(Seen, r[:], d[:]); seq > b.Number(key) {
		if _, err := b.Raise(tx, key, seq, now); !errors.Is(err, ErrTooLong) {
			return err
		}
	}
	return nil
}

// SeenUpTo is up to which number the owner was shown the messages of a device in a
// room, on any device. A mark far above what was received from it here is none: it
// would have all that comes disappear unseen.
func (b *Book) SeenUpTo(r ident.RoomID, d ident.DeviceID, received uint64) uint64 {
	n := b.Number(Key(Seen, r[:], d[:]))
	if n > received+room.MaxLeap {
		return 0
	}
	return n
}
