package interop

import (
	"fmt"
	"slices"
	"strings"

	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/tree"
)

// What ts-mls 1.6.4 does differently from RFC 9420, as far as the schedules meet
// it. Each is checked to be just so: when a later version does better, the tests
// fail and this file shrinks.
//
//  1. 12.4.3.1: "every non-blank intermediate node between the leaf node and the
//     parent node" must list an unmerged leaf. ts-mls wants that of all ancestors of
//     the leaf, above the parent node too, and wants their whole lists equal. It
//     refuses to join trees that have a parent with unmerged leaves under an ancestor
//     that was renewed later. Such a newcomer is a ghost until the next commit.

const tsVersion = "1.6.4"

// isUnmergedDefect reports whether err is that of defect 1.
func isUnmergedDefect(err error) bool {
	return strings.Contains(err.Error(), "non-blank intermediate node must list leaf node in its unmerged_leaves")
}

// isRemovalDefect reports whether err is that of defect 2.
func isRemovalDefect(err error) bool {
	return strings.Contains(err.Error(), "No overlap between provided private keys and update path")
}

// unmergedDefect reports whether ts-mls refuses a tree for defect 1.
func unmergedDefect(encoded []byte) (bool, error) {
	nodes, err := parseTree(encoded)
	if err != nil {
		return false, err
	}
	for _, n := range nodes {
		for _, leaf := range n.unmerged {
			for _, above := range ancestors(2*int(leaf), len(nodes)) {
				if a := nodes[above]; a.parent && !slices.Equal(a.unmerged, n.unmerged) {
					return true, nil
				}
			}
		}
	}
	return false, nil
}

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
