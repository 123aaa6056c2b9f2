package tree

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// ErrPrivate is returned when private keys do not match the tree: the update
// path lied to us, or the state is damaged.
var ErrPrivate = errors.New("private key does not belong to the tree's public key")

// Private holds what one member knows of the tree's private keys: its leaf's and
// those of some nodes above. It is not safe for concurrent use.
type Private struct {
	self LeafIndex
	leaf ciphersuite.PrivateKey
	keys []nodeKey // by node, ascending
}

type nodeKey struct {
	node NodeIndex
	key  ciphersuite.PrivateKey
}

// NewPrivate takes ownership of the private key of the leaf at self.
func NewPrivate(self LeafIndex, leaf ciphersuite.PrivateKey) *Private {
	return &Private{self: self, leaf: leaf}
}

// Self returns the member's leaf.
func (p *Private) Self() LeafIndex { return p.self }

// Clone returns an independent copy, so that one may be wiped and the other used.
func (p *Private) Clone() *Private {
	c := &Private{self: p.self, leaf: p.leaf.Clone(), keys: make([]nodeKey, len(p.keys))}
	for i, k := range p.keys {
		c.keys[i] = nodeKey{k.node, k.key.Clone()}
	}
	return c
}

// Wipe erases all keys.
func (p *Private) Wipe() {
	p.leaf.Wipe()
	for _, k := range p.keys {
		k.key.Wipe()
	}
	p.keys = nil
}

// SetLeaf takes ownership of a new leaf key and erases the old one.
func (p *Private) SetLeaf(k ciphersuite.PrivateKey) {
	p.leaf.Wipe()
	p.leaf = k
}

// Leaf returns the leaf's private key; it stays p's.
func (p *Private) Leaf() ciphersuite.PrivateKey { return p.leaf }

func (p *Private) find(x NodeIndex) (int, bool) {
	return slices.BinarySearchFunc(p.keys, x, func(k nodeKey, x NodeIndex) int { return cmp.Compare(k.node, x) })
}

func (p *Private) get(x NodeIndex) (ciphersuite.PrivateKey, bool) {
	if x == p.self.Node() {
		return p.leaf, true
	}
	if at, ok := p.find(x); ok {
		return p.keys[at].key, true
	}
	return ciphersuite.PrivateKey{}, false
}

func (p *Private) set(x NodeIndex, k ciphersuite.PrivateKey) {
	at, ok := p.find(x)
	if !ok {
		p.keys = slices.Insert(p.keys, at, nodeKey{x, k})
		return
	}
	p.keys[at].key.Wipe()
	p.keys[at].key = k
}

// Prune erases the keys of nodes that are blank in t.
func (p *Private) Prune(t *Tree) {
	p.keys = slices.DeleteFunc(p.keys, func(k nodeKey) bool {
		gone := int(k.node) >= len(t.nodes) || t.nodes[k.node].blank()
		if gone {
			k.key.Wipe()
		}
		return gone
	})
}

// implant derives the keys of path[0], path[1], ... from the first one's path
// secret, checks them against the tree and keeps them. It returns the secret
// after the last, the commit secret (RFC 9420 7.4).
func (p *Private) implant(t *Tree, path []NodeIndex, first secret.Bytes) (secret.Bytes, error) {
	s := first
	for _, x := range path {
		key, pub, err := nodeKeyPair(t.suite, s)
		if err != nil {
			return secret.Bytes{}, err
		}
		if !bytes.Equal(pub, t.nodes[x].key()) { // V-126
			key.Wipe()
			return secret.Bytes{}, fmt.Errorf("%w: node %d", ErrPrivate, x)
		}
		p.set(x, key)
		next := t.suite.DeriveSecret(s, "path")
		s.Wipe()
		s = next
	}
	return s, nil
}

func nodeKeyPair(s ciphersuite.Suite, pathSecret secret.Bytes) (ciphersuite.PrivateKey, []byte, error) {
	nodeSecret := s.DeriveSecret(pathSecret, "node")
	defer nodeSecret.Wipe()
	return s.DeriveKeyPair(nodeSecret)
}

// Join keeps what a Welcome gives a new member: the path secret of the lowest
// node above both it and the committer (RFC 9420 12.4.3.1). It takes ownership
// of pathSecret.
func (p *Private) Join(t *Tree, committer LeafIndex, pathSecret secret.Bytes) error {
	if committer == p.self || t.Leaf(committer) == nil {
		return fmt.Errorf("%w: %v", ErrNoMember, committer)
	}
	var above []NodeIndex
	for _, x := range directPath(p.self, t.Width()) {
		if !x.covers(committer) {
			continue
		}
		if t.nodes[x].blank() {
			if len(above) == 0 { // V-127: the secret is that of a node that has none
				return fmt.Errorf("%w: node %d is blank", ErrPrivate, x)
			}
			continue
		}
		above = append(above, x)
	}
	last, err := p.implant(t, above, pathSecret)
	last.Wipe()
	return err
}

// Check verifies that every private key belongs to the tree's public key.
func (p *Private) Check(t *Tree) error {
	own := t.Leaf(p.self)
	if own == nil {
		return fmt.Errorf("%w: %v", ErrNoMember, p.self)
	}
	if pub, err := p.leaf.PublicKey(); err != nil || !bytes.Equal(pub, own.EncryptionKey) { // V-128
		return fmt.Errorf("%w: %v", ErrPrivate, p.self)
	}
	for _, k := range p.keys {
		if int(k.node) >= len(t.nodes) {
			return fmt.Errorf("%w: node %d", ErrPrivate, k.node)
		}
		if pub, err := k.key.PublicKey(); err != nil || !bytes.Equal(pub, t.nodes[k.node].key()) {
			return fmt.Errorf("%w: node %d", ErrPrivate, k.node)
		}
	}
	return nil
}

// Append appends the keys themselves: what it returns is secret.
func (p *Private) Append(b []byte) []byte {
	b = syntax.AppendUint32(b, uint32(p.self))
	b = syntax.AppendVector(b, p.leaf.Bytes().Reveal())
	return syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, k := range p.keys {
			b = syntax.AppendUint32(b, uint32(k.node))
			b = syntax.AppendVector(b, k.key.Bytes().Reveal())
		}
		return b
	})
}

// ReadPrivate reads what [Private.Append] wrote. It copies the keys.
func ReadPrivate(s ciphersuite.Suite, r *syntax.Reader) *Private {
	parse := func() ciphersuite.PrivateKey {
		k, err := s.ParsePrivateKey(secret.New(r.Vector()))
		if err != nil {
			r.Fail(err)
		}
		return k
	}
	p := &Private{self: LeafIndex(r.Uint32()), leaf: parse()}
	for in := r.Sub(); !in.Empty(); {
		node := NodeIndex(in.Uint32())
		k, err := s.ParsePrivateKey(secret.New(in.Vector()))
		if err != nil {
			in.Fail(err)
			break
		}
		p.set(node, k)
	}
	return p
}
