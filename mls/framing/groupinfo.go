package framing

import (
	"fmt"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/tree"
)

// groupInfoLabel is the label of a GroupInfo's signature (RFC 9420 12.4.3).
const groupInfoLabel = "GroupInfoTBS"

// GroupContext is what all members of an epoch agree on (RFC 9420 8.1).
type GroupContext struct {
	Version                 uint16
	Suite                   ciphersuite.ID
	GroupID                 []byte
	Epoch                   uint64
	TreeHash                []byte
	ConfirmedTranscriptHash []byte
	Extensions              tree.Extensions
}

// Append appends the encoding of c to b.
func (c *GroupContext) Append(b []byte) []byte {
	b = syntax.AppendUint16(b, c.Version)
	b = syntax.AppendUint16(b, uint16(c.Suite))
	b = syntax.AppendVector(b, c.GroupID)
	b = syntax.AppendUint64(b, c.Epoch)
	b = syntax.AppendVector(b, c.TreeHash)
	b = syntax.AppendVector(b, c.ConfirmedTranscriptHash)
	return c.Extensions.Append(b)
}

// ReadGroupContext reads a group context. Its byte strings are views into the
// input of r.
func ReadGroupContext(r *syntax.Reader) GroupContext {
	c := GroupContext{
		Version: r.Uint16(), Suite: ciphersuite.ID(r.Uint16()),
		GroupID: r.Vector(), Epoch: r.Uint64(),
		TreeHash: r.Vector(), ConfirmedTranscriptHash: r.Vector(),
	}
	c.Extensions = tree.ReadExtensions(r)
	if c.Version != Version { // V-616
		r.Fail(fmt.Errorf("%w: %d", ErrVersion, c.Version))
	}
	return c
}

// GroupInfo tells a joiner about a group (RFC 9420 12.4.3). One that came from
// outside is an [UnverifiedGroupInfo] first.
type GroupInfo struct {
	Context         GroupContext
	Extensions      tree.Extensions
	ConfirmationTag []byte
	Signer          tree.LeafIndex
	Signature       []byte
}

func (g *GroupInfo) appendUnsigned(b []byte) []byte {
	b = g.Context.Append(b)
	b = g.Extensions.Append(b)
	b = syntax.AppendVector(b, g.ConfirmationTag)
	return syntax.AppendUint32(b, uint32(g.Signer))
}

// Append appends the encoding of g to b.
func (g *GroupInfo) Append(b []byte) []byte {
	return syntax.AppendVector(g.appendUnsigned(b), g.Signature)
}

// Sign sets Signature. key is the signature key of the leaf Signer.
func (g *GroupInfo) Sign(s ciphersuite.Suite, key ciphersuite.SigningKey) (err error) {
	g.Signature, err = s.SignWithLabel(key, groupInfoLabel, g.appendUnsigned(nil))
	return err
}

func readGroupInfo(r *syntax.Reader) GroupInfo {
	g := GroupInfo{Context: ReadGroupContext(r)}
	g.Extensions = tree.ReadExtensions(r)
	g.ConfirmationTag = r.Vector()
	g.Signer = tree.LeafIndex(r.Uint32())
	g.Signature = r.Vector()
	return g
}

// UnverifiedGroupInfo is a GroupInfo whose signature was not checked. It tells
// what is needed to check it, and no more.
type UnverifiedGroupInfo struct{ info GroupInfo }

// ParseGroupInfo reads a GroupInfo that stands alone, without the head of an
// MLSMessage.
func ParseGroupInfo(b []byte) (*UnverifiedGroupInfo, error) {
	return decode(b, "group info", func(r *syntax.Reader) *UnverifiedGroupInfo {
		return &UnverifiedGroupInfo{readGroupInfo(r)}
	})
}

// Suite returns the cipher suite the group says it has.
func (u *UnverifiedGroupInfo) Suite() ciphersuite.ID { return u.info.Context.Suite }

// GroupID returns the group it says it is of.
func (u *UnverifiedGroupInfo) GroupID() []byte { return u.info.Context.GroupID }

// Epoch returns the epoch it says it is of.
func (u *UnverifiedGroupInfo) Epoch() uint64 { return u.info.Context.Epoch }

// RatchetTree returns the ratchet_tree extension (RFC 9420 12.4.3.3), in which
// the signer's key is found.
func (u *UnverifiedGroupInfo) RatchetTree() (data []byte, ok bool) {
	return u.info.Extensions.Get(tree.ExtRatchetTree)
}

// Signer returns the leaf that says it signed.
func (u *UnverifiedGroupInfo) Signer() tree.LeafIndex { return u.info.Signer }

// Verify checks the signature under key, the signature key of the leaf Signer.
func (u *UnverifiedGroupInfo) Verify(s ciphersuite.Suite, key []byte) (*GroupInfo, error) {
	if s.ID() != u.info.Context.Suite { // V-615
		return nil, fmt.Errorf("group info: %w: of suite 0x%04x", ErrMalformed, uint16(u.info.Context.Suite))
	}
	if err := s.VerifyWithLabel(key, groupInfoLabel, u.info.appendUnsigned(nil), u.info.Signature); err != nil { // V-614
		return nil, fmt.Errorf("group info: %w", ErrSignature)
	}
	g := u.info
	return &g, nil
}
