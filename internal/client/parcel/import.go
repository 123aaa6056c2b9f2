package parcel

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
)

// ErrAccount says that an export is not brought into the account of somebody else.
var ErrAccount = errors.New("this export is of another account, and goes into a home of that account alone")

// Target is the home of a device of the same account, into which an export is
// brought. Each of these is durable when it returns, and safe to repeat.
type Target interface {
	// Person is somebody whom the owner knew under a name, and, unless 0, when the
	// safety number was compared (unix milliseconds).
	Person(ctx context.Context, chain devchain.Chain, name string, confirmedAt int64) error
	// Past is a part of a conversation, which is begun where it is not there;
	// disappear is how many seconds its messages stay. It returns how many were not
	// there.
	Past(ctx context.Context, c *wire.PastChunk, disappear uint64) (int, error)
	// Ask has strangers ask first.
	Ask(ctx context.Context) error
}

// Check reads an export to its end and changes nothing. With an error, the summary
// is of what stands before the place at which it is no good.
func Check(r io.Reader, passphrase secret.Bytes) (Summary, error) {
	in, err := open(r, passphrase)
	if err != nil {
		return newSummary(), err
	}
	defer in.key.Wipe()
	return check(in)
}

func check(in *reader) (Summary, error) {
	sum := newSummary()
	for {
		part, err := in.next()
		switch {
		case errors.Is(err, io.EOF) && sum.At.IsZero(), errors.Is(err, io.EOF) && sum.Messages() != sum.ends:
			return sum, ErrDamaged
		case errors.Is(err, io.EOF):
			return sum, nil
		case err != nil:
			return sum, err
		}
		sum.add(part)
	}
}

// Import checks an export and brings it into a home of the account me. Where it is
// no good at some place nothing is brought in, or, with partial, what stands before
// that; the error is told in either case. It may be interrupted and repeated. It
// returns how many messages were not there.
func Import(ctx context.Context, f io.ReadSeeker, passphrase secret.Bytes, me ident.AccountID, partial bool, to Target) (added int, sum Summary, err error) {
	in, err := open(f, passphrase)
	if err != nil {
		return 0, newSummary(), err
	}
	defer in.key.Wipe()
	sum, bad := check(in)
	switch {
	case bad != nil && !partial:
		return 0, sum, bad
	case sum.Account != me && (bad == nil || sum.Account != ident.AccountID{}):
		return 0, sum, ErrAccount
	}
	if in, err = in.again(f); err != nil {
		return 0, sum, err
	}
	i := importing{ctx: ctx, to: to, disappear: map[string]uint64{}}
	for {
		part, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return i.added, sum, bad
		case err != nil && bad != nil:
			return i.added, sum, bad
		case err != nil:
			return i.added, sum, err
		}
		if err := i.part(part); err != nil {
			return i.added, sum, err
		}
	}
}

type importing struct {
	ctx       context.Context
	to        Target
	disappear map[string]uint64 // by room
	added     int
}

func (i *importing) part(part *wire.ExportPart) error {
	for _, p := range part.People {
		if p.Chain == nil {
			continue
		}
		chain, err := devchain.Verify(p.Chain)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if err := i.to.Person(i.ctx, chain, p.Name, p.ConfirmedAt); err != nil {
			return err
		}
	}
	for _, r := range part.Rooms {
		i.disappear[string(r.Room)] = r.Disappear
	}
	for n := range part.Chunks {
		c := &part.Chunks[n]
		added, err := i.to.Past(i.ctx, c, i.disappear[string(c.Room)])
		if err != nil {
			return err
		}
		i.added += added
	}
	if part.End != nil && part.End.Ask {
		return i.to.Ask(i.ctx)
	}
	return nil
}
