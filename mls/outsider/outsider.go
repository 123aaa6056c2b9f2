// Package outsider makes the proposals of who is not a member of an MLS group
// (RFC 9420 12.1.8). It holds no secret of any group. Members take them if their
// group is set to (group.ExternalProposals), and a member must commit them.
package outsider

import (
	"fmt"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/member"
	"github.com/byre-messenger/byre/mls/tree"
)

// Sender is a sender that the group's external_senders extension lists
// ([tree.ExternalSenders]).
type Sender struct {
	Suite   ciphersuite.ID
	GroupID []byte
	Index   uint32 // its place in the extension
	Signer  ciphersuite.SigningKey
}

// ProposeAdd proposes, in the group's epoch, to add a member. The result is an
// MLSMessage in the clear.
func (s Sender) ProposeAdd(epoch uint64, k *member.KeyPackage) ([]byte, error) {
	return s.Propose(epoch, framing.Add{KeyPackage: k.Content()})
}

// ProposeRemove proposes to remove the member at i.
func (s Sender) ProposeRemove(epoch uint64, i tree.LeafIndex) ([]byte, error) {
	return s.Propose(epoch, framing.Remove{Leaf: i})
}

// Propose makes any proposal that RFC 9420 12.1.8 lets an external sender make;
// others are refused.
func (s Sender) Propose(epoch uint64, p framing.Proposal) ([]byte, error) {
	from := framing.Sender{Type: framing.SenderExternal, Index: s.Index}
	return propose(s.Suite, s.Signer, from, s.GroupID, epoch, p)
}

// ProposeSelf proposes to add the device of k itself (new_member_proposal). signer
// is the key of k's leaf.
func ProposeSelf(groupID []byte, epoch uint64, k *member.OwnKeyPackage, signer ciphersuite.SigningKey) ([]byte, error) {
	from := framing.Sender{Type: framing.SenderNewMemberProposal}
	return propose(k.Suite().ID(), signer, from, groupID, epoch, framing.Add{KeyPackage: k.Content()})
}

func propose(id ciphersuite.ID, signer ciphersuite.SigningKey, from framing.Sender, groupID []byte, epoch uint64, p framing.Proposal) ([]byte, error) {
	s, err := ciphersuite.Lookup(id)
	if err != nil {
		return nil, fmt.Errorf("propose from outside: %w", err)
	}
	// RFC 9420 6.1: a signature from outside does not cover the group context.
	m, err := framing.Sign(s, signer, framing.WirePublicMessage, framing.Content{
		GroupID: groupID, Epoch: epoch, Sender: from, Type: framing.ContentProposal, Proposal: p,
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("propose from outside: %w", err)
	}
	msg, err := m.SealPublic(nil) // no membership tag: no epoch
	if err != nil {
		return nil, fmt.Errorf("propose from outside: %w", err)
	}
	return msg, nil
}
