package tree

import (
	"slices"
	"testing"

	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// grove is a tree whose members' private keys are all at hand.
type grove struct {
	t       testing.TB
	suite   ciphersuite.Suite
	tree    *Tree
	members map[LeafIndex]*Private
	signers map[LeafIndex]ciphersuite.SigningKey
}

var (
	groupID = []byte("the group")
	context = []byte("its context")
)

// newGrove plants n members without any parent.
func newGrove(tb testing.TB, n int) *grove {
	tb.Helper()
	return newGroveOf(tb, ciphersuite.X25519_AES128GCM_SHA256_Ed25519, n)
}

func newGroveOf(tb testing.TB, id ciphersuite.ID, n int) *grove {
	tb.Helper()
	g := &grove{
		t: tb, suite: suiteOf(tb, uint16(id)),
		members: map[LeafIndex]*Private{}, signers: map[LeafIndex]ciphersuite.SigningKey{},
	}
	for range n {
		g.plant()
	}
	return g
}

// must ends the test on an error.
func (g *grove) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// leaf returns a leaf of a key package with fresh keys, signed.
func (g *grove) leaf() (*LeafNode, ciphersuite.PrivateKey, ciphersuite.SigningKey) {
	g.t.Helper()
	key, pub, err := g.suite.GenerateKeyPair()
	g.must(err)
	signer, err := g.suite.GenerateSigningKey()
	g.must(err)
	l := &LeafNode{
		EncryptionKey: pub, SignatureKey: signer.Public(), Source: SourceKeyPackage,
		Credential: Credential{CredentialBasic, []byte("member")},
		Capabilities: Capabilities{
			Versions: []uint16{ProtocolMLS10}, CipherSuites: []uint16{uint16(g.suite.ID())},
			Credentials: []uint16{uint16(CredentialBasic)},
		},
	}
	g.must(l.Sign(g.suite, signer, nil, 0))
	return l, key, signer
}

// plant adds a member.
func (g *grove) plant() {
	g.t.Helper()
	l, key, signer := g.leaf()
	var i LeafIndex
	if g.tree == nil {
		g.tree = New(g.suite, l)
	} else {
		var err error
		i, err = g.tree.Add(l)
		g.must(err)
	}
	g.members[i], g.signers[i] = NewPrivate(i, key), signer
}

// commit lets a member renew its path and all others follow.
func (g *grove) commit(by LeafIndex) *UpdatePath {
	g.t.Helper()
	before := g.tree.Clone()
	path, err := g.tree.NewPath(g.members[by], *g.tree.Leaf(by), g.signers[by], groupID)
	g.must(err)
	u, err := path.Encrypt(context, nil)
	g.must(err)
	g.must(before.ApplyPath(by, u, groupID, nil))
	for i, p := range g.members {
		if i == by {
			continue
		}
		got, err := before.DecryptPath(p, by, u, context, nil)
		g.must(err)
		if !got.Equal(path.CommitSecret()) {
			g.t.Fatalf("%v: another commit secret", i)
		}
	}
	g.valid()
	return u
}

// valid fails the test unless the tree is in order for everybody.
func (g *grove) valid() {
	g.t.Helper()
	received, err := Parse(g.suite, g.tree.Append(nil))
	g.must(err)
	g.must(received.Validate(groupID))
	g.must(received.CheckCapabilities(nil))
	for _, p := range g.members {
		g.must(p.Check(received))
	}
}

// remove takes a member out; the others forget the keys above it.
func (g *grove) remove(i LeafIndex) {
	g.t.Helper()
	g.must(g.tree.Remove(i))
	delete(g.members, i)
	delete(g.signers, i)
	for _, p := range g.members {
		p.Prune(g.tree)
	}
}

// changed returns a copy of the tree with another leaf at i, signed again.
func (g *grove) changed(i LeafIndex, change func(*LeafNode)) *Tree {
	g.t.Helper()
	c := g.tree.Clone()
	l := *c.Leaf(i)
	change(&l)
	g.must(l.Sign(g.suite, g.signers[i], groupID, i))
	c.nodes[i.Node()].leaf = &l
	c.touch(i.Node())
	return c
}

// grafted returns a copy of the tree with another parent node at x.
func (g *grove) grafted(x NodeIndex, change func(*ParentNode)) *Tree {
	g.t.Helper()
	c := g.tree.Clone()
	p := *c.nodes[x].parent
	p.UnmergedLeaves = slices.Clone(p.UnmergedLeaves)
	change(&p)
	c.nodes[x].parent = &p
	c.touch(x)
	return c
}
