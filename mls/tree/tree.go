// Package tree is the ratchet tree of RFC 9420 section 7 and TreeKEM on it: the
// members' public keys, their hashes and their validation, and the update paths
// by which a member gives the group a fresh secret.
//
// Public keys are opaque bytes here; the cipher suite alone knows their form.
package tree

import (
	"errors"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// Errors of changes to a tree.
var (
	ErrNoMember = errors.New("no member at this leaf")
	ErrFull     = errors.New("the group is as large as it can be")
)

// ParentNode is an inner node (RFC 9420 7.1). A ParentNode in a tree is shared
// between trees and must not be changed.
type ParentNode struct {
	EncryptionKey  []byte
	ParentHash     []byte
	UnmergedLeaves []LeafIndex // ascending
}

func (p *ParentNode) append(b []byte) []byte {
	b = syntax.AppendVector(b, p.EncryptionKey)
	b = syntax.AppendVector(b, p.ParentHash)
	return appendUnmerged(b, p.UnmergedLeaves)
}

func appendUnmerged(b []byte, leaves []LeafIndex) []byte {
	return syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, i := range leaves {
			b = syntax.AppendUint32(b, uint32(i))
		}
		return b
	})
}

// Tree is the public part of a ratchet tree. Clone before a change that may turn
// out to be invalid. A Tree caches hashes even when it is only read: it is not
// safe for concurrent use.
type Tree struct {
	suite ciphersuite.Suite
	nodes []node // 2n-1 of them, n a power of two
	full  int    // no leaf below this one is blank
}

// node is a leaf, a parent or blank. What it points to is never changed in place.
type node struct {
	leaf   *LeafNode
	parent *ParentNode
	hash   []byte // tree hash; nil when something under it changed
}

func (n *node) blank() bool { return n.leaf == nil && n.parent == nil }

func (n *node) key() []byte {
	switch {
	case n.leaf != nil:
		return n.leaf.EncryptionKey
	case n.parent != nil:
		return n.parent.EncryptionKey
	default:
		return nil
	}
}

// New returns the tree of one member.
func New(s ciphersuite.Suite, first *LeafNode) *Tree {
	return &Tree{suite: s, nodes: []node{{leaf: first}}}
}

// Clone returns a tree that can be changed without changing t. It costs a copy
// of the node list (40 bytes a node), no hashing.
func (t *Tree) Clone() *Tree {
	return &Tree{suite: t.suite, nodes: slices.Clone(t.nodes), full: t.full}
}

// Suite returns the cipher suite of the tree.
func (t *Tree) Suite() ciphersuite.Suite { return t.suite }

// Width returns the number of leaves, blank ones included: a power of two.
func (t *Tree) Width() int { return (len(t.nodes) + 1) / 2 }

// Size returns the number of members.
func (t *Tree) Size() int {
	n := 0
	for x := 0; x < len(t.nodes); x += 2 {
		if t.nodes[x].leaf != nil {
			n++
		}
	}
	return n
}

// Leaf returns the leaf node at i, nil if it is blank or outside of the tree.
func (t *Tree) Leaf(i LeafIndex) *LeafNode {
	if int64(i) >= int64(t.Width()) {
		return nil
	}
	return t.nodes[i.Node()].leaf
}

// Leaves calls yield for each member from the left.
func (t *Tree) Leaves(yield func(LeafIndex, *LeafNode) bool) {
	for x := NodeIndex(0); int(x) < len(t.nodes); x += 2 {
		if l := t.nodes[x].leaf; l != nil && !yield(x.leaf(), l) {
			return
		}
	}
}

func (t *Tree) root() NodeIndex { return root(t.Width()) }

// touch forgets the hashes of x and all above.
func (t *Tree) touch(x NodeIndex) {
	for r := t.root(); ; x = x.parent() {
		t.nodes[x].hash = nil
		if x == r {
			return
		}
	}
}

// Add puts a member at the leftmost blank leaf, widening the tree if there is
// none (RFC 9420 7.7, 12.1.1), and returns its index.
func (t *Tree) Add(l *LeafNode) (LeafIndex, error) {
	for t.full < t.Width() && t.nodes[2*t.full].leaf != nil {
		t.full++
	}
	if t.full == t.Width() {
		if t.full >= MaxLeaves {
			return 0, fmt.Errorf("%w: %d", ErrFull, MaxLeaves)
		}
		wider := make([]node, 4*t.full-1)
		copy(wider, t.nodes)
		t.nodes = wider
	}
	i := LeafIndex(t.full) //nolint:gosec // <= MaxLeaves
	t.nodes[i.Node()].leaf = l
	for _, x := range directPath(i, t.Width()) {
		old := t.nodes[x].parent
		if old == nil {
			continue
		}
		at, _ := slices.BinarySearch(old.UnmergedLeaves, i)
		changed := *old
		changed.UnmergedLeaves = slices.Insert(slices.Clone(old.UnmergedLeaves), at, i)
		t.nodes[x].parent = &changed
	}
	t.touch(i.Node())
	return i, nil
}

// Update replaces the leaf of a member and blanks the path above (RFC 9420 12.1.2).
func (t *Tree) Update(i LeafIndex, l *LeafNode) error {
	if t.Leaf(i) == nil {
		return fmt.Errorf("%w: %v", ErrNoMember, i)
	}
	t.blankPath(i)
	t.nodes[i.Node()].leaf = l
	return nil
}

// Remove takes a member out, blanks the path above and narrows the tree while
// its right half is empty (RFC 9420 7.7, 12.1.3).
func (t *Tree) Remove(i LeafIndex) error {
	if t.Leaf(i) == nil {
		return fmt.Errorf("%w: %v", ErrNoMember, i)
	}
	t.blankPath(i)
	t.nodes[i.Node()].leaf = nil
	t.full = min(t.full, int(i))
	for t.Width() > 1 && t.empty(t.root().right()) {
		t.nodes = t.nodes[: len(t.nodes)/2 : len(t.nodes)/2]
	}
	return nil
}

func (t *Tree) blankPath(i LeafIndex) {
	for _, x := range directPath(i, t.Width()) {
		t.nodes[x].parent = nil
	}
	t.touch(i.Node())
}

// empty reports whether no member is under x.
func (t *Tree) empty(x NodeIndex) bool {
	first, last := x.leaves()
	for i := first; i <= last; i++ {
		if t.nodes[i.Node()].leaf != nil {
			return false
		}
	}
	return true
}

// resolution appends the nodes whose keys together reach every member under x
// (RFC 9420 4.1.1).
func (t *Tree) resolution(into []NodeIndex, x NodeIndex) []NodeIndex {
	n := &t.nodes[x]
	switch {
	case n.leaf != nil:
		return append(into, x)
	case n.parent != nil:
		into = append(into, x)
		for _, i := range n.parent.UnmergedLeaves {
			into = append(into, i.Node())
		}
		return into
	case x.isLeaf():
		return into
	default:
		return t.resolution(t.resolution(into, x.left()), x.right())
	}
}

// filteredPath returns the direct path of i without the nodes whose other child
// reaches nobody, and that other child of each (RFC 9420 4.1.2).
func (t *Tree) filteredPath(i LeafIndex) (path, copath []NodeIndex) {
	x := i.Node()
	for _, p := range directPath(i, t.Width()) {
		if s := x.sibling(); !t.empty(s) {
			path, copath = append(path, p), append(copath, s)
		}
		x = p
	}
	return path, copath
}
