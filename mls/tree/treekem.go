package tree

import (
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

const pathLabel = "UpdatePathNode"

// Path is a fresh path of one's own, already in the tree, its secrets not yet
// encrypted to the others. Call [Path.Wipe] when done.
type Path struct {
	tree    *Tree
	leaf    *LeafNode
	self    LeafIndex
	nodes   []NodeIndex
	copath  []NodeIndex
	secrets []secret.Bytes // path secrets of nodes
	keys    [][]byte       // public keys of nodes
	commit  secret.Bytes
}

// NewPath makes a fresh path for the member at i and puts it into the tree
// (RFC 9420 7.4, 7.5). leaf is the member's new leaf; NewPath sets its
// encryption key, source, parent hash and signature. The private keys go into
// priv. On an error tree and priv are spoilt: call it on clones.
func (t *Tree) NewPath(priv *Private, leaf LeafNode, signer ciphersuite.SigningKey, groupID []byte) (*Path, error) {
	i := priv.self
	if t.Leaf(i) == nil {
		return nil, fmt.Errorf("%w: %v", ErrNoMember, i)
	}
	p := &Path{tree: t, self: i}
	p.nodes, p.copath = t.filteredPath(i)
	s := ciphersuite.Random(t.suite.HashSize())
	for _, x := range p.nodes {
		key, pub, err := nodeKeyPair(t.suite, s)
		if err != nil {
			return nil, err
		}
		priv.set(x, key)
		p.secrets, p.keys = append(p.secrets, s), append(p.keys, pub)
		s = t.suite.DeriveSecret(s, "path")
	}
	p.commit = s
	key, pub, err := t.suite.GenerateKeyPair()
	if err != nil {
		return nil, err
	}
	priv.SetLeaf(key)
	leaf.EncryptionKey, leaf.Source, leaf.Lifetime = pub, SourceCommit, Lifetime{}
	leaf.ParentHash = t.setPath(i, p.nodes, p.copath, p.keys)
	if err := leaf.Sign(t.suite, signer, groupID, i); err != nil {
		return nil, err
	}
	p.leaf = &leaf
	t.nodes[i.Node()].leaf = p.leaf
	priv.Prune(t)
	return p, nil
}

// CommitSecret returns the secret the path gives the key schedule; it stays p's.
func (p *Path) CommitSecret() secret.Bytes { return p.commit }

// SecretFor returns a copy of the path secret of the lowest node above both the
// committer and the member at i: what a Welcome tells i.
func (p *Path) SecretFor(i LeafIndex) secret.Bytes {
	for k, x := range p.nodes {
		if x.covers(i) {
			return p.secrets[k].Clone()
		}
	}
	return secret.Bytes{}
}

// Wipe erases the path's secrets.
func (p *Path) Wipe() {
	for _, s := range p.secrets {
		s.Wipe()
	}
	p.commit.Wipe()
}

// Encrypt encrypts the path secrets to everybody but the members that the same
// commit adds, on all processors when they are many. context is the encoded
// provisional group context (RFC 9420 7.6).
func (p *Path) Encrypt(context []byte, added []LeafIndex) (*UpdatePath, error) {
	u := &UpdatePath{Leaf: p.leaf, Nodes: make([]UpdatePathNode, len(p.nodes))}
	type job struct{ node, at int }
	var jobs []job
	to := make([][]NodeIndex, len(p.nodes))
	set := leafSet(added)
	for k := range p.nodes {
		to[k] = p.tree.pathRecipients(p.copath[k], set)
		u.Nodes[k] = UpdatePathNode{p.keys[k], make([]ciphersuite.Ciphertext, len(to[k]))}
		for at := range to[k] {
			jobs = append(jobs, job{k, at})
		}
	}
	err := parallel(len(jobs), func(n int) (err error) {
		k, at := jobs[n].node, jobs[n].at
		key := p.tree.nodes[to[k][at]].key()
		u.Nodes[k].Secrets[at], err = p.tree.suite.EncryptWithLabel(key, pathLabel, context, p.secrets[k].Reveal())
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// DecryptPath finds in u, the update path of the member at from that t already
// holds, the secret meant for priv's owner, keeps the private keys that follow
// from it, and returns the commit secret (RFC 9420 7.5, 12.4.2). On an error
// priv is spoilt: call it on a clone.
func (t *Tree) DecryptPath(priv *Private, from LeafIndex, u *UpdatePath, context []byte, added []LeafIndex) (secret.Bytes, error) {
	priv.Prune(t)
	path, copath := t.filteredPath(from)
	if len(path) != len(u.Nodes) {
		return secret.Bytes{}, fmt.Errorf("%w: %d nodes, want %d", ErrPath, len(u.Nodes), len(path))
	}
	mine := slices.IndexFunc(copath, func(x NodeIndex) bool { return x.covers(priv.self) })
	if mine < 0 {
		return secret.Bytes{}, fmt.Errorf("%w: nothing for %v", ErrPath, priv.self)
	}
	to := t.pathRecipients(copath[mine], leafSet(added))
	at := slices.IndexFunc(to, func(x NodeIndex) bool { _, ok := priv.get(x); return ok })
	if at < 0 || len(to) != len(u.Nodes[mine].Secrets) {
		return secret.Bytes{}, fmt.Errorf("%w: nothing for %v", ErrPath, priv.self)
	}
	key, _ := priv.get(to[at])
	s, err := t.suite.DecryptWithLabel(key, pathLabel, context, u.Nodes[mine].Secrets[at])
	if err != nil { // V-130
		return secret.Bytes{}, fmt.Errorf("path secret for %v: %w", priv.self, err)
	}
	if s.Len() != t.suite.HashSize() { // V-131
		return secret.Bytes{}, fmt.Errorf("%w: path secret of %d bytes", ErrPath, s.Len())
	}
	return priv.implant(t, path[mine:], s)
}
