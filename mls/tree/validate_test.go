package tree

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// grown is a grove with every kind of node: parents, blanks, unmerged leaves.
func grown(t *testing.T) *grove {
	t.Helper()
	g := newGrove(t, 5)
	g.commit(0)
	g.commit(4)
	g.commit(2)
	g.remove(1)
	g.commit(0)
	g.plant() // leaf 1 again, unmerged above
	g.plant() // leaf 5
	g.plant() // leaf 6
	g.remove(3)
	g.commit(4)
	g.plant() // leaf 3 again, unmerged at the root; leaf 7 stays blank
	g.valid()
	return g
}

func TestATreeThatGrewIsValid(t *testing.T) {
	g := grown(t)
	for i := range g.members {
		g.commit(i)
	}
	for g.tree.Size() > 1 {
		g.remove(LeafIndex(g.tree.Width() - 1 - blanksAtTheEnd(g.tree)))
		g.commit(0)
	}
}

func blanksAtTheEnd(t *Tree) (n int) {
	for t.Leaf(LeafIndex(t.Width()-1-n)) == nil {
		n++
	}
	return n
}

func TestInvalidLeaves(t *testing.T) {
	g := grown(t)
	for name, tc := range map[string]struct {
		change func(*LeafNode)
		want   error
	}{
		"V-105 encryption key":      {func(l *LeafNode) { l.EncryptionKey = l.EncryptionKey[1:] }, ErrLeaf},
		"V-107 version":             {func(l *LeafNode) { l.Capabilities.Versions = []uint16{2} }, ErrLeaf},
		"V-107 cipher suite":        {func(l *LeafNode) { l.Capabilities.CipherSuites = []uint16{2} }, ErrLeaf},
		"V-108 own credential":      {func(l *LeafNode) { l.Capabilities.Credentials = []uint16{2} }, ErrLeaf},
		"V-109 unlisted extension":  {func(l *LeafNode) { l.Extensions = Extensions{{Type: 0xf123}} }, ErrLeaf},
		"V-117 key of another":      {func(l *LeafNode) { l.EncryptionKey = g.tree.Leaf(0).EncryptionKey }, ErrDuplicateKey},
		"V-117 key of a parent":     {func(l *LeafNode) { l.EncryptionKey = g.tree.nodes[7].key() }, ErrDuplicateKey},
		"default extension is fine": {func(l *LeafNode) { l.Extensions = Extensions{{Type: ExtApplicationID}} }, nil},
		"listed extension is fine": {func(l *LeafNode) {
			l.Capabilities.Support(0xf123)
			l.Extensions = Extensions{{Type: 0xf123}}
		}, nil},
	} {
		// Leaf 3 came last: no parent hash covers it.
		if err := g.changed(3, tc.change).Validate(groupID); !errors.Is(err, tc.want) || tc.want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
	bad := g.changed(3, func(*LeafNode) {})
	bad.Leaf(3).Signature[0] ^= 1
	if err := bad.Validate(groupID); !errors.Is(err, ciphersuite.ErrSignature) {
		t.Errorf("V-102: got %v", err)
	}
	twin := g.tree.Clone()
	l := *g.tree.Leaf(3)
	key, pub, err := g.suite.GenerateKeyPair()
	g.must(err)
	key.Wipe()
	l.EncryptionKey = pub
	g.must(l.Sign(g.suite, g.signers[3], nil, 0))
	i, err := twin.Add(&l)
	g.must(err)
	if err := twin.Validate(groupID); !errors.Is(err, ErrDuplicateKey) {
		t.Errorf("V-118: got %v", err)
	}
	if err := twin.CheckFresh([]LeafIndex{i}); !errors.Is(err, ErrDuplicateKey) {
		t.Errorf("V-118, looking at the fresh leaf: got %v", err)
	}
	short := *g.tree.Leaf(3)
	short.SignatureKey = []byte("short")
	if err := short.Check(g.suite); !errors.Is(err, ErrLeaf) {
		t.Errorf("V-106: got %v", err)
	}
}

func TestFreshKeysAreNew(t *testing.T) {
	g := grown(t)
	if err := g.tree.CheckFresh([]LeafIndex{0, 3}); err != nil {
		t.Errorf("members of a good tree: %v", err)
	}
	c := g.changed(3, func(l *LeafNode) { l.EncryptionKey = g.tree.nodes[7].key() })
	if err := c.CheckFresh([]LeafIndex{3}); !errors.Is(err, ErrDuplicateKey) {
		t.Errorf("V-117: got %v", err)
	}
	if err := g.tree.CheckFresh([]LeafIndex{99}); !errors.Is(err, ErrNoMember) {
		t.Errorf("a leaf that is not there: got %v", err)
	}
}

func TestCapabilitiesOfTheGroup(t *testing.T) {
	g := newGrove(t, 3)
	required := func(r RequiredCapabilities) Extensions {
		return Extensions{{ExtRequiredCapabilities, r.Append(nil)}}
	}
	for name, context := range map[string]Extensions{
		"V-111 extension of the group": {{Type: 0xf001}},
		"V-112 required extension":     required(RequiredCapabilities{Extensions: []uint16{0xf001}}),
		"V-112 required proposal":      required(RequiredCapabilities{Proposals: []uint16{0xf001}}),
		"V-112 required credential":    required(RequiredCapabilities{Credentials: []uint16{2}}),
	} {
		if err := g.tree.CheckCapabilities(context); !errors.Is(err, ErrCapabilities) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := g.tree.CheckCapabilities(required(RequiredCapabilities{Proposals: []uint16{1, 7}, Credentials: []uint16{1}})); err != nil {
		t.Errorf("what everybody has: %v", err)
	}
	if err := g.tree.CheckCapabilities(Extensions{{ExtRequiredCapabilities, []byte{1}}}); err == nil {
		t.Error("malformed required capabilities")
	}
	other := g.changed(2, func(l *LeafNode) {
		l.Credential.Type = 7
		l.Capabilities.Credentials = []uint16{1, 7}
	})
	if err := other.CheckCapabilities(nil); !errors.Is(err, ErrCapabilities) {
		t.Errorf("V-110: got %v", err)
	}
}

func TestInvalidParents(t *testing.T) {
	g := grown(t)
	if got := g.tree.nodes[7].parent.UnmergedLeaves; !slices.Equal(got, []LeafIndex{3}) {
		t.Fatalf("the root's unmerged leaves are %v: this test needs [3]", got)
	}
	for name, tc := range map[string]struct {
		at     NodeIndex
		change func(*ParentNode)
		want   error
	}{
		"V-113 twice":             {7, func(p *ParentNode) { p.UnmergedLeaves = []LeafIndex{3, 3} }, ErrUnmerged},
		"V-113 order":             {7, func(p *ParentNode) { p.UnmergedLeaves = []LeafIndex{3, 1} }, ErrUnmerged},
		"V-114 blank leaf":        {7, func(p *ParentNode) { p.UnmergedLeaves = []LeafIndex{3, 7} }, ErrUnmerged},
		"V-114 outside":           {7, func(p *ParentNode) { p.UnmergedLeaves = []LeafIndex{3, 99} }, ErrUnmerged},
		"V-114 not below":         {11, func(p *ParentNode) { p.UnmergedLeaves = []LeafIndex{0} }, ErrUnmerged},
		"V-115 not between":       {7, func(p *ParentNode) { p.UnmergedLeaves = []LeafIndex{3, 5} }, ErrUnmerged},
		"V-116 not listed":        {7, func(p *ParentNode) { p.UnmergedLeaves = nil }, ErrParentHash},
		"V-116 key":               {7, func(p *ParentNode) { p.EncryptionKey = g.tree.Leaf(0).EncryptionKey }, ErrParentHash},
		"V-116 hash of the above": {11, func(p *ParentNode) { p.ParentHash = []byte("x") }, ErrParentHash},
	} {
		if err := g.grafted(tc.at, tc.change).Validate(groupID); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
	// Mallory puts a parent of its own over another.
	c := g.tree.Clone()
	_, pub, err := g.suite.GenerateKeyPair()
	g.must(err)
	c.nodes[13].parent = &ParentNode{EncryptionKey: pub}
	c.touch(13)
	if err := c.Validate(groupID); !errors.Is(err, ErrParentHash) {
		t.Errorf("V-116 planted: got %v", err)
	}
}

func TestMalformedEncodings(t *testing.T) {
	g := newGrove(t, 3)
	blank := []byte{0}
	leaf := appendNode(nil, g.tree.Leaf(0), nil)
	parent := appendNode(nil, nil, &ParentNode{EncryptionKey: []byte("key")})
	tree := func(nodes ...[]byte) []byte { return syntax.AppendVector(nil, slices.Concat(nodes...)) }
	for name, b := range map[string][]byte{
		"empty":                   tree(),
		"V-103 ends in a blank":   tree(leaf, blank, leaf, blank),
		"V-103 only a blank":      tree(blank),
		"V-104 parent as leaf":    tree(parent),
		"V-104 leaf as parent":    tree(leaf, leaf, leaf),
		"V-104 unknown node type": tree([]byte{1, 3}),
		"left over":               append(tree(leaf), 0),
		"wider than any group":    tree(bytes.Repeat(blank, 2*MaxLeaves), leaf),
	} {
		if _, err := Parse(g.suite, b); !errors.Is(err, ErrTree) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	twice := Extensions{{1, nil}, {1, nil}}.Append(nil)
	r := syntax.NewReader(twice)
	ReadExtensions(r)
	if !errors.Is(r.Done(), ErrExtensions) {
		t.Errorf("V-101: got %v", r.Err())
	}
}

// path makes a good path of member 0 and the tree it is for.
func (g *grove) path() (*Tree, *UpdatePath) {
	g.t.Helper()
	after := g.tree.Clone()
	p, err := after.NewPath(g.members[0].Clone(), *g.tree.Leaf(0), g.signers[0], groupID)
	g.must(err)
	u, err := p.Encrypt(context, nil)
	g.must(err)
	return g.tree.Clone(), u
}

func TestInvalidPaths(t *testing.T) {
	g := grown(t)
	resign := func(u *UpdatePath) { g.must(u.Leaf.Sign(g.suite, g.signers[0], groupID, 0)) }
	for name, tc := range map[string]struct {
		change func(*UpdatePath)
		want   error
	}{
		"good":                 {func(*UpdatePath) {}, nil},
		"V-119 source":         {func(u *UpdatePath) { u.Leaf.Source = SourceUpdate; resign(u) }, ErrPath},
		"V-120 old key":        {func(u *UpdatePath) { u.Leaf.EncryptionKey = g.tree.Leaf(0).EncryptionKey; resign(u) }, ErrPath},
		"V-121 too short":      {func(u *UpdatePath) { u.Nodes = u.Nodes[1:] }, ErrPath},
		"V-121 too long":       {func(u *UpdatePath) { u.Nodes = append(u.Nodes, u.Nodes[0]) }, ErrPath},
		"V-122 parent hash":    {func(u *UpdatePath) { u.Leaf.ParentHash = []byte("x"); resign(u) }, ErrParentHash},
		"V-123 one key twice":  {func(u *UpdatePath) { u.Nodes[1].EncryptionKey = u.Nodes[0].EncryptionKey }, ErrPath},
		"V-123 the leaf's key": {func(u *UpdatePath) { u.Nodes[1].EncryptionKey = u.Leaf.EncryptionKey }, ErrPath},
		"V-124 no key":         {func(u *UpdatePath) { u.Nodes[0].EncryptionKey = []byte("x") }, ErrPath},
		"V-125 a parent's key": {func(u *UpdatePath) { u.Nodes[0].EncryptionKey = g.tree.nodes[7].key() }, ErrPath},
		"V-125 a leaf's key":   {func(u *UpdatePath) { u.Leaf.EncryptionKey = g.tree.Leaf(2).EncryptionKey; resign(u) }, ErrPath},
		"V-129 secret less":    {func(u *UpdatePath) { n := &u.Nodes[1]; n.Secrets = n.Secrets[1:] }, ErrPath},
		"V-129 secret more":    {func(u *UpdatePath) { n := &u.Nodes[1]; n.Secrets = append(n.Secrets, n.Secrets[0]) }, ErrPath},
		"V-102 signature":      {func(u *UpdatePath) { u.Leaf.Signature[0] ^= 1 }, ciphersuite.ErrSignature},
		"V-108 capabilities":   {func(u *UpdatePath) { u.Leaf.Capabilities.Credentials = nil; resign(u) }, ErrLeaf},
		"V-118 signature key": {func(u *UpdatePath) {
			u.Leaf.SignatureKey = g.tree.Leaf(2).SignatureKey
			g.must(u.Leaf.Sign(g.suite, g.signers[2], groupID, 0))
		}, ErrDuplicateKey},
	} {
		before, u := g.path()
		tc.change(u)
		if err := before.ApplyPath(0, u, groupID, nil); !errors.Is(err, tc.want) || tc.want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
	before, u := g.path()
	if err := before.ApplyPath(99, u, groupID, nil); !errors.Is(err, ErrNoMember) {
		t.Errorf("of nobody: got %v", err)
	}
}

func TestPathSecretsThatLie(t *testing.T) {
	g := grown(t)
	seal := func(u *UpdatePath, node, at int, to NodeIndex, s []byte) {
		c, err := g.suite.EncryptWithLabel(g.tree.nodes[to].key(), pathLabel, context, s)
		g.must(err)
		u.Nodes[node].Secrets[at] = c
	}
	last := func(u *UpdatePath) int { return len(u.Nodes) - 1 }
	for name, tc := range map[string]struct {
		change func(*UpdatePath)
		want   error
	}{
		"good":                     {func(*UpdatePath) {}, nil},
		"one less":                 {func(u *UpdatePath) { n := &u.Nodes[last(u)]; n.Secrets = n.Secrets[1:] }, ErrPath},
		"nodes missing":            {func(u *UpdatePath) { u.Nodes = u.Nodes[1:] }, ErrPath},
		"V-130 does not open":      {func(u *UpdatePath) { u.Nodes[last(u)].Secrets[0].Ciphertext[0] ^= 1 }, ciphersuite.ErrDecrypt},
		"V-131 short secret":       {func(u *UpdatePath) { seal(u, last(u), 0, 11, []byte("short")) }, ErrPath},
		"V-126 secret of no node":  {func(u *UpdatePath) { seal(u, last(u), 0, 11, make([]byte, 32)) }, ErrPrivate},
		"V-130 sealed to another ": {func(u *UpdatePath) { seal(u, last(u), 0, 0, make([]byte, 32)) }, ciphersuite.ErrDecrypt},
	} {
		after, u := g.path()
		g.must(after.ApplyPath(0, u, groupID, nil))
		tc.change(u)
		_, err := after.DecryptPath(g.members[4].Clone(), 0, u, context, nil)
		if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
	after, u := g.path()
	g.must(after.ApplyPath(0, u, groupID, nil))
	if _, err := after.DecryptPath(NewPrivate(7, ciphersuite.PrivateKey{}), 0, u, context, nil); !errors.Is(err, ErrPath) {
		t.Errorf("for nobody: got %v", err)
	}
}

func TestJoiningByALie(t *testing.T) {
	g := grown(t)
	some := func() secret.Bytes { return secret.New(make([]byte, 32)) }
	p := g.members[6].Clone()
	if err := p.Join(g.tree, 0, some()); !errors.Is(err, ErrPrivate) {
		t.Errorf("V-126: got %v", err)
	}
	if err := p.Join(g.tree, 99, some()); !errors.Is(err, ErrNoMember) {
		t.Errorf("by nobody: got %v", err)
	}
	blank := newGrove(t, 2)
	if err := blank.members[1].Join(blank.tree, 0, some()); !errors.Is(err, ErrPrivate) {
		t.Errorf("V-127: got %v", err)
	}
	if err := NewPrivate(0, g.members[4].Leaf().Clone()).Check(g.tree); !errors.Is(err, ErrPrivate) {
		t.Errorf("V-128: got %v", err)
	}
}

func TestPrivateKeysComeBack(t *testing.T) {
	g := grown(t)
	for _, p := range g.members {
		r := syntax.NewReader(p.Append(nil))
		again := ReadPrivate(g.suite, r)
		g.must(r.Done())
		g.must(again.Check(g.tree))
		if len(again.keys) != len(p.keys) {
			t.Errorf("%d keys, want %d", len(again.keys), len(p.keys))
		}
	}
}

func TestATreeHasAnEnd(t *testing.T) {
	g := newGrove(t, 1)
	l := g.tree.Leaf(0)
	g.tree.nodes = make([]node, 2*MaxLeaves-1)
	for i := range MaxLeaves {
		g.tree.nodes[2*i].leaf = l
	}
	if _, err := g.tree.Add(l); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
}

func FuzzParseReencodes(f *testing.F) {
	s, err := ciphersuite.Lookup(ciphersuite.X25519_AES128GCM_SHA256_Ed25519)
	if err != nil {
		f.Fatal(err)
	}
	l := &LeafNode{EncryptionKey: []byte("k"), Source: SourceCommit, ParentHash: []byte("h")}
	tr := New(s, l)
	if _, err := tr.Add(l); err != nil {
		f.Fatal(err)
	}
	f.Add(tr.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := Parse(s, b)
		if err != nil {
			return
		}
		if got := tr.Append(nil); !bytes.Equal(got, b) {
			t.Fatalf("%x encodes to %x", b, got)
		}
		if err := tr.Validate([]byte("g")); err == nil {
			t.Log("valid by luck")
		}
		tr.Hash()
	})
}
