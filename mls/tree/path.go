package tree

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// ErrPath is returned for an update path that does not fit the tree.
var ErrPath = errors.New("invalid update path")

// UpdatePath is what a committer publishes of its fresh path (RFC 9420 7.6).
type UpdatePath struct {
	Leaf  *LeafNode
	Nodes []UpdatePathNode // the filtered direct path, lowest first
}

// UpdatePathNode is one node of it: its new key, and its path secret encrypted
// to each node of the resolution of the child the committer is not under.
type UpdatePathNode struct {
	EncryptionKey []byte
	Secrets       []ciphersuite.Ciphertext
}

// Append appends the encoding of u to b.
func (u *UpdatePath) Append(b []byte) []byte {
	b = u.Leaf.Append(b)
	return syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for i := range u.Nodes {
			b = syntax.AppendVector(b, u.Nodes[i].EncryptionKey)
			b = syntax.AppendVectorFunc(b, func(b []byte) []byte {
				for _, c := range u.Nodes[i].Secrets {
					b = syntax.AppendVector(b, c.KEMOutput)
					b = syntax.AppendVector(b, c.Ciphertext)
				}
				return b
			})
		}
		return b
	})
}

// ReadUpdatePath reads an update path. Its byte strings are views into the input.
func ReadUpdatePath(r *syntax.Reader) *UpdatePath {
	u := &UpdatePath{Leaf: ReadLeafNode(r)}
	for in := r.Sub(); !in.Empty(); {
		n := UpdatePathNode{EncryptionKey: in.Vector()}
		for cts := in.Sub(); !cts.Empty(); {
			n.Secrets = append(n.Secrets, ciphersuite.Ciphertext{KEMOutput: cts.Vector(), Ciphertext: cts.Vector()})
		}
		u.Nodes = append(u.Nodes, n)
	}
	return u
}

// setPath puts keys on the filtered direct path of a member, blanks the rest of
// its direct path, and returns the parent hash its leaf must carry
// (RFC 9420 7.5, 7.9).
func (t *Tree) setPath(i LeafIndex, path, copath []NodeIndex, keys [][]byte) (leafParentHash []byte) {
	t.blankPath(i)
	var above []byte
	for k, x := range slices.Backward(path) {
		p := &ParentNode{EncryptionKey: keys[k], ParentHash: above}
		t.nodes[x].parent = p
		above = t.parentHash(p, copath[k])
	}
	return above
}

// ApplyPath verifies the public side of the update path of the member at i, which
// is the same for everybody, and puts it into the tree (RFC 9420 7.5, 12.4.2).
// added are the members that the same commit adds. On an error the tree is
// spoilt: call it on a clone.
func (t *Tree) ApplyPath(i LeafIndex, u *UpdatePath, groupID []byte, added []LeafIndex) error {
	old := t.Leaf(i)
	if old == nil {
		return fmt.Errorf("%w: %v", ErrNoMember, i)
	}
	if u.Leaf.Source != SourceCommit { // V-119
		return fmt.Errorf("%w: its leaf has source %d", ErrPath, u.Leaf.Source)
	}
	if bytes.Equal(old.EncryptionKey, u.Leaf.EncryptionKey) { // V-120
		return fmt.Errorf("%w: its leaf keeps the old key", ErrPath)
	}
	path, copath := t.filteredPath(i)
	if len(path) != len(u.Nodes) { // V-121
		return fmt.Errorf("%w: %d nodes, want %d", ErrPath, len(u.Nodes), len(path))
	}
	if err := t.checkPathKeys(u); err != nil {
		return err
	}
	keys, set := make([][]byte, len(path)), leafSet(added)
	for k, n := range u.Nodes {
		keys[k] = n.EncryptionKey
		if want := len(t.pathRecipients(copath[k], set)); len(n.Secrets) != want { // V-129
			return fmt.Errorf("%w: node %d: %d secrets, want %d", ErrPath, path[k], len(n.Secrets), want)
		}
	}
	if want := t.setPath(i, path, copath, keys); !bytes.Equal(want, u.Leaf.ParentHash) { // V-122
		return fmt.Errorf("%w: %v", ErrParentHash, i)
	}
	if err := u.Leaf.Check(t.suite); err != nil {
		return err
	}
	if err := u.Leaf.Verify(t.suite, groupID, i); err != nil {
		return err
	}
	t.nodes[i.Node()].leaf = u.Leaf
	return t.CheckFresh([]LeafIndex{i})
}

// checkPathKeys verifies that the keys of u are keys, and new ones.
func (t *Tree) checkPathKeys(u *UpdatePath) error {
	keys := make(map[string]struct{}, len(u.Nodes)+1)
	keys[string(u.Leaf.EncryptionKey)] = struct{}{}
	for k := range u.Nodes {
		key := u.Nodes[k].EncryptionKey
		if _, twice := keys[string(key)]; twice { // V-123
			return fmt.Errorf("%w: %w", ErrPath, ErrDuplicateKey)
		}
		keys[string(key)] = struct{}{}
		if err := t.suite.CheckPublicKey(key); err != nil { // V-124
			return fmt.Errorf("%w: %w", ErrPath, err)
		}
	}
	for x := range t.nodes {
		if _, known := keys[string(t.nodes[x].key())]; known { // V-125
			return fmt.Errorf("%w: %w: node %d", ErrPath, ErrDuplicateKey, x)
		}
	}
	return nil
}

// pathRecipients lists, for one node of a path, whom its secret is encrypted to:
// the resolution of the other child without the leaves that this very commit
// adds (RFC 9420 12.4.1; those learn it from their Welcome).
func (t *Tree) pathRecipients(copath NodeIndex, added map[LeafIndex]bool) []NodeIndex {
	res := t.resolution(nil, copath)
	if len(added) == 0 {
		return res
	}
	kept := res[:0]
	for _, x := range res {
		if !x.isLeaf() || !added[x.leaf()] {
			kept = append(kept, x)
		}
	}
	return kept
}

func leafSet(leaves []LeafIndex) map[LeafIndex]bool {
	set := make(map[LeafIndex]bool, len(leaves))
	for _, i := range leaves {
		set[i] = true
	}
	return set
}
