package tree

import (
	"fmt"
	"math/bits"
)

// LeafIndex numbers the leaves from the left, from 0.
type LeafIndex uint32

// NodeIndex numbers all nodes in order from the left: leaf i is node 2i, parents
// have odd indices (RFC 9420 appendix C).
type NodeIndex uint32

// MaxLeaves bounds a tree. It is far above any group's size and far below what a
// hostile encoding could ask for.
const MaxLeaves = 1 << 16

// Node returns the node of leaf i.
func (i LeafIndex) Node() NodeIndex { return NodeIndex(2 * i) }

// String makes an index readable in errors.
func (i LeafIndex) String() string { return fmt.Sprintf("leaf %d", uint32(i)) }

func (x NodeIndex) isLeaf() bool { return x&1 == 0 }

// leaf returns the leaf at x, which must be one.
func (x NodeIndex) leaf() LeafIndex { return LeafIndex(x / 2) }

// level is a node's height: 0 for leaves.
func (x NodeIndex) level() int { return bits.TrailingZeros32(^uint32(x)) }

// left and right return the children of x, which must be a parent.
func (x NodeIndex) left() NodeIndex  { return x ^ 1<<(x.level()-1) }
func (x NodeIndex) right() NodeIndex { return x ^ 3<<(x.level()-1) }

// parent returns the node above x in an unbounded tree. The root's caller stops.
func (x NodeIndex) parent() NodeIndex {
	k := x.level()
	return (x | 1<<k) &^ (1 << (k + 1))
}

// sibling returns the other child of x's parent.
func (x NodeIndex) sibling() NodeIndex {
	p := x.parent()
	if x < p {
		return p.right()
	}
	return p.left()
}

// leaves returns the first and the last leaf under x.
func (x NodeIndex) leaves() (first, last LeafIndex) {
	half := NodeIndex(1)<<x.level() - 1
	return (x - half).leaf(), (x + half).leaf()
}

// covers reports whether leaf i is x or under it.
func (x NodeIndex) covers(i LeafIndex) bool {
	first, last := x.leaves()
	return first <= i && i <= last
}

// root returns the root of a tree of n leaves, n a power of two.
func root(n int) NodeIndex { return NodeIndex(n) - 1 } //nolint:gosec // n <= MaxLeaves

// directPath returns the parents of leaf i from the lowest up to the root of a
// tree of n leaves.
func directPath(i LeafIndex, n int) []NodeIndex {
	r := root(n)
	path := make([]NodeIndex, 0, r.level())
	for x := i.Node(); x != r; {
		x = x.parent()
		path = append(path, x)
	}
	return path
}
