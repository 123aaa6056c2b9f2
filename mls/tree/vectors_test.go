package tree

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/chacha"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/internal/vectors"
)

func claimed(id uint16) bool {
	chacha.Use()
	return ciphersuite.ID(id).Supported()
}

func suiteOf(tb testing.TB, id uint16) ciphersuite.Suite {
	tb.Helper()
	s, err := ciphersuite.Lookup(ciphersuite.ID(id))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestVectorsTreeMath(t *testing.T) {
	for _, v := range vectors.Load[struct {
		Leaves                       int `json:"n_leaves"`
		Nodes                        int `json:"n_nodes"`
		Root                         NodeIndex
		Left, Right, Parent, Sibling []*NodeIndex
	}](t, "tree-math.json") {
		if got := 2*v.Leaves - 1; got != v.Nodes {
			t.Errorf("%d leaves: %d nodes, want %d", v.Leaves, got, v.Nodes)
		}
		r := root(v.Leaves)
		if r != v.Root {
			t.Errorf("%d leaves: root %d, want %d", v.Leaves, r, v.Root)
		}
		for i := range v.Nodes {
			x := NodeIndex(i)
			check := func(what string, want *NodeIndex, defined bool, got func() NodeIndex) {
				t.Helper()
				if (want != nil) != defined || defined && got() != *want {
					t.Errorf("%d leaves: %s of %d differs", v.Leaves, what, x)
				}
			}
			check("left", v.Left[i], !x.isLeaf(), x.left)
			check("right", v.Right[i], !x.isLeaf(), x.right)
			check("parent", v.Parent[i], x != r, x.parent)
			check("sibling", v.Sibling[i], x != r, x.sibling)
		}
	}
}

type operation struct {
	CipherSuite uint16      `json:"cipher_suite"`
	TreeBefore  vectors.Hex `json:"tree_before"`
	Proposal    vectors.Hex
	Sender      LeafIndex   `json:"proposal_sender"`
	HashBefore  vectors.Hex `json:"tree_hash_before"`
	TreeAfter   vectors.Hex `json:"tree_after"`
	HashAfter   vectors.Hex `json:"tree_hash_after"`
}

func TestVectorsTreeOperations(t *testing.T) {
	vectors.Claimed(t, vectors.Load[operation](t, "tree-operations.json"),
		func(v operation) uint16 { return v.CipherSuite }, claimed, checkOperation)
}

func checkOperation(t *testing.T, v operation) {
	t.Helper()
	tr, err := Parse(suiteOf(t, v.CipherSuite), v.TreeBefore)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(tr.Hash(), v.HashBefore) {
		t.Error("hash before differs")
	}
	before := tr.Clone()
	r := syntax.NewReader(v.Proposal)
	switch kind := r.Uint16(); kind {
	case 1: // add: the leaf of a key package
		r.Uint16()
		r.Uint16()
		r.Vector()
		_, err = tr.Add(ReadLeafNode(r))
	case 2:
		err = tr.Update(v.Sender, ReadLeafNode(r))
	case 3:
		err = tr.Remove(LeafIndex(r.Uint32()))
	default:
		t.Fatalf("proposal type %d", kind)
	}
	if err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	if !bytes.Equal(tr.Append(nil), v.TreeAfter) {
		t.Error("tree after differs")
	}
	if !bytes.Equal(tr.Hash(), v.HashAfter) {
		t.Error("hash after differs")
	}
	if !bytes.Equal(before.Append(nil), v.TreeBefore) || !bytes.Equal(before.Hash(), v.HashBefore) {
		t.Error("the change reached the clone")
	}
}

type validation struct {
	CipherSuite uint16 `json:"cipher_suite"`
	Tree        vectors.Hex
	GroupID     vectors.Hex   `json:"group_id"`
	TreeHashes  []vectors.Hex `json:"tree_hashes"`
	Resolutions [][]NodeIndex
}

func TestVectorsTreeValidation(t *testing.T) {
	vectors.Claimed(t, vectors.Load[validation](t, "tree-validation.json"),
		func(v validation) uint16 { return v.CipherSuite }, claimed, checkValidation)
}

func checkValidation(t *testing.T, v validation) {
	t.Helper()
	tr, err := Parse(suiteOf(t, v.CipherSuite), v.Tree)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(tr.Append(nil), v.Tree) {
		t.Error("re-encoding differs")
	}
	if len(tr.nodes) != len(v.Resolutions) || len(tr.nodes) != len(v.TreeHashes) {
		t.Fatalf("%d nodes, want %d", len(tr.nodes), len(v.Resolutions))
	}
	for x := range tr.nodes {
		if got := tr.resolution(nil, NodeIndex(x)); !slices.Equal(got, v.Resolutions[x]) {
			t.Errorf("resolution of %d: %v, want %v", x, got, v.Resolutions[x])
		}
		if got := tr.hash(NodeIndex(x)); !bytes.Equal(got, v.TreeHashes[x]) {
			t.Errorf("tree hash of %d differs", x)
		}
	}
	if err := tr.Validate(v.GroupID); err != nil {
		t.Error(err)
	}
	if err := tr.CheckCapabilities(nil); err != nil {
		t.Error(err)
	}
	if err := tr.Validate([]byte("another group")); tr.boundLeaves() > 0 && !errors.Is(err, ciphersuite.ErrSignature) {
		t.Errorf("in another group: got %v", err)
	}
}

// boundLeaves counts the leaves whose signature covers the group.
func (t *Tree) boundLeaves() (n int) {
	for _, l := range t.Leaves {
		if l.Source != SourceKeyPackage {
			n++
		}
	}
	return n
}

type treeKEM struct {
	CipherSuite uint16      `json:"cipher_suite"`
	GroupID     vectors.Hex `json:"group_id"`
	Epoch       uint64
	Transcript  vectors.Hex `json:"confirmed_transcript_hash"`
	RatchetTree vectors.Hex `json:"ratchet_tree"`
	Leaves      []struct {
		Index       LeafIndex
		Encryption  vectors.Hex `json:"encryption_priv"`
		Signature   vectors.Hex `json:"signature_priv"`
		PathSecrets []struct {
			Node   NodeIndex
			Secret vectors.Hex `json:"path_secret"`
		} `json:"path_secrets"`
	} `json:"leaves_private"`
	Paths []struct {
		Sender        LeafIndex
		UpdatePath    vectors.Hex    `json:"update_path"`
		PathSecrets   []*vectors.Hex `json:"path_secrets"`
		CommitSecret  vectors.Hex    `json:"commit_secret"`
		TreeHashAfter vectors.Hex    `json:"tree_hash_after"`
	} `json:"update_paths"`
}

func TestVectorsTreeKEM(t *testing.T) {
	vectors.Claimed(t, vectors.Load[treeKEM](t, "treekem.json"),
		func(v treeKEM) uint16 { return v.CipherSuite }, claimed, checkTreeKEM)
}

// context is the encoded group context of the vector with a tree hash.
func (v *treeKEM) context(treeHash []byte) []byte {
	b := syntax.AppendUint16(nil, ProtocolMLS10)
	b = syntax.AppendUint16(b, v.CipherSuite)
	b = syntax.AppendVector(b, v.GroupID)
	b = syntax.AppendUint64(b, v.Epoch)
	b = syntax.AppendVector(b, treeHash)
	b = syntax.AppendVector(b, v.Transcript)
	return syntax.AppendVector(b, nil)
}

func checkTreeKEM(t *testing.T, v treeKEM) {
	t.Helper()
	s := suiteOf(t, v.CipherSuite)
	tr, err := Parse(s, v.RatchetTree)
	if err != nil {
		t.Fatal(err)
	}
	members, signers := map[LeafIndex]*Private{}, map[LeafIndex]ciphersuite.SigningKey{}
	for _, l := range v.Leaves {
		leaf, err := s.ParsePrivateKey(secret.New(l.Encryption))
		if err != nil {
			t.Fatal(err)
		}
		p := NewPrivate(l.Index, leaf)
		for _, ps := range l.PathSecrets {
			last, err := p.implant(tr, []NodeIndex{ps.Node}, secret.New(slices.Clone(ps.Secret)))
			if err != nil {
				t.Fatal(err)
			}
			last.Wipe()
		}
		if err := p.Check(tr); err != nil {
			t.Fatal(err)
		}
		members[l.Index] = p
		if signers[l.Index], err = s.ParseSigningKey(secret.New(l.Signature)); err != nil {
			t.Fatal(err)
		}
	}
	for _, up := range v.Paths {
		r := syntax.NewReader(up.UpdatePath)
		u := ReadUpdatePath(r)
		if err := r.Done(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(u.Append(nil), up.UpdatePath) {
			t.Error("re-encoding differs")
		}
		after := tr.Clone()
		if err := after.ApplyPath(up.Sender, u, v.GroupID, nil); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(after.Hash(), up.TreeHashAfter) {
			t.Error("tree hash after differs")
		}
		for i, p := range members {
			if i == up.Sender {
				continue
			}
			mine := p.Clone()
			got, err := after.DecryptPath(mine, up.Sender, u, v.context(after.Hash()), nil)
			if err != nil || !bytes.Equal(got.Reveal(), up.CommitSecret) {
				t.Fatalf("%v: commit secret differs: %v", i, err)
			}
			if err := mine.Check(after); err != nil {
				t.Error(err)
			}
		}
		checkOwnPath(t, tr.Clone(), &v, up.Sender, members, signers[up.Sender])
	}
}

// checkOwnPath makes a new path for sender and lets everybody process it.
func checkOwnPath(t *testing.T, mine *Tree, v *treeKEM, sender LeafIndex, members map[LeafIndex]*Private, signer ciphersuite.SigningKey) {
	t.Helper()
	theirs := mine.Clone()
	priv := members[sender].Clone()
	path, err := mine.NewPath(priv, *mine.Leaf(sender), signer, v.GroupID)
	if err != nil {
		t.Fatal(err)
	}
	if err := priv.Check(mine); err != nil {
		t.Error(err)
	}
	u, err := path.Encrypt(v.context(mine.Hash()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := theirs.ApplyPath(sender, u, v.GroupID, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(theirs.Append(nil), mine.Append(nil)) {
		t.Fatal("trees differ")
	}
	if err := theirs.Validate(v.GroupID); err != nil {
		t.Error(err)
	}
	for i, p := range members {
		if i == sender {
			continue
		}
		got, err := theirs.DecryptPath(p.Clone(), sender, u, v.context(theirs.Hash()), nil)
		if err != nil || !got.Equal(path.CommitSecret()) {
			t.Fatalf("%v: commit secret differs: %v", i, err)
		}
		joined := NewPrivate(i, p.Leaf().Clone())
		if err := joined.Join(theirs, sender, path.SecretFor(i)); err != nil {
			t.Errorf("%v joins by path secret: %v", i, err)
		}
	}
}
