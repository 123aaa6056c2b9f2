package framing

import (
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// ProposalType numbers the proposals (RFC 9420 17.4).
type ProposalType uint16

// The proposal types.
const (
	ProposalAdd                    ProposalType = 0x0001
	ProposalUpdate                 ProposalType = 0x0002
	ProposalRemove                 ProposalType = 0x0003
	ProposalPreSharedKey           ProposalType = 0x0004
	ProposalReInit                 ProposalType = 0x0005
	ProposalExternalInit           ProposalType = 0x0006
	ProposalGroupContextExtensions ProposalType = 0x0007
	// ProposalSelfRemove is draft-ietf-mls-extensions' way of leaving.
	ProposalSelfRemove ProposalType = 0x000a
)

// Proposal is a proposed change (RFC 9420 12.1). The set is closed.
//
//sumtype:decl
type Proposal interface {
	// Type returns the proposal's number.
	Type() ProposalType
	// appendBody appends what follows the number.
	appendBody(b []byte) []byte
}

// Add proposes a new member (RFC 9420 12.1.1).
type Add struct{ KeyPackage *KeyPackage }

// Update replaces the sender's leaf (RFC 9420 12.1.2).
type Update struct{ Leaf *tree.LeafNode }

// Remove removes the member at Leaf (RFC 9420 12.1.3).
type Remove struct{ Leaf tree.LeafIndex }

// PreSharedKey injects a pre-shared key (RFC 9420 12.1.4).
type PreSharedKey struct{ ID schedule.PreSharedKeyID }

// ReInit ends the group in favour of another with these parameters
// (RFC 9420 12.1.5).
type ReInit struct {
	GroupID    []byte
	Version    uint16
	Suite      ciphersuite.ID
	Extensions tree.Extensions
}

// ExternalInit carries the KEM output of an external joiner (RFC 9420 12.1.6).
type ExternalInit struct{ KEMOutput []byte }

// GroupContextExtensions replaces the extensions of the group (RFC 9420 12.1.7).
type GroupContextExtensions struct{ Extensions tree.Extensions }

// SelfRemove says that the sender leaves (draft-ietf-mls-extensions).
type SelfRemove struct{}

// UnknownProposal is a proposal of a type that this package does not know, such
// as a GREASE value (RFC 9420 13.5). A proposal carries no length, so it can be
// kept only where it stands alone: [ParseProposal].
type UnknownProposal struct {
	Number ProposalType
	Body   []byte
}

// Type implements [Proposal].
func (Add) Type() ProposalType { return ProposalAdd }

// Type implements [Proposal].
func (Update) Type() ProposalType { return ProposalUpdate }

// Type implements [Proposal].
func (Remove) Type() ProposalType { return ProposalRemove }

// Type implements [Proposal].
func (PreSharedKey) Type() ProposalType { return ProposalPreSharedKey }

// Type implements [Proposal].
func (ReInit) Type() ProposalType { return ProposalReInit }

// Type implements [Proposal].
func (ExternalInit) Type() ProposalType { return ProposalExternalInit }

// Type implements [Proposal].
func (GroupContextExtensions) Type() ProposalType { return ProposalGroupContextExtensions }

// Type implements [Proposal].
func (SelfRemove) Type() ProposalType { return ProposalSelfRemove }

// Type implements [Proposal].
func (u UnknownProposal) Type() ProposalType { return u.Number }

func (p Add) appendBody(b []byte) []byte    { return p.KeyPackage.Append(b) }
func (p Update) appendBody(b []byte) []byte { return p.Leaf.Append(b) }
func (p Remove) appendBody(b []byte) []byte { return syntax.AppendUint32(b, uint32(p.Leaf)) }

func (p PreSharedKey) appendBody(b []byte) []byte { return p.ID.Append(b) }

func (p ReInit) appendBody(b []byte) []byte {
	b = syntax.AppendVector(b, p.GroupID)
	b = syntax.AppendUint16(b, p.Version)
	b = syntax.AppendUint16(b, uint16(p.Suite))
	return p.Extensions.Append(b)
}

func (p ExternalInit) appendBody(b []byte) []byte { return syntax.AppendVector(b, p.KEMOutput) }

func (p GroupContextExtensions) appendBody(b []byte) []byte {
	return p.Extensions.Append(b)
}

func (SelfRemove) appendBody(b []byte) []byte { return b }

func (u UnknownProposal) appendBody(b []byte) []byte { return append(b, u.Body...) }

// AppendProposal appends the encoding of p to b.
func AppendProposal(b []byte, p Proposal) []byte {
	return p.appendBody(syntax.AppendUint16(b, uint16(p.Type())))
}

// ParseProposal reads one proposal that stands alone; of an unknown type it
// becomes an [UnknownProposal].
func ParseProposal(b []byte) (Proposal, error) {
	return decode(b, "proposal", func(r *syntax.Reader) Proposal {
		t := ProposalType(r.Uint16())
		if !known(t) && r.Err() == nil {
			return UnknownProposal{t, r.Fixed(len(r.Rest()))}
		}
		return readBody(r, t)
	})
}

// readProposal reads a proposal inside something else.
func readProposal(r *syntax.Reader) Proposal { return readBody(r, ProposalType(r.Uint16())) }

func known(t ProposalType) bool {
	return t >= ProposalAdd && t <= ProposalGroupContextExtensions || t == ProposalSelfRemove
}

func readBody(r *syntax.Reader, t ProposalType) Proposal {
	switch t {
	case ProposalAdd:
		return Add{ReadKeyPackage(r)}
	case ProposalUpdate:
		return Update{tree.ReadLeafNode(r)}
	case ProposalRemove:
		return Remove{tree.LeafIndex(r.Uint32())}
	case ProposalPreSharedKey:
		return PreSharedKey{schedule.ReadPreSharedKeyID(r)}
	case ProposalReInit:
		return ReInit{
			GroupID: r.Vector(), Version: r.Uint16(),
			Suite: ciphersuite.ID(r.Uint16()), Extensions: tree.ReadExtensions(r),
		}
	case ProposalExternalInit:
		return ExternalInit{r.Vector()}
	case ProposalGroupContextExtensions:
		return GroupContextExtensions{tree.ReadExtensions(r)}
	case ProposalSelfRemove:
		return SelfRemove{}
	}
	r.Fail(fmt.Errorf("%w: proposal type %#04x", ErrUnknown, uint16(t)))
	return UnknownProposal{Number: t}
}

// ProposalOrRef is an entry of a commit: a proposal by value, or the reference
// of one sent before (RFC 9420 12.4). Exactly one is set.
type ProposalOrRef struct {
	Proposal Proposal
	Ref      []byte
}

// Commit is a commit's content (RFC 9420 12.4). Path is nil when it has none.
type Commit struct {
	Proposals []ProposalOrRef
	Path      *tree.UpdatePath
}

// maxProposals bounds a commit: every leaf added, and as many changes again.
const maxProposals = 2 * tree.MaxLeaves

// ProposalOrRefType (RFC 9420 12.4).
const (
	byValue     = 1
	byReference = 2
)

// Append appends the encoding of c to b.
func (c *Commit) Append(b []byte) []byte {
	b = syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, p := range c.Proposals {
			if p.Proposal != nil {
				b = AppendProposal(syntax.AppendUint8(b, byValue), p.Proposal)
			} else {
				b = syntax.AppendVector(syntax.AppendUint8(b, byReference), p.Ref)
			}
		}
		return b
	})
	b = syntax.AppendOptional(b, c.Path != nil)
	if c.Path != nil {
		b = c.Path.Append(b)
	}
	return b
}

// ParseCommit reads one commit that stands alone.
func ParseCommit(b []byte) (*Commit, error) { return decode(b, "commit", readCommit) }

func readCommit(r *syntax.Reader) *Commit {
	c := &Commit{}
	for list := r.Sub(); !list.Empty(); {
		if len(c.Proposals) == maxProposals {
			r.Fail(ErrTooLarge)
		}
		var p ProposalOrRef
		switch t := list.Uint8(); t {
		case byValue:
			p.Proposal = readProposal(list)
		case byReference:
			p.Ref = list.Vector()
		default:
			list.Fail(fmt.Errorf("%w: proposal-or-reference %d", ErrUnknown, t))
		}
		c.Proposals = append(c.Proposals, p)
	}
	if r.Optional() {
		c.Path = tree.ReadUpdatePath(r)
	}
	c.Proposals = slices.Clip(c.Proposals)
	return c
}
