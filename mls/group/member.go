package group

import (
	"math"
	"time"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/tree"
)

// Names of the tree's that stand in this package's API.
type (
	// LeafIndex numbers the members' places.
	LeafIndex = tree.LeafIndex
	// ExtensionType numbers an extension; 0xf000 to 0xffff are private.
	ExtensionType = tree.ExtensionType
	// Extension is an extension with opaque data.
	Extension = tree.Extension
	// Extensions is a list of extensions, each type at most once.
	Extensions = tree.Extensions
)

// Member is what the tree says of a member. Its slices are the group's: they
// must not be changed.
type Member struct {
	Leaf          LeafIndex
	Identity      []byte // of the basic credential
	SignatureKey  []byte
	EncryptionKey []byte
	Extensions    Extensions
	NotBefore     time.Time // zero unless the leaf is that of a key package
	NotAfter      time.Time

	node *tree.LeafNode
}

func member(i LeafIndex, l *tree.LeafNode) Member {
	m := Member{
		Leaf: i, Identity: l.Credential.Content, SignatureKey: l.SignatureKey,
		EncryptionKey: l.EncryptionKey, Extensions: l.Extensions, node: l,
	}
	if l.Source == tree.SourceKeyPackage {
		m.NotBefore, m.NotAfter = unixTime(l.Lifetime.NotBefore), unixTime(l.Lifetime.NotAfter)
	}
	return m
}

func unixTime(s uint64) time.Time { return time.Unix(int64(min(s, math.MaxInt64/4)), 0).UTC() }

func unixSeconds(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) }

// Update is a member whose leaf changed.
type Update struct{ Before, After Member }

// Claim is a leaf that is about to stand in the tree.
type Claim struct {
	Member
	Previous *Member    // the leaf it replaces; nil for an add, a create or a join
	Group    Extensions // of the group context it will stand under
}

// Validator judges the identity a leaf claims: an error refuses it. It must
// depend on its argument alone, because every member must come to the same
// answer. A nil Validator accepts every identity.
type Validator func(Claim) error

func (v Validator) check(c Claim) error {
	if v == nil {
		return nil
	}
	return v(c)
}

// leafOptions describes a leaf of one's own.
type leafOptions struct {
	identity   []byte
	extensions Extensions
	supports   []ExtensionType
	more       Extensions // types in here are supported too
}

// newLeaf returns a leaf without keys and signature. Its capabilities name what
// it carries and what the caller says the application handles.
func newLeaf(o leafOptions) (tree.LeafNode, error) {
	if err := o.extensions.Check(); err != nil {
		return tree.LeafNode{}, err
	}
	l := tree.LeafNode{
		Credential: tree.Credential{Type: tree.CredentialBasic, Content: o.identity},
		Extensions: o.extensions,
		Capabilities: tree.Capabilities{
			Versions:    []uint16{tree.ProtocolMLS10},
			Extensions:  []uint16{uint16(tree.ExtLastResort)},
			Proposals:   []uint16{uint16(framing.ProposalSelfRemove)},
			Credentials: []uint16{uint16(tree.CredentialBasic)},
		},
	}
	for _, s := range ciphersuite.All() {
		l.Capabilities.CipherSuites = append(l.Capabilities.CipherSuites, uint16(s.ID()))
	}
	l.Capabilities.Support(o.supports...)
	for _, e := range o.extensions {
		l.Capabilities.Support(e.Type)
	}
	for _, e := range o.more {
		l.Capabilities.Support(e.Type)
	}
	return l, nil
}
