//go:build testhooks

package group

import (
	"errors"
	"slices"

	"github.com/byre-messenger/byre/mls/schedule"
)

// ContentKeys returns the keys of the first n application messages of another
// member, those that were read left out, and changes nothing. It exists in test
// builds alone: a test looks for them where no content key may ever be.
func (g *Group) ContentKeys(leaf LeafIndex, n uint32) ([][]byte, error) {
	var keys [][]byte
	for generation := range n {
		claim, err := g.secrets.Tree.Claim(uint32(leaf), schedule.Application, generation)
		if errors.Is(err, schedule.ErrConsumed) {
			continue
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, slices.Clone(claim.Key().Key.Reveal()))
		claim.Drop()
	}
	return keys, nil
}
