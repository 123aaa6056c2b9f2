package tree

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// ErrTree is returned for an encoding that is not a tree.
var ErrTree = errors.New("malformed ratchet tree")

const (
	nodeTypeLeaf   = 1
	nodeTypeParent = 2
)

// Append appends the tree as the content of a ratchet_tree extension:
// optional<Node> ratchet_tree<V>, trailing blanks left out (RFC 9420 12.4.3.3).
func (t *Tree) Append(b []byte) []byte {
	end := len(t.nodes)
	for end > 0 && t.nodes[end-1].blank() {
		end--
	}
	return syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, n := range t.nodes[:end] {
			b = appendNode(b, n.leaf, n.parent)
		}
		return b
	})
}

func appendNode(b []byte, leaf *LeafNode, parent *ParentNode) []byte {
	switch {
	case leaf != nil:
		return leaf.Append(append(b, 1, nodeTypeLeaf))
	case parent != nil:
		return parent.append(append(b, 1, nodeTypeParent))
	default:
		return append(b, 0)
	}
}

// Parse reads what [Tree.Append] wrote. It keeps a copy of b. Only the form is
// checked: see [Tree.Validate].
func Parse(s ciphersuite.Suite, b []byte) (*Tree, error) {
	r := syntax.NewReader(bytes.Clone(b))
	in := r.Sub()
	var nodes []node
	for !in.Empty() {
		if len(nodes) == 2*MaxLeaves-1 {
			r.Fail(ErrFull)
			break
		}
		nodes = append(nodes, readNode(in, len(nodes)%2 == 0))
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTree, err)
	}
	if len(nodes) == 0 || nodes[len(nodes)-1].blank() { // V-103
		return nil, fmt.Errorf("%w: it ends in a blank node", ErrTree)
	}
	width := 1
	for 2*width-1 < len(nodes) {
		width *= 2
	}
	t := &Tree{suite: s, nodes: make([]node, 2*width-1)}
	copy(t.nodes, nodes)
	return t, nil
}

func readNode(r *syntax.Reader, even bool) node {
	if !r.Optional() {
		return node{}
	}
	switch kind := r.Uint8(); {
	case kind == nodeTypeLeaf && even:
		return node{leaf: ReadLeafNode(r)}
	case kind == nodeTypeParent && !even:
		return node{parent: readParentNode(r)}
	default: // V-104
		r.Fail(errors.New("node of a wrong type"))
		return node{}
	}
}

func readParentNode(r *syntax.Reader) *ParentNode {
	p := &ParentNode{EncryptionKey: r.Vector(), ParentHash: r.Vector()}
	for in := r.Sub(); !in.Empty(); {
		p.UnmergedLeaves = append(p.UnmergedLeaves, LeafIndex(in.Uint32()))
	}
	return p
}
