package tree

import (
	"errors"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// ProtocolMLS10 is the protocol version of RFC 9420.
const ProtocolMLS10 uint16 = 1

// CredentialType numbers a kind of credential (RFC 9420 17.5).
type CredentialType uint16

// CredentialBasic is a bare identity: what it means is the application's.
const CredentialBasic CredentialType = 0x0001

// Credential binds a signature key to an identity. For a basic credential
// Content is the identity; for another type it is the content of the one vector
// that follows the type, kept as it came.
type Credential struct {
	Type    CredentialType
	Content []byte
}

// Append appends the encoding of c to b.
func (c Credential) Append(b []byte) []byte {
	return syntax.AppendVector(syntax.AppendUint16(b, uint16(c.Type)), c.Content)
}

// ReadCredential reads a credential.
func ReadCredential(r *syntax.Reader) Credential {
	return Credential{CredentialType(r.Uint16()), r.Vector()}
}

// Capabilities says what a member's client can handle (RFC 9420 7.2). Unknown
// values are kept.
type Capabilities struct {
	Versions     []uint16
	CipherSuites []uint16
	Extensions   []uint16
	Proposals    []uint16
	Credentials  []uint16
}

func (c *Capabilities) append(b []byte) []byte {
	b = appendUint16s(b, c.Versions)
	b = appendUint16s(b, c.CipherSuites)
	b = appendUint16s(b, c.Extensions)
	b = appendUint16s(b, c.Proposals)
	return appendUint16s(b, c.Credentials)
}

func readCapabilities(r *syntax.Reader) Capabilities {
	return Capabilities{readUint16s(r), readUint16s(r), readUint16s(r), readUint16s(r), readUint16s(r)}
}

// Source says how a leaf came into the tree (RFC 9420 7.2).
type Source uint8

// The sources of a leaf.
const (
	SourceKeyPackage Source = 1
	SourceUpdate     Source = 2
	SourceCommit     Source = 3
)

// Lifetime is when a key package may be used, in seconds since 1970, both ends
// included.
type Lifetime struct{ NotBefore, NotAfter uint64 }

// LeafNode is a member's leaf (RFC 9420 7.2). A LeafNode in a tree is shared
// between trees and must not be changed.
type LeafNode struct {
	EncryptionKey []byte
	SignatureKey  []byte
	Credential    Credential
	Capabilities  Capabilities
	Source        Source
	Lifetime      Lifetime // of SourceKeyPackage
	ParentHash    []byte   // of SourceCommit
	Extensions    Extensions
	Signature     []byte
}

// ErrSource is returned for a leaf whose source is unknown.
var ErrSource = errors.New("unknown leaf source")

func (l *LeafNode) appendUnsigned(b []byte) []byte {
	b = syntax.AppendVector(b, l.EncryptionKey)
	b = syntax.AppendVector(b, l.SignatureKey)
	b = l.Credential.Append(b)
	b = l.Capabilities.append(b)
	b = syntax.AppendUint8(b, uint8(l.Source))
	switch l.Source {
	case SourceKeyPackage:
		b = syntax.AppendUint64(b, l.Lifetime.NotBefore)
		b = syntax.AppendUint64(b, l.Lifetime.NotAfter)
	case SourceCommit:
		b = syntax.AppendVector(b, l.ParentHash)
	case SourceUpdate:
	}
	return l.Extensions.Append(b)
}

// Append appends the encoding of l to b.
func (l *LeafNode) Append(b []byte) []byte {
	return syntax.AppendVector(l.appendUnsigned(b), l.Signature)
}

// ReadLeafNode reads a leaf. Its byte strings are views into the input of r.
func ReadLeafNode(r *syntax.Reader) *LeafNode {
	l := &LeafNode{
		EncryptionKey: r.Vector(),
		SignatureKey:  r.Vector(),
		Credential:    ReadCredential(r),
		Capabilities:  readCapabilities(r),
		Source:        Source(r.Uint8()),
	}
	switch l.Source {
	case SourceKeyPackage:
		l.Lifetime = Lifetime{r.Uint64(), r.Uint64()}
	case SourceUpdate:
	case SourceCommit:
		l.ParentHash = r.Vector()
	default:
		r.Fail(fmt.Errorf("%w: %d", ErrSource, l.Source))
	}
	l.Extensions = ReadExtensions(r)
	l.Signature = r.Vector()
	return l
}

// tbs is LeafNodeTBS (RFC 9420 7.2): a leaf that came by update or commit is
// bound to its place in its group.
func (l *LeafNode) tbs(groupID []byte, at LeafIndex) []byte {
	b := l.appendUnsigned(make([]byte, 0, 512))
	if l.Source != SourceKeyPackage {
		b = syntax.AppendVector(b, groupID)
		b = syntax.AppendUint32(b, uint32(at))
	}
	return b
}

const leafLabel = "LeafNodeTBS"

// Sign sets the signature. groupID and at are used unless the source is
// [SourceKeyPackage].
func (l *LeafNode) Sign(s ciphersuite.Suite, key ciphersuite.SigningKey, groupID []byte, at LeafIndex) (err error) {
	l.Signature, err = s.SignWithLabel(key, leafLabel, l.tbs(groupID, at))
	return err
}

// Verify checks the signature (RFC 9420 7.3).
func (l *LeafNode) Verify(s ciphersuite.Suite, groupID []byte, at LeafIndex) error {
	if err := s.VerifyWithLabel(l.SignatureKey, leafLabel, l.tbs(groupID, at), l.Signature); err != nil { // V-102
		return fmt.Errorf("leaf node: %w", err)
	}
	return nil
}

// Support adds extension types, but for those that everybody supports and those
// that are listed already (RFC 9420 7.2: default types are not listed).
func (c *Capabilities) Support(types ...ExtensionType) {
	for _, t := range types {
		if !c.supports(t) {
			c.Extensions = append(c.Extensions, uint16(t))
		}
	}
}

// SupportsProposal reports whether every member can handle proposals of type p
// (RFC 9420 12.2); those of RFC 9420 itself, 1 to 7, go without saying.
func (t *Tree) SupportsProposal(p uint16) bool {
	if p >= 1 && p <= 7 {
		return true
	}
	for _, l := range t.Leaves {
		if !slices.Contains(l.Capabilities.Proposals, p) {
			return false
		}
	}
	return true
}
