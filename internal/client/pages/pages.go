// Package pages is the messages of a home: each at its place in its conversation,
// found by its id, or by the device that wrote it and the number it gave it.
package pages

import (
	"context"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Reader is a home, or a transaction, which reads as it will leave it.
type Reader interface {
	// Get parses the record at a place into r; ok tells whether there is one.
	Get(ctx context.Context, k home.Key, r home.Record) (ok bool, err error)
}

// Write puts a message at a place of its conversation.
func Write(tx *home.Tx, h *home.Home, at uint64, rec *wire.MessageRecord, d ident.DeviceID, seq uint64, id ident.MessageID) {
	place := &wire.IndexRecord{Room: rec.Room, Position: at}
	tx.Put(h.Key(home.Message, rec.Room).At(at), rec)
	tx.Put(h.Key(home.Index, id[:]), place)
	tx.Put(h.Key(home.Number, rec.Room, d[:]).At(seq), place)
}

// Read returns the message at a place, which must be there.
func Read(ctx context.Context, r Reader, h *home.Home, room ident.RoomID, at uint64) (*wire.MessageRecord, *wire.Content, error) {
	rec, content := &wire.MessageRecord{}, &wire.Content{}
	ok, err := r.Get(ctx, h.Key(home.Message, room[:]).At(at), rec)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, nil, fmt.Errorf("%w: a message is missing", home.ErrDamaged)
	}
	if err := content.Parse(rec.Content); err != nil {
		return nil, nil, errors.Join(home.ErrDamaged, err)
	}
	return rec, content, nil
}

// Find tells where the message of an id stands; nil: there is none.
func Find(ctx context.Context, r Reader, h *home.Home, id []byte) (*wire.IndexRecord, error) {
	return find(ctx, r, h.Key(home.Index, id))
}

// Numbered is Find for the message that a device gave a number.
func Numbered(ctx context.Context, r Reader, h *home.Home, room ident.RoomID, d ident.DeviceID, seq uint64) (*wire.IndexRecord, error) {
	return find(ctx, r, h.Key(home.Number, room[:], d[:]).At(seq))
}

func find(ctx context.Context, r Reader, k home.Key) (*wire.IndexRecord, error) {
	at := &wire.IndexRecord{}
	if ok, err := r.Get(ctx, k, at); err != nil || !ok {
		return nil, err
	}
	return at, nil
}
