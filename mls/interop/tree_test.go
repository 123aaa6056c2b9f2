package interop

import (
	"fmt"

	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/tree"
)

type treeNode struct {
	parent   bool
	unmerged []uint32
	leaf     *tree.LeafNode
}

// parseTree reads a ratchet_tree (RFC 9420 12.4.3.3) and fills it up to its
// whole width.
func parseTree(encoded []byte) ([]treeNode, error) {
	r := syntax.NewReader(encoded)
	var nodes []treeNode
	for in := r.Sub(); !in.Empty(); {
		var n treeNode
		if in.Optional() {
			switch in.Uint8() {
			case 1:
				n.leaf = tree.ReadLeafNode(in)
			case 2:
				in.Vector() // encryption key
				in.Vector() // parent hash
				n.parent = true
				for l := in.Sub(); !l.Empty(); {
					n.unmerged = append(n.unmerged, l.Uint32())
				}
			}
		}
		nodes = append(nodes, n)
	}
	width := 1
	for width < len(nodes) {
		width = 2*width + 1
	}
	return append(nodes, make([]treeNode, width-len(nodes))...), r.Done()
}

// ancestors lists the direct path of node x in a full tree of n nodes
// (RFC 9420 appendix C).
func ancestors(x, n int) []int {
	var path []int
	for step := 1; 2*step < n; step *= 2 {
		// The parent of a node of level k stands 2^k to its right or left, so
		// that bit k+1 of it is clear.
		x = (x | step) &^ (2 * step)
		path = append(path, x)
	}
	return path
}

// leaves lists the leaves of a tree that are not blank.
func leaves(encoded []byte) ([]uint32, error) {
	nodes, err := parseTree(encoded)
	var list []uint32
	for i, n := range nodes {
		if n.leaf != nil {
			list = append(list, uint32(i/2))
		}
	}
	return list, err
}

// leafOf finds the leaf of a member by its identity.
func leafOf(encoded []byte, identity string) (uint32, error) {
	nodes, err := parseTree(encoded)
	for i, n := range nodes {
		if n.leaf != nil && string(n.leaf.Credential.Content) == identity {
			return uint32(i / 2), err
		}
	}
	return 0, fmt.Errorf("%s is not in the tree: %w", identity, err)
}
