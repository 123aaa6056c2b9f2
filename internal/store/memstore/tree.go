package memstore

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// node is a persistent treap: a binary search tree by key and a heap by a
// random priority, which keeps it balanced. Nodes never change once built, so a
// root is a snapshot; a write copies the path from the root.
type node struct {
	key, val    []byte
	pri         uint64
	left, right *node
}

// get returns the node of key, or nil.
func (n *node) get(key []byte) *node {
	for n != nil {
		switch c := bytes.Compare(key, n.key); {
		case c == 0:
			return n
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return nil
}

// with returns n's nodes with new links.
func (n *node) with(left, right *node) *node {
	return &node{n.key, n.val, n.pri, left, right}
}

// split returns the records below key, and the others.
func split(n *node, key []byte) (below, rest *node) {
	if n == nil {
		return nil, nil
	}
	if bytes.Compare(n.key, key) < 0 {
		l, r := split(n.right, key)
		return n.with(n.left, l), r
	}
	l, r := split(n.left, key)
	return l, n.with(r, n.right)
}

// join returns the records of l and r; every key of l is below all of r.
func join(l, r *node) *node {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	case l.pri > r.pri:
		return l.with(l.left, join(l.right, r))
	default:
		return r.with(join(l, r.left), r.right)
	}
}

// set returns n with key at val.
func (n *node) set(key, val []byte) *node {
	l, r := split(n.delete(key, after(key)), key)
	return join(join(l, &node{key: key, val: val, pri: rand.Uint64()}), r) //nolint:gosec // the priority balances a tree and is no secret
}

// delete returns n without the records from <= key < to.
func (n *node) delete(from, to []byte) *node {
	l, r := split(n, from)
	_, r = split(r, to)
	return join(l, r)
}

// scan calls yield for the records from <= key < to in order until it returns
// false, and then does so too. A nil to has no end.
func (n *node) scan(from, to []byte, yield func(*node) bool) bool {
	if n == nil {
		return true
	}
	low := bytes.Compare(from, n.key) <= 0
	high := to == nil || bytes.Compare(n.key, to) < 0
	return (!low || n.left.scan(from, to, yield)) &&
		(!low || !high || yield(n)) &&
		(!high || n.right.scan(from, to, yield))
}

// after returns the key that follows key.
func after(key []byte) []byte { return append(slices.Clip(key), 0) }
