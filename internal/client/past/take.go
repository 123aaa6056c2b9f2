package past

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Take returns the next records of a conversation from a mark on (the zero mark:
// from its newest message), from newest to oldest, in one chunk of about most bytes,
// and the mark that goes on behind them. What comes meanwhile is not among them.
func Take(ctx context.Context, h *home.Home, r Room, m wire.PastMark, most int, now time.Time) (*wire.PastChunk, wire.PastMark, error) {
	out := r.chunk()
	if !m.Begun {
		m = wire.PastMark{Begun: true, Next: r.Next, Place: Floor}
	}
	for size := 0; !m.Done && size < most; {
		own := 0 < m.Next && m.Next < Floor
		from, limit := max(m.Next, Floor), window
		if own {
			limit = int(min(m.Next, window))
			from = m.Next - uint64(limit)
		}
		items, err := read(ctx, h, r.ID, from, limit)
		if err != nil {
			return nil, m, err
		}
		if own {
			slices.Reverse(items)
		}
		if m.Done = len(items) == 0; m.Done && own {
			return nil, m, fmt.Errorf("%w: messages are missing", home.ErrDamaged)
		}
		for _, it := range items {
			if size >= most {
				break
			}
			if m.Next = it.N; !own {
				m.Next++
			}
			rec, ok, err := recordOf(it, now)
			if err != nil {
				return nil, m, err
			}
			if !ok {
				continue
			}
			// The order is that of this home, whatever its clock did.
			rec.Place = min(rec.Place, m.Place-1)
			m.Place = rec.Place
			size += rec.EncodedLen()
			out.Records = append(out.Records, *rec)
		}
	}
	return out, m, nil
}

// Walk returns the next records for a file, in one chunk of about most bytes, and
// moves at: first what this device received itself, from oldest to newest, so that a
// later walk finds what came meanwhile, then what others handed it. A chunk without
// records says that there is no more.
func Walk(ctx context.Context, h *home.Home, r Room, at *wire.ExportRoom, most int, now time.Time) (*wire.PastChunk, error) {
	out := r.chunk()
	at.Room, at.Kind, at.Accounts, at.Disappear = out.Room, out.Kind, out.Accounts, r.Disappear
	for size := 0; size < most; {
		own := at.Next < r.Next
		from, limit := max(at.Older, Floor), window
		if own {
			from, limit = at.Next, int(min(r.Next-at.Next, window))
		}
		items, err := read(ctx, h, r.ID, from, limit)
		if err != nil || len(items) == 0 {
			return out, err
		}
		for _, it := range items {
			if size >= most {
				break
			}
			rec, ok, err := recordOf(it, now)
			if err != nil {
				return nil, err
			}
			if own {
				at.Next = it.N + 1
			} else {
				at.Older = it.N + 1
			}
			if !ok {
				continue
			}
			if own {
				rec.Place = max(rec.Place, at.Last+1)
				at.First, at.Last = cmp.Or(at.First, rec.Place), rec.Place
			} else {
				rec.Place = min(rec.Place, cmp.Or(at.Lowest, at.First, Floor)-1)
				at.Lowest = rec.Place
			}
			size += rec.EncodedLen()
			out.Records = append(out.Records, *rec)
		}
	}
	return out, nil
}

// Has reports whether a home has a message of a conversation with the text that a
// record has: not if it was deleted or edited since the record was taken. It is
// known if the home has, or had, a message of that id at all.
func Has(ctx context.Context, h *home.Home, room ident.RoomID, rec *wire.PastMessage) (has, known bool, err error) {
	var c wire.Content
	var at wire.IndexRecord
	if err := c.Parse(rec.Content); err != nil {
		return false, true, nil //nolint:nilerr // it was never in a home
	}
	if ok, err := h.Get(ctx, h.Key(home.Index, c.Id), &at); err != nil || !ok || !bytes.Equal(at.Room, room[:]) {
		return false, ok, err
	}
	var m wire.MessageRecord
	if ok, err := h.Get(ctx, h.Key(home.Message, room[:]).At(at.Position), &m); err != nil || !ok {
		return false, true, err
	}
	return m.Gone == wire.GoneNot && bytes.Equal(m.Content, rec.Content), true, nil
}
