package framing

import (
	"fmt"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// Content is a FramedContent (RFC 9420 6): who says what, where. The field that
// Type names is set.
type Content struct {
	GroupID           []byte
	Epoch             uint64
	Sender            Sender
	AuthenticatedData []byte // readable by whoever carries the message
	Type              ContentType
	Application       []byte
	Proposal          Proposal
	Commit            *Commit
}

func (c *Content) append(b []byte) []byte {
	b = syntax.AppendVector(b, c.GroupID)
	b = syntax.AppendUint64(b, c.Epoch)
	b = c.Sender.append(b)
	b = syntax.AppendVector(b, c.AuthenticatedData)
	b = syntax.AppendUint8(b, uint8(c.Type))
	return c.appendBody(b)
}

// appendBody appends what a content type selects.
func (c *Content) appendBody(b []byte) []byte {
	switch c.Type {
	case ContentApplication:
		return syntax.AppendVector(b, c.Application)
	case ContentProposal:
		return AppendProposal(b, c.Proposal)
	case ContentCommit:
		return c.Commit.Append(b)
	}
	return b
}

func (c *Content) readBody(r *syntax.Reader) {
	switch c.Type {
	case ContentApplication:
		c.Application = r.Vector()
	case ContentProposal:
		c.Proposal = readProposal(r)
	case ContentCommit:
		c.Commit = readCommit(r)
	}
}

func readContent(r *syntax.Reader) Content {
	c := Content{GroupID: r.Vector(), Epoch: r.Uint64(), Sender: readSender(r)}
	c.AuthenticatedData = r.Vector()
	c.Type = readContentType(r)
	c.readBody(r)
	return c
}

// auth is a FramedContentAuthData (RFC 9420 6.1). confirmationTag is there for a
// commit alone.
type auth struct {
	signature       []byte
	confirmationTag []byte
}

func (a *auth) append(b []byte, t ContentType) []byte {
	b = syntax.AppendVector(b, a.signature)
	if t == ContentCommit {
		b = syntax.AppendVector(b, a.confirmationTag)
	}
	return b
}

func readAuth(r *syntax.Reader, t ContentType) auth {
	a := auth{signature: r.Vector()}
	if t == ContentCommit {
		a.confirmationTag = r.Vector()
	}
	return a
}

// signed is an AuthenticatedContent (RFC 9420 6): what a signature covers and
// the signature. [Signed] and [Verified] are its two sides.
type signed struct {
	wire    WireFormat
	content Content
	auth    auth
}

// appendTBS appends the FramedContentTBS (RFC 9420 6.1). groupContext is the
// encoded GroupContext.
func (s *signed) appendTBS(b, groupContext []byte) []byte {
	b = syntax.AppendUint16(b, Version)
	b = syntax.AppendUint16(b, uint16(s.wire))
	b = s.content.append(b)
	if t := s.content.Sender.Type; t == SenderMember || t == SenderNewMemberCommit {
		b = append(b, groupContext...)
	}
	return b
}

// appendTBM appends the AuthenticatedContentTBM (RFC 9420 6.2) given the TBS.
func (s *signed) appendTBM(b, tbs []byte) []byte {
	return s.auth.append(append(b, tbs...), s.content.Type)
}

func (s *signed) appendTo(b []byte) []byte {
	b = syntax.AppendUint16(b, uint16(s.wire))
	b = s.content.append(b)
	return s.auth.append(b, s.content.Type)
}

// TranscriptInput returns the ConfirmedTranscriptHashInput of a commit
// (RFC 9420 8.2) for [schedule.ConfirmedHash].
func (s *signed) TranscriptInput() []byte {
	b := syntax.AppendUint16(nil, uint16(s.wire))
	b = s.content.append(b)
	return syntax.AppendVector(b, s.auth.signature)
}

// Ref returns the ProposalRef of a proposal (RFC 9420 5.2, 12.4): the name by
// which a commit takes it up.
func (s *signed) Ref(suite ciphersuite.Suite) []byte {
	return suite.RefHash("MLS 1.0 Proposal Reference", s.appendTo(nil))
}

// Content returns what was said. It shares memory with the message.
func (s *signed) Content() Content { return s.content }

// Wire returns the wire format that the signature covers.
func (s *signed) Wire() WireFormat { return s.wire }

// ConfirmationTag returns a commit's confirmation tag, nil for other contents.
func (s *signed) ConfirmationTag() []byte { return s.auth.confirmationTag }

// check refuses what RFC 9420 6 lets no one say, whoever signed it.
func (s *signed) check() error {
	c := &s.content
	switch c.Sender.Type {
	case SenderMember:
		if c.Type == ContentApplication && s.wire != WirePrivateMessage { // RFC 9420 6 V-608
			return ErrUnsuited
		}
		return nil
	case SenderExternal: // RFC 9420 12.1.8 V-609
		switch c.Proposal.(type) {
		case Add, Remove, PreSharedKey, ReInit, GroupContextExtensions:
			return nil
		case Update, ExternalInit, SelfRemove, UnknownProposal: // only members have a leaf to speak of
		}
	case SenderNewMemberProposal: // RFC 9420 12.1.8 V-610: it can only add itself
		if _, ok := c.Proposal.(Add); ok {
			return nil
		}
	case SenderNewMemberCommit: // RFC 9420 12.4.3.2 V-611: the path carries its leaf
		if c.Type == ContentCommit && c.Commit.Path != nil {
			return nil
		}
	}
	return fmt.Errorf("%w: sender type %d, content type %d", ErrSender, c.Sender.Type, c.Type)
}
