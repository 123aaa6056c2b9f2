package tree

import (
	"fmt"
	"os"
	"testing"

	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// BenchmarkWarmPath is what an update commit costs in a tree where everybody has
// committed once, all but the commit's signature and the key schedule: to make
// the path and encrypt it, and for another member to check it and open its
// secret. The cold tree is group's BenchmarkUpdateCommitCold.
func BenchmarkWarmPath(b *testing.B) {
	sizes := []int{100, 1000}
	if os.Getenv("BYRE_LONG") != "" {
		sizes = append(sizes, 5000)
	}
	for _, id := range []ciphersuite.ID{ciphersuite.X25519_AES128GCM_SHA256_Ed25519, ciphersuite.Default} {
		for _, n := range sizes {
			name := fmt.Sprintf("suite=%04x/n=%d", uint16(id), n)
			var g *grove
			warm := func(b *testing.B) {
				b.Helper()
				if g != nil {
					g.t = b
					return
				}
				g = newGroveOf(b, id, n)
				for i := range LeafIndex(n) {
					path, err := g.tree.NewPath(g.members[i], *g.tree.Leaf(i), g.signers[i], groupID)
					g.must(err)
					path.Wipe()
				}
				g.tree.Hash()
			}
			b.Run("create/"+name, func(b *testing.B) {
				warm(b)
				size := 0
				for b.Loop() {
					size = len(g.renewed(7).Append(nil))
				}
				b.ReportMetric(float64(size), "wire-bytes")
			})
			b.Run("process/"+name, func(b *testing.B) {
				warm(b)
				u := g.renewed(7)
				last := LeafIndex(n - 1)
				for b.Loop() {
					tree, private := g.tree.Clone(), g.members[last].Clone()
					g.must(tree.ApplyPath(7, u, groupID, nil))
					got, err := tree.DecryptPath(private, 7, u, context, nil)
					g.must(err)
					got.Wipe()
					private.Wipe()
				}
			})
		}
	}
}

// renewed returns a path that the member at i makes in a copy of the tree.
func (g *grove) renewed(i LeafIndex) *UpdatePath {
	g.t.Helper()
	path, err := g.tree.Clone().NewPath(g.members[i].Clone(), *g.tree.Leaf(i), g.signers[i], groupID)
	g.must(err)
	defer path.Wipe()
	u, err := path.Encrypt(context, nil)
	g.must(err)
	return u
}
