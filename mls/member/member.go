// Package member is what a member of an MLS group is to the others before and
// beside the group's secrets: its leaf as the application sees it, the key
// packages by which it is added (RFC 9420 10), and the callback that judges
// identities. Package group gives all of it again under its own names.
package member

import (
	"errors"
	"math"
	"time"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/tree"
)

// Errors that a caller decides on.
var (
	// ErrInvalid: something breaks a rule of the protocol, or the Validator said no.
	ErrInvalid = errors.New("not allowed in this group")
	// ErrKind: the message is of another kind than the call is for.
	ErrKind = errors.New("message of another kind")
	// ErrState: a saved state does not decode, or its parts do not fit.
	ErrState = errors.New("saved group state is damaged or from a newer version")
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

// Of describes the leaf l at i. It keeps l, which must not change any more.
func Of(i LeafIndex, l *tree.LeafNode) Member {
	m := Member{
		Leaf: i, Identity: l.Credential.Content, SignatureKey: l.SignatureKey,
		EncryptionKey: l.EncryptionKey, Extensions: l.Extensions, node: l,
	}
	if l.Source == tree.SourceKeyPackage {
		m.NotBefore, m.NotAfter = unixTime(l.Lifetime.NotBefore), unixTime(l.Lifetime.NotAfter)
	}
	return m
}

// Append appends the saved form of m, its index and leaf, to b.
func (m Member) Append(b []byte) []byte { return m.node.Append(syntax.AppendUint32(b, uint32(m.Leaf))) }

// Read reads what [Member.Append] wrote.
func Read(r *syntax.Reader) Member {
	i := LeafIndex(r.Uint32())
	return Of(i, tree.ReadLeafNode(r))
}

func unixTime(s uint64) time.Time { return time.Unix(int64(min(s, math.MaxInt64/4)), 0).UTC() }

// Lifetime returns the lifetime between two times, in whole seconds.
func Lifetime(notBefore, notAfter time.Time) tree.Lifetime {
	return tree.Lifetime{NotBefore: unixSeconds(notBefore), NotAfter: unixSeconds(notAfter)}
}

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

// Check asks v about c.
func (v Validator) Check(c Claim) error {
	if v == nil {
		return nil
	}
	return v(c)
}

// LeafContent describes a leaf of one's own.
type LeafContent struct {
	Identity   []byte // of the basic credential
	Extensions Extensions
	Supports   []ExtensionType // further types the application handles
	Group      Extensions      // their types are supported too
}

// NewLeaf returns a leaf without keys and signature. Its capabilities name what
// it carries and what the caller says the application handles.
func NewLeaf(o LeafContent) (tree.LeafNode, error) {
	if err := o.Extensions.Check(); err != nil {
		return tree.LeafNode{}, err
	}
	l := tree.LeafNode{
		Credential: tree.Credential{Type: tree.CredentialBasic, Content: o.Identity},
		Extensions: o.Extensions,
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
	l.Capabilities.Support(o.Supports...)
	for _, e := range o.Extensions {
		l.Capabilities.Support(e.Type)
	}
	for _, e := range o.Group {
		l.Capabilities.Support(e.Type)
	}
	return l, nil
}
