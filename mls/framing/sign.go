package framing

import (
	"fmt"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/schedule"
)

// signLabel is the label of every content signature (RFC 9420 6.1).
const signLabel = "FramedContentTBS"

// Signed is a content that this member signed and has not sent. It is sealed
// once, in the wire format it was signed for.
type Signed struct {
	signed
	suite ciphersuite.Suite
	tbs   []byte
}

// Sign signs c for the wire format w, [WirePublicMessage] or
// [WirePrivateMessage]. groupContext is the encoded GroupContext of the epoch in
// which it is sent.
func Sign(s ciphersuite.Suite, key ciphersuite.SigningKey, w WireFormat, c Content, groupContext []byte) (*Signed, error) {
	m := &Signed{signed: signed{wire: w, content: c}, suite: s}
	if w != WirePublicMessage && w != WirePrivateMessage {
		return nil, fmt.Errorf("%w: wire format %d", ErrUnknown, w)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	size := 64 + len(groupContext) + len(c.GroupID) + len(c.AuthenticatedData) + len(c.Application)
	m.tbs = m.appendTBS(make([]byte, 0, size), groupContext)
	sig, err := s.SignWithLabel(key, signLabel, m.tbs)
	if err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	m.auth.signature = sig
	return m, nil
}

// Confirm sets the confirmation tag of a commit: the next epoch is derived from
// its signature, and the tag from the next epoch (RFC 9420 8.2).
func (m *Signed) Confirm(tag []byte) { m.auth.confirmationTag = tag }

func (m *Signed) ready(w WireFormat) error {
	switch {
	case m.wire != w:
		return fmt.Errorf("%w: signed for wire format %d", ErrUnknown, m.wire)
	case m.content.Type == ContentCommit && len(m.auth.confirmationTag) == 0:
		return fmt.Errorf("%w: commit without confirmation tag", ErrMalformed)
	}
	return nil
}

// SealPublic returns the MLSMessage with m as a PublicMessage (RFC 9420 6.2). e
// is the epoch in which m is sent; it is used for a member's message alone.
func (m *Signed) SealPublic(e *schedule.Epoch) ([]byte, error) {
	if err := m.ready(WirePublicMessage); err != nil {
		return nil, err
	}
	p := PublicMessage{signed: m.signed}
	if m.content.Sender.Type == SenderMember {
		if e.Membership.Len() == 0 {
			return nil, fmt.Errorf("%w: membership_key", schedule.ErrErased)
		}
		p.membershipTag = m.suite.MAC(e.Membership, m.appendTBM(nil, m.tbs))
	}
	return capped(p.append(appendMessageHead(nil, WirePublicMessage)))
}

// SealPrivate returns the MLSMessage with m as a PrivateMessage (RFC 9420 6.3):
// encrypted under the next reserved generation of e's tree. The plaintext is
// filled with zeros up to padTo bytes; 0 adds none.
func (m *Signed) SealPrivate(e *schedule.Epoch, padTo int) ([]byte, error) {
	if err := m.ready(WirePrivateMessage); err != nil {
		return nil, err
	}
	if m.content.Sender.Type != SenderMember { // RFC 9420 6.3: SenderData names a leaf
		return nil, ErrSender
	}
	if padTo < 0 || padTo > MaxMessage {
		return nil, fmt.Errorf("pad to %d bytes: %w", padTo, ErrTooLarge)
	}
	plain, err := m.plaintext(padTo)
	if err != nil {
		return nil, err
	}
	return m.encrypt(e, plain)
}

// plaintext returns the PrivateMessageContent (RFC 9420 6.3.1), with room for
// the AEAD's tag behind it:
//
//	struct { ...content; FramedContentAuthData auth; opaque padding[]; }
func (m *Signed) plaintext(padTo int) ([]byte, error) {
	c := &m.content
	size := max(padTo, len(c.Application)+128) + ciphersuite.Overhead
	plain := c.appendBody(make([]byte, 0, size))
	plain = m.auth.append(plain, c.Type)
	if n := padTo - len(plain); n > 0 {
		plain = append(plain, make([]byte, n)...)
	}
	if len(plain) > MaxMessage {
		return nil, ErrTooLarge
	}
	return plain, nil
}

// encrypt seals plain in place under the next reserved generation.
func (m *Signed) encrypt(e *schedule.Epoch, plain []byte) ([]byte, error) {
	c := &m.content
	generation, key, err := e.Tree.Next(kindOf(c.Type))
	if err != nil {
		return nil, fmt.Errorf("seal message: %w", err)
	}
	defer key.Wipe()
	sd := newSenderData(c.Sender.Index, generation)
	p := PrivateMessage{groupID: c.GroupID, epoch: c.Epoch, contentType: c.Type, authenticatedData: c.AuthenticatedData}
	p.ciphertext, err = m.suite.Seal(plain[:0], key.Key, sd.guard(key.Nonce), p.appendAAD(nil), plain)
	if err != nil {
		return nil, fmt.Errorf("seal message: %w", err)
	}
	if p.encryptedSenderData, err = sd.seal(e, &p); err != nil {
		return nil, fmt.Errorf("seal sender data: %w", err)
	}
	b := make([]byte, 0, 64+len(p.groupID)+len(p.authenticatedData)+len(p.encryptedSenderData)+len(p.ciphertext))
	return capped(p.append(appendMessageHead(b, WirePrivateMessage)))
}

func capped(b []byte) ([]byte, error) {
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("message of %d bytes: %w", len(b), ErrTooLarge)
	}
	return b, nil
}

func kindOf(t ContentType) schedule.Kind {
	if t == ContentApplication {
		return schedule.Application
	}
	return schedule.Handshake // RFC 9420 9: proposals and commits
}

// zero reports whether b is all zero.
func zero(b []byte) bool {
	var or byte
	for _, v := range b {
		or |= v
	}
	return or == 0
}
