package framing

import (
	"bytes"
	"fmt"

	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// Signers knows the signature keys of an epoch. It answers false for a leaf or
// place that is blank or does not exist.
type Signers interface {
	// Member returns the signature key of the member at leaf.
	Member(leaf tree.LeafIndex) (key []byte, ok bool)
	// External returns the signature key at a place of the group's
	// external_senders extension (RFC 9420 12.1.8.1).
	External(index uint32) (key []byte, ok bool)
}

// Receiver checks the messages of one epoch. All fields must be set.
type Receiver struct {
	Epoch        *schedule.Epoch
	Signers      Signers
	GroupID      []byte
	Number       uint64 // of the epoch
	GroupContext []byte // encoded, of the epoch
}

// Verified is a content whose sender is proven: its signature holds, and so
// does its membership tag or its encryption. Nothing else makes one.
type Verified struct {
	signed
	generation uint32
	claim      *schedule.Claim
}

// Generation returns the generation that encrypted a private message.
func (v *Verified) Generation() uint32 { return v.generation }

// Consume erases the key of a private proposal or commit, which then opens no
// more. Call it when the group accepts the content; an application message was
// consumed when it opened. After it, or for a public message, it does nothing.
func (v *Verified) Consume() error {
	if v.claim == nil {
		return nil
	}
	c := v.claim
	v.claim = nil
	return c.Consume()
}

// Drop forgets a private proposal or commit that the group refuses. The epoch
// is then as it was before the message (RFC 9420 12.4.2 on a commit that fails).
func (v *Verified) Drop() {
	if v.claim != nil {
		v.claim.Drop()
		v.claim = nil
	}
}

// Open checks a public or private message.
func (rc *Receiver) Open(m *Message) (*Verified, error) {
	switch {
	case m.Public != nil:
		return rc.OpenPublic(m.Public)
	case m.Private != nil:
		return rc.OpenPrivate(m.Private)
	}
	return nil, fmt.Errorf("%w: wire format %d has no content", ErrUnknown, m.Wire)
}

func (rc *Receiver) addressed(group []byte, epoch uint64) error {
	if !bytes.Equal(group, rc.GroupID) { // V-601
		return ErrGroup
	}
	if epoch != rc.Number { // V-602
		return fmt.Errorf("%w: %d, here it is %d", ErrEpoch, epoch, rc.Number)
	}
	return nil
}

// OpenPublic checks a PublicMessage (RFC 9420 6.2).
func (rc *Receiver) OpenPublic(p *PublicMessage) (*Verified, error) {
	s := &p.signed
	if err := rc.addressed(s.content.GroupID, s.content.Epoch); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	tbs := s.appendTBS(nil, rc.GroupContext)
	if s.content.Sender.Type == SenderMember {
		e := rc.Epoch
		if e.Membership.Len() == 0 || !e.Suite.VerifyMAC(e.Membership, s.appendTBM(nil, tbs), p.membershipTag) { // V-603
			return nil, ErrMembership
		}
	}
	key, err := rc.signer(&s.content)
	if err != nil {
		return nil, err
	}
	if err := rc.verify(s, key, tbs); err != nil {
		return nil, err
	}
	return &Verified{signed: *s}, nil
}

// OpenPrivate decrypts and checks a PrivateMessage (RFC 9420 6.3). An error
// leaves the epoch as it was, whatever the message says.
//
// The key of an application message is erased before OpenPrivate returns it. The
// key of a proposal or commit is held until [Verified.Consume], because the group
// has yet to judge it.
func (rc *Receiver) OpenPrivate(p *PrivateMessage) (*Verified, error) {
	if err := rc.addressed(p.groupID, p.epoch); err != nil {
		return nil, err
	}
	if rc.Epoch.SenderData.Len() == 0 {
		return nil, fmt.Errorf("%w: sender_data_secret", schedule.ErrErased)
	}
	sd, err := openSenderData(rc.Epoch, p)
	if err != nil {
		return nil, err
	}
	// RFC 9420 6.3.2: the leaf must hold a member, before anything is derived.
	key, ok := rc.Signers.Member(tree.LeafIndex(sd.leaf))
	if !ok { // V-604
		return nil, fmt.Errorf("%w: leaf %d", ErrSender, sd.leaf)
	}
	claim, err := rc.Epoch.Tree.Claim(sd.leaf, kindOf(p.contentType), sd.generation)
	if err != nil {
		return nil, fmt.Errorf("leaf %d, generation %d: %w", sd.leaf, sd.generation, err)
	}
	v := &Verified{generation: sd.generation, claim: claim}
	if err := rc.openContent(v, p, sd, key); err != nil {
		v.Drop()
		return nil, err
	}
	if p.contentType == ContentApplication {
		if err := v.Consume(); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (rc *Receiver) openContent(v *Verified, p *PrivateMessage, sd senderData, key []byte) error {
	k := v.claim.Key()
	plain, err := rc.Epoch.Suite.Open(nil, k.Key, sd.guard(k.Nonce), p.appendAAD(nil), p.ciphertext)
	if err != nil { // V-605
		return ErrDecrypt
	}
	v.wire = WirePrivateMessage
	v.content = Content{
		GroupID: p.groupID, Epoch: p.epoch,
		Sender:            Sender{SenderMember, sd.leaf},
		AuthenticatedData: p.authenticatedData,
		Type:              p.contentType,
	}
	r := syntax.NewReader(plain)
	v.content.readBody(r)
	v.auth = readAuth(r, p.contentType)
	if err := r.Err(); err != nil {
		return fmt.Errorf("private content: %w: %w", ErrMalformed, err)
	}
	if !zero(r.Rest()) { // RFC 9420 6.3.1 V-606
		return ErrPadding
	}
	size := 64 + len(p.groupID) + len(p.authenticatedData) + len(plain) + len(rc.GroupContext)
	return rc.verify(&v.signed, key, v.appendTBS(make([]byte, 0, size), rc.GroupContext))
}

// signer returns the key that must have signed c (RFC 9420 6.1).
func (rc *Receiver) signer(c *Content) ([]byte, error) {
	var key []byte
	var ok bool
	switch c.Sender.Type {
	case SenderMember:
		key, ok = rc.Signers.Member(tree.LeafIndex(c.Sender.Index))
	case SenderExternal:
		key, ok = rc.Signers.External(c.Sender.Index)
	case SenderNewMemberProposal:
		var add Add
		if add, ok = c.Proposal.(Add); ok {
			key = add.KeyPackage.Leaf.SignatureKey
		}
	case SenderNewMemberCommit:
		if ok = c.Commit != nil && c.Commit.Path != nil; ok {
			key = c.Commit.Path.Leaf.SignatureKey
		}
	}
	if !ok { // V-604
		return nil, fmt.Errorf("%w: type %d, index %d", ErrSender, c.Sender.Type, c.Sender.Index)
	}
	return key, nil
}

func (rc *Receiver) verify(s *signed, key, tbs []byte) error {
	if err := rc.Epoch.Suite.VerifyWithLabel(key, signLabel, tbs, s.auth.signature); err != nil { // V-607
		return ErrSignature
	}
	return nil
}
