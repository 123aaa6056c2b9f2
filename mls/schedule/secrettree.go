package schedule

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// NoLeaf is the own leaf of a tree that never sends.
const NoLeaf = ^uint32(0)

// maxSize bounds the leaves of a tree, so that node numbers fit 32 bits.
const maxSize = 1 << 30

// Errors of the package. None says anything of a key.
var (
	ErrErased   = errors.New("secret was erased")
	ErrConsumed = errors.New("generation was used already")
	ErrTooFar   = errors.New("generation is too far ahead")
	ErrNoLeaf   = errors.New("no such leaf")
	ErrOwn      = errors.New("message of this very member")
)

// SecretTree hands out the message keys of one epoch (RFC 9420 9).
//
// It derives lazily. nodes is the frontier: a set of subtrees that covers
// exactly the senders not heard yet. Hearing a sender replaces one node by the
// siblings on the way to its leaf, and the leaf by two ratchets. So a sender
// heard before costs the same in a group of any size, and memory grows with the
// senders heard.
type SecretTree struct {
	suite   ciphersuite.Suite
	size    uint32 // leaves: a power of two
	own     uint32
	nodes   map[uint32]secret.Bytes // tree_node_secret by node number
	senders map[uint32]*sender      // by leaf
	// reserved[k] is the first own generation of kind k that may not be used.
	reserved [kinds]uint64
	// version counts the changes, so that a claim knows when it is stale.
	version uint64
}

// sender is the two ratchets of one leaf.
type sender [kinds]ratchet

// NewSecretTree returns the tree under encryption, the encryption_secret, which
// it owns from here on. size is the number of leaves of the ratchet tree.
func NewSecretTree(s ciphersuite.Suite, encryption secret.Bytes, size, own uint32) (*SecretTree, error) {
	if size == 0 || size > maxSize {
		return nil, fmt.Errorf("secret tree of %d leaves", size)
	}
	size = 1 << bits.Len32(size-1) // RFC 9420 4.1.1: the tree is full
	if own != NoLeaf && own >= size {
		return nil, fmt.Errorf("%w: own leaf %d of %d", ErrNoLeaf, own, size)
	}
	return &SecretTree{
		suite: s, size: size, own: own,
		nodes:   map[uint32]secret.Bytes{root: encryption},
		senders: map[uint32]*sender{},
	}, nil
}

// Nodes are numbered from the root: the children of n are 2n and 2n+1, and leaf
// i of a tree of size leaves is size+i. Only the paths matter here, not
// RFC 9420 C's numbers.
const root = 1

// Wipe erases every secret of t. It opens and seals nothing afterwards.
func (t *SecretTree) Wipe() {
	for n, s := range t.nodes {
		s.Wipe()
		delete(t.nodes, n)
	}
	for leaf, s := range t.senders {
		s.wipe()
		delete(t.senders, leaf)
	}
	t.version++
}

// descent is the way from the frontier to a leaf: what hearing a new sender
// would change, not yet done.
type descent struct {
	from     uint32 // the frontier node that goes
	siblings []node // the frontier nodes that come
	sender   sender
}

type node struct {
	number uint32
	secret secret.Bytes
}

// descend derives the ratchets of a leaf that is still under the frontier. It
// changes nothing.
func (t *SecretTree) descend(leaf uint32) (*descent, error) {
	target := t.size + leaf
	from := target
	for ; from >= root; from >>= 1 {
		if _, ok := t.nodes[from]; ok {
			break
		}
	}
	if from < root {
		return nil, fmt.Errorf("%w: leaf %d", ErrErased, leaf)
	}
	at, depth := t.nodes[from], bits.Len32(target)-bits.Len32(from)
	d := &descent{from: from, siblings: make([]node, 0, depth)}
	nh := t.suite.HashSize()
	for level := depth - 1; level >= 0; level-- {
		// RFC 9420 9: both children, so that the parent can go.
		child := target >> level
		path, other := "left", "right"
		if child&1 == 1 {
			path, other = other, path
		}
		sibling := t.suite.ExpandWithLabel(at, "tree", []byte(other), nh)
		next := t.suite.ExpandWithLabel(at, "tree", []byte(path), nh)
		d.siblings = append(d.siblings, node{child ^ 1, sibling})
		if level < depth-1 {
			at.Wipe() // ours; the first one is the tree's
		}
		at = next
	}
	d.sender[Handshake].secret = t.suite.ExpandWithLabel(at, "handshake", nil, nh)
	d.sender[Application].secret = t.suite.ExpandWithLabel(at, "application", nil, nh)
	if depth > 0 {
		at.Wipe()
	}
	return d, nil
}

// install makes d part of t and erases the node it came from.
func (t *SecretTree) install(leaf uint32, d *descent) *sender {
	t.nodes[d.from].Wipe()
	delete(t.nodes, d.from)
	for _, n := range d.siblings {
		t.nodes[n.number] = n.secret
	}
	t.senders[leaf] = &d.sender
	t.version++
	return &d.sender
}

// wipe erases a descent that is not installed.
func (d *descent) wipe() {
	for _, n := range d.siblings {
		n.secret.Wipe()
	}
	d.sender.wipe()
}
