package tree

import (
	"testing"

	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// In a group where everybody has committed once, a path grows with the logarithm
// of the members: what MLS.md asks of 1,000 is held here at 256 and by the height.
func TestAWarmPathIsSmall(t *testing.T) {
	for id, limit := range map[ciphersuite.ID]int{
		ciphersuite.X25519_AES128GCM_SHA256_Ed25519: 3000,
		ciphersuite.Default:                         40000,
	} {
		t.Run(id.String(), func(t *testing.T) {
			g := newGroveOf(t, id, 256)
			for i := range g.members {
				path, err := g.tree.NewPath(g.members[i], *g.tree.Leaf(i), g.signers[i], groupID)
				g.must(err)
				path.Wipe()
			}
			g.must(g.tree.Validate(groupID))
			path, err := g.tree.NewPath(g.members[7], *g.tree.Leaf(7), g.signers[7], groupID)
			g.must(err)
			u, err := path.Encrypt(context, nil)
			g.must(err)
			for k, n := range u.Nodes {
				if len(n.Secrets) != 1 {
					t.Errorf("node %d of the path: %d secrets, want 1", k, len(n.Secrets))
				}
			}
			size := len(u.Append(nil))
			perNode := size / len(u.Nodes)
			if at1000 := size + 2*perNode; at1000 > limit { // two levels more
				t.Errorf("%d bytes at 256 members, %d at 1,000: want at most %d", size, at1000, limit)
			}
		})
	}
}
