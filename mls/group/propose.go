package group

import (
	"bytes"
	"fmt"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/change"
	"github.com/byre-messenger/byre/mls/member"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// ProposalRef names a proposal that was sent by itself (RFC 9420 5.2).
type ProposalRef []byte

// Proposal is a proposal that waits for a commit to take it up.
type Proposal struct {
	Ref     ProposalRef
	Sender  Member // zero for one from outside
	Outside bool   // made by an external sender or by whom it adds
	Kind    ProposalKind
	Added   *Member // of ProposeAdd; its index is not known yet
	Removed *Member // of ProposeRemove and ProposeLeave
	Updated *Update // of ProposeUpdate
}

// ProposalKind says what a proposal asks for.
type ProposalKind uint16

// The kinds of proposals that members make.
const (
	ProposeAdd        = ProposalKind(framing.ProposalAdd)
	ProposeUpdate     = ProposalKind(framing.ProposalUpdate)
	ProposeRemove     = ProposalKind(framing.ProposalRemove)
	ProposePSK        = ProposalKind(framing.ProposalPreSharedKey)
	ProposeExtensions = ProposalKind(framing.ProposalGroupContextExtensions)
	ProposeLeave      = ProposalKind(framing.ProposalSelfRemove)
)

// maxProposals bounds the proposals kept in an epoch: a member can send them
// without end.
const maxProposals = 1024

func (g *Group) find(ref []byte) (change.Proposal, bool) {
	for _, p := range g.proposals {
		if bytes.Equal(p.Ref, ref) {
			return p, true
		}
	}
	return change.Proposal{}, false
}

// Proposals returns the proposals of this epoch, in the order they came.
func (g *Group) Proposals() []Proposal {
	list := make([]Proposal, len(g.proposals))
	for i, p := range g.proposals {
		list[i] = g.describe(p)
	}
	return list
}

func (e *epoch) describe(p change.Proposal) Proposal {
	d := Proposal{Ref: p.Ref, Kind: ProposalKind(p.Value.Type()), Outside: p.Sender == change.Nobody}
	d.Sender, _ = e.Member(p.Sender)
	switch v := p.Value.(type) {
	case framing.Add:
		m := member.Of(0, v.KeyPackage.Leaf)
		d.Added = &m
	case framing.Update:
		d.Updated = &Update{Before: d.Sender, After: member.Of(p.Sender, v.Leaf)}
	case framing.Remove:
		if m, ok := e.Member(v.Leaf); ok {
			d.Removed = &m
		}
	case framing.SelfRemove:
		m := d.Sender
		d.Removed = &m
	case framing.PreSharedKey, framing.ReInit, framing.ExternalInit, framing.GroupContextExtensions, framing.UnknownProposal:
	}
	return d
}

// Receive checks somebody's proposal and keeps it for a commit to take up
// (RFC 9420 12.1). Its key is erased: store the [Group.RatchetState].
func (g *Group) Receive(msg []byte) (Proposal, error) {
	if g.closed {
		return Proposal{}, ErrClosed
	}
	v, err := g.verify(msg, framing.ContentProposal)
	if err != nil {
		return Proposal{}, fmt.Errorf("receive proposal: %w", err)
	}
	defer v.Drop()
	c := v.Content()
	p := change.Proposal{Sender: LeafIndex(c.Sender.Index), Ref: v.Ref(g.suite), Value: c.Proposal}
	if c.Sender.Type != framing.SenderMember {
		p.Sender = change.Nobody
	}
	if err := g.acceptable(p, c.Sender); err != nil {
		return Proposal{}, fmt.Errorf("receive proposal: %w", err)
	}
	if err := v.Consume(); err != nil {
		return Proposal{}, fmt.Errorf("receive proposal: %w", err)
	}
	if _, known := g.find(p.Ref); !known {
		g.proposals = append(g.proposals, p)
	}
	return g.describe(p), nil
}

func (g *Group) acceptable(p change.Proposal, sender framing.Sender) error {
	if sender.Type != framing.SenderMember && g.outside&ExternalProposals == 0 { // V-522
		return fmt.Errorf("%w: proposal from outside", ErrRefused)
	}
	if len(g.proposals) >= maxProposals {
		return fmt.Errorf("%w: more than %d proposals in an epoch", ErrRefused, maxProposals)
	}
	if p.Sender == g.Self() {
		return ErrOwn
	}
	// On trial, as if a member other than the sender committed it alone.
	_, err := g.apply([]change.Proposal{p}, change.Nobody, g.validator)
	return err
}

// ProposeAdd proposes to add a member.
func (g *Group) ProposeAdd(k *KeyPackage) ([]byte, ProposalRef, error) {
	return g.propose(framing.Add{KeyPackage: k.Content()}, ciphersuite.PrivateKey{})
}

// ProposeRemove proposes to remove another member.
func (g *Group) ProposeRemove(i LeafIndex) ([]byte, ProposalRef, error) {
	return g.propose(framing.Remove{Leaf: i}, ciphersuite.PrivateKey{})
}

// ProposePSK proposes to mix in the external pre-shared key named id.
func (g *Group) ProposePSK(id []byte) ([]byte, ProposalRef, error) {
	named := PSKID{Type: schedule.PSKExternal, ID: id, Nonce: g.nonce()}
	return g.propose(framing.PreSharedKey{ID: named}, ciphersuite.PrivateKey{})
}

// ProposeGroupExtensions proposes to replace all extensions of the group.
func (g *Group) ProposeGroupExtensions(x Extensions) ([]byte, ProposalRef, error) {
	return g.propose(framing.GroupContextExtensions{Extensions: x}, ciphersuite.PrivateKey{})
}

// ProposeLeave tells that this member leaves: whoever commits next takes it up
// (SelfRemove of draft-ietf-mls-extensions). Nobody can remove itself otherwise.
func (g *Group) ProposeLeave() ([]byte, ProposalRef, error) {
	return g.propose(framing.SelfRemove{}, ciphersuite.PrivateKey{})
}

// ProposeUpdate proposes fresh keys for one's own leaf, and new content if o is
// not nil. The private key waits in the [Group.RatchetState].
func (g *Group) ProposeUpdate(o *LeafOptions) ([]byte, ProposalRef, error) {
	if g.closed {
		return nil, nil, ErrClosed
	}
	leaf, err := g.ownLeaf(o, g.context.Extensions)
	if err != nil {
		return nil, nil, fmt.Errorf("propose update: %w", err)
	}
	key, pub, err := g.suite.GenerateKeyPair()
	if err != nil {
		return nil, nil, fmt.Errorf("propose update: %w", err)
	}
	leaf.EncryptionKey, leaf.Source, leaf.Lifetime, leaf.ParentHash = pub, tree.SourceUpdate, tree.Lifetime{}, nil
	if err := leaf.Sign(g.suite, g.signer, g.context.GroupID, g.Self()); err != nil {
		return nil, nil, fmt.Errorf("propose update: %w", err)
	}
	return g.propose(framing.Update{Leaf: &leaf}, key)
}

// propose sends p and keeps it as if it had been received.
func (g *Group) propose(v framing.Proposal, key ciphersuite.PrivateKey) ([]byte, ProposalRef, error) {
	if g.closed {
		return nil, nil, ErrClosed
	}
	m, err := g.sign(framing.WirePrivateMessage, framing.Content{Type: framing.ContentProposal, Proposal: v})
	if err != nil {
		return nil, nil, fmt.Errorf("propose: %w", err)
	}
	p := change.Proposal{Sender: g.Self(), Ref: m.Ref(g.suite), Value: v, Key: key}
	if _, err := g.apply([]change.Proposal{p}, change.Nobody, g.validator); err != nil {
		return nil, nil, fmt.Errorf("propose: %w", err)
	}
	msg, err := g.seal(m, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("propose: %w", err)
	}
	g.proposals = append(g.proposals, p)
	return msg, p.Ref, nil
}

// ownLeaf returns one's own leaf with the content that o asks for, not signed.
func (e *epoch) ownLeaf(o *LeafOptions, context Extensions) (tree.LeafNode, error) {
	old := e.tree.Leaf(e.Self())
	leaf := *old
	if o != nil {
		identity := old.Credential.Content
		if o.Identity != nil {
			identity = o.Identity
		}
		var err error
		if leaf, err = member.NewLeaf(member.LeafContent{Identity: identity, Extensions: o.Extensions, Supports: o.Supports}); err != nil {
			return tree.LeafNode{}, err
		}
		leaf.SignatureKey = old.SignatureKey
	}
	leaf.Capabilities.Extensions = append([]uint16(nil), leaf.Capabilities.Extensions...)
	for _, x := range context { // whoever sets a group extension supports it
		leaf.Capabilities.Support(x.Type)
	}
	return leaf, nil
}
