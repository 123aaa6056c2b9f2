package parcel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/past"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
)

// partSize is about how much history a part has, in bytes.
const partSize = 56 << 10

// What stands in the way of an export, as sentences.
var (
	ErrOther  = errors.New("this file is the export of another account: name another one")
	ErrBehind = errors.New("this export is whole, and something was written or deleted since: name another file")
	ErrLacks  = errors.New("this unfinished export holds messages that this device does not have, and going on with it would cut them off: import it first with --partial, or name another file")
)

// Source is the home that is exported. It may be in use.
type Source struct {
	Home    *home.Home
	Account ident.AccountID
	Name    string
	// Now is what the records are as of.
	Now time.Time
	// Cost of the passphrase of a new file; zero is the default.
	Cost home.Cost
}

// Export writes a home into a file, which is empty or holds the beginning of an
// export of the same account: that is gone on with behind what is whole of it, as far
// as the home still has it as it is there. Of an export that is whole and up to date
// it changes nothing; of one that is behind, nothing either, and the error is
// [ErrBehind]. Of one that holds what the home never had nothing is cut off either:
// [ErrLacks]. After any other error the file is to be exported to once more, or
// thrown away.
func Export(ctx context.Context, f File, passphrase secret.Bytes, src Source) (Summary, error) {
	e := &export{ctx: ctx, src: src, rooms: map[string]*wire.ExportRoom{}, sum: newSummary()}
	whole, err := e.start(f, passphrase)
	if err == nil {
		err = e.write(whole)
	}
	if err == nil {
		err = f.Sync() // also of one that is whole: who wrote it may have been killed before this
	}
	return e.sum, err
}

type export struct {
	ctx   context.Context
	src   Source
	w     *writer                     // nil where the file is whole already
	begun bool                        // whose it is stands in it
	rooms map[string]*wire.ExportRoom // how far each is written
	part  wire.ExportPart             // the next one
	size  int                         // of it, in bytes
	sum   Summary
}

// start finds out what the file has already, and how to go on.
func (e *export) start(f File, passphrase secret.Bytes) (whole bool, err error) {
	r, err := open(f, passphrase)
	if torn, err2 := blank(f, err); err2 != nil {
		return false, err2
	} else if torn {
		e.w, err = create(f, passphrase, e.src.Cost)
		return false, err
	}
	if err != nil {
		return false, err
	}
	defer r.key.Wipe()
	good, stale, lacks := mark{}, false, false
	for {
		if !stale {
			if good, err = r.mark(); err != nil {
				return false, err
			}
		}
		part, err := r.next()
		switch {
		case errors.Is(err, io.EOF) && stale:
			return false, ErrBehind
		case errors.Is(err, io.EOF):
			return true, nil
		case errors.Is(err, ErrCutShort) && lacks:
			return false, ErrLacks
		case errors.Is(err, ErrCutShort):
			if err := oneTorn(f, r.at); err != nil {
				return false, err
			}
			r.at, r.sum = good.at, good.sum // behind it, it is written anew
			e.w, err = r.resume(f)
			return false, err
		case err != nil:
			return false, err
		}
		if b := part.Begin; b != nil && !bytes.Equal(b.Account, e.src.Account[:]) {
			return false, ErrOther
		}
		ok, known, err := e.stands(part)
		if err != nil {
			return false, err
		}
		lacks = lacks || !known
		if stale = stale || !ok; !stale {
			e.has(part)
		}
	}
}

// oneTorn returns an error if more stands behind a place than one block that was cut.
func oneTorn(f File, at int64) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err == nil && end-at > headSize+maxBlock {
		err = ErrDamaged
	}
	return err
}

// blank reports whether a file holds nothing of an export, or the beginning of its
// head and nothing else, and empties it.
func blank(f File, err error) (bool, error) {
	if !errors.Is(err, ErrNoExport) && !errors.Is(err, ErrCutShort) {
		return false, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	first := fmt.Sprintf("%s%d\n", magic, Format)
	head, err := io.ReadAll(io.LimitReader(f, int64(len(first)+2+maxHeader+checkSize)))
	if err != nil {
		return false, err
	}
	if n := min(len(head), len(first)); string(head[:n]) != first[:n] || len(head) == len(first)+2+maxHeader+checkSize {
		return false, ErrNoExport
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	return true, f.Truncate(0)
}

// stands reports whether the home has all that a part holds, and as it is there: what
// was deleted or edited meanwhile must not stay in the file. It is known if the home
// has or had all of it.
func (e *export) stands(part *wire.ExportPart) (ok, known bool, err error) {
	ok, known = true, true
	for i := range part.Chunks {
		room, err := ident.RoomIDFrom(part.Chunks[i].Room)
		if err != nil {
			return false, known, nil //nolint:nilerr // written anew
		}
		for j := range part.Chunks[i].Records {
			has, had, err := past.Has(e.ctx, e.src.Home, room, &part.Chunks[i].Records[j])
			if err != nil {
				return false, false, err
			}
			ok, known = ok && has, known && had
		}
	}
	return ok, known, nil
}

// has takes note of a part that stands in the file.
func (e *export) has(part *wire.ExportPart) {
	e.begun = e.begun || part.Begin != nil
	for i := range part.Rooms {
		e.rooms[string(part.Rooms[i].Room)] = &part.Rooms[i]
	}
	e.sum.add(part)
}

// write writes what the file lacks. Where it is whole, nothing must be lacking.
func (e *export) write(whole bool) error {
	if !e.begun {
		e.part.Begin = &wire.ExportBegin{Account: e.src.Account[:], Name: e.src.Name}
	}
	if !whole {
		if err := e.people(); err != nil {
			return err
		}
	}
	rooms, err := past.Rooms(e.ctx, e.src.Home)
	if err != nil {
		return err
	}
	for _, r := range rooms {
		if err := e.room(r, whole); err != nil {
			return err
		}
	}
	if whole {
		return nil
	}
	var s wire.SettingsRecord
	if _, err := e.src.Home.Get(e.ctx, e.src.Home.Key(home.Settings), &s); err != nil {
		return err
	}
	e.part.End = &wire.ExportEnd{At: e.src.Now.UnixMilli(), Messages: e.sum.messages(&e.part), Ask: s.Ask}
	return e.flush(true)
}

func (e *export) room(r past.Room, whole bool) error {
	at, known := e.rooms[string(r.ID[:])]
	if !known {
		at = &wire.ExportRoom{}
	}
	for {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		c, err := past.Walk(e.ctx, e.src.Home, r, at, max(1, partSize-e.size), e.src.Now)
		switch {
		case err != nil:
			return err
		case whole && (!known || len(c.Records) > 0):
			return ErrBehind
		case whole:
			return nil
		}
		if len(c.Records) > 0 {
			e.part.Chunks = append(e.part.Chunks, *c)
		}
		e.part.Rooms = append(e.part.Rooms, *at)
		if err := e.filled(c.EncodedLen() + at.EncodedLen()); err != nil || len(c.Records) == 0 {
			return err
		}
	}
}

// filled adds to the size of the part and writes it when it is large enough.
func (e *export) filled(size int) error {
	if e.size += size; e.size < partSize {
		return nil
	}
	return e.flush(false)
}

func (e *export) flush(last bool) error {
	err := e.w.part(&e.part, last)
	e.sum.add(&e.part)
	e.part, e.size = wire.ExportPart{}, 0
	return err
}

// people writes whom the owner knows.
func (e *export) people() error {
	for it, err := range e.src.Home.All(e.ctx, home.Pin) {
		if err != nil {
			return err
		}
		var rec wire.PinRecord
		if err := rec.Parse(it.Record); err != nil {
			return errors.Join(home.ErrDamaged, err)
		}
		if p, err := account.PinFrom(rec); err != nil {
			return fmt.Errorf("%w: %w", home.ErrDamaged, err)
		} else if p.ID() == e.src.Account {
			continue
		}
		person := wire.ExportPerson{Name: rec.Name, Chain: rec.Chain, ConfirmedAt: rec.ConfirmedAt}
		size := person.EncodedLen()
		if e.size+size > wire.MaxSize/2 && e.size > 0 {
			if err := e.flush(false); err != nil {
				return err
			}
		}
		e.part.People = append(e.part.People, person)
		if err := e.filled(size); err != nil {
			return err
		}
	}
	return nil
}
