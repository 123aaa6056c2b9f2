package directory

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// ReadCode reads an invitation's code as a person types it: without regard to
// case, spaces and hyphens.
func ReadCode(s string) []byte {
	return []byte(strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s)))
}

// Invite makes an invitation with which uses accounts can be made, and returns
// its code: 26 letters and digits, of which the store keeps a keyed hash alone.
// They are 130 random bits, so that no limit is needed against guessing, and a
// lookup by keyed hash tells nothing by how long it takes.
func (d Directory) Invite(ctx context.Context, uses int) (string, error) {
	code := rand.Text()
	key := d.invitationKey([]byte(code))
	// Y7: the invitation holds. A crash before this commit leaves none, one
	// behind it one that nobody was told.
	err := d.update(ctx, func(_ store.Reader, b *store.Batch) error {
		d.set(b, key, &wire.KeptInvitation{Uses: uint64(max(uses, 0))})
		return nil
	})
	return code, err
}

// invited takes one use of an invitation.
func (d Directory) invited(r store.Reader, b *store.Batch, code []byte) error {
	key := d.invitationKey(code)
	var kept wire.KeptInvitation
	ok, err := d.get(r, key, &kept)
	if err != nil {
		return err
	}
	if !ok || kept.Uses == 0 {
		return ErrInvitation
	}
	if kept.Uses--; kept.Uses == 0 {
		b.Delete(key)
	} else {
		d.set(b, key, &kept)
	}
	return nil
}

func (d Directory) invitationKey(code []byte) []byte {
	tag := d.Keys.Tag(atrest.Invitation, code)
	return atrest.Key(atrest.Invitation, tag[:])
}
