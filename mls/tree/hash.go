package tree

import (
	"slices"

	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// Hash returns the tree hash of the root (RFC 9420 7.8): the tree_hash of the
// group context. Only what changed since the last call is hashed.
func (t *Tree) Hash() []byte { return t.hash(t.root()) }

func (t *Tree) hash(x NodeIndex) []byte {
	n := &t.nodes[x]
	if n.hash == nil {
		n.hash = t.hashNode(x, n.leaf, n.parent, t.hash)
	}
	return n.hash
}

// hashNode is the hash of TreeHashInput with the given content of x; children
// are hashed by child.
func (t *Tree) hashNode(x NodeIndex, leaf *LeafNode, parent *ParentNode, child func(NodeIndex) []byte) []byte {
	if x.isLeaf() {
		b := append(make([]byte, 0, 512), nodeTypeLeaf)
		b = syntax.AppendUint32(b, uint32(x.leaf()))
		b = syntax.AppendOptional(b, leaf != nil)
		if leaf != nil {
			b = leaf.Append(b)
		}
		return t.suite.Hash(b)
	}
	left, right := child(x.left()), child(x.right())
	b := append(make([]byte, 0, 256), nodeTypeParent)
	b = syntax.AppendOptional(b, parent != nil)
	if parent != nil {
		b = parent.append(b)
	}
	b = syntax.AppendVector(b, left)
	b = syntax.AppendVector(b, right)
	return t.suite.Hash(b)
}

// hashWithout is the tree hash of x as it was before the leaves in without
// (ascending) were added: they are blank, and in no list of unmerged leaves.
func (t *Tree) hashWithout(x NodeIndex, without []LeafIndex) []byte {
	first, last := x.leaves()
	from, _ := slices.BinarySearch(without, first)
	to, _ := slices.BinarySearch(without, last+1)
	if without = without[from:to]; len(without) == 0 {
		return t.hash(x)
	}
	if x.isLeaf() {
		return t.hashNode(x, nil, nil, nil)
	}
	parent := t.nodes[x].parent
	if parent != nil {
		before := *parent
		before.UnmergedLeaves = subtract(parent.UnmergedLeaves, without)
		parent = &before
	}
	return t.hashNode(x, nil, parent, func(c NodeIndex) []byte { return t.hashWithout(c, without) })
}

// subtract returns a without the elements of b; both ascend.
func subtract(a, b []LeafIndex) []LeafIndex {
	var out []LeafIndex
	for _, i := range a {
		if _, in := slices.BinarySearch(b, i); !in {
			out = append(out, i)
		}
	}
	return out
}

// parentHash is the parent hash that the child of p on the other side than
// sibling carries (RFC 9420 7.9): it covers sibling as p's author saw it.
func (t *Tree) parentHash(p *ParentNode, sibling NodeIndex) []byte {
	b := make([]byte, 0, 128+len(p.EncryptionKey))
	b = syntax.AppendVector(b, p.EncryptionKey)
	b = syntax.AppendVector(b, p.ParentHash)
	b = syntax.AppendVector(b, t.hashWithout(sibling, p.UnmergedLeaves))
	return t.suite.Hash(b)
}
