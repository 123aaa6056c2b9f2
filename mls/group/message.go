package group

import (
	"bytes"
	"fmt"

	"github.com/byre-messenger/byre/mls/framing"
)

// Message is an opened application message.
type Message struct {
	Sender            Member
	Plaintext         []byte
	AuthenticatedData []byte
	Epoch             uint64
	Generation        uint32 // per sender and epoch, from 0
}

// Header is what stands outside of a message's encryption. Nothing of it is
// checked.
type Header struct {
	Kind    Kind
	GroupID []byte // nil for a Welcome, group info or key package
	Epoch   uint64
}

// Kind says what a message is, so that it goes to the right call.
type Kind uint8

// The kinds of messages.
const (
	KindApplication Kind = iota + 1 // Open
	KindProposal                    // Receive
	KindCommit                      // Stage
	KindWelcome                     // Join
	KindGroupInfo                   // Enter
	KindKeyPackage                  // ParseKeyPackage
)

// Peek tells what a message is and whose.
func Peek(msg []byte) (Header, error) {
	m, err := framing.ParseMessage(msg)
	if err != nil {
		return Header{}, err
	}
	var h Header
	var t framing.ContentType
	switch m.Wire {
	case framing.WirePublicMessage:
		h.GroupID, h.Epoch, t = m.Public.GroupID(), m.Public.Epoch(), m.Public.ContentType()
	case framing.WirePrivateMessage:
		h.GroupID, h.Epoch, t = m.Private.GroupID(), m.Private.Epoch(), m.Private.ContentType()
	case framing.WireWelcome:
		h.Kind = KindWelcome
	case framing.WireGroupInfo:
		h.Kind = KindGroupInfo
	case framing.WireKeyPackage:
		h.Kind = KindKeyPackage
	}
	switch t {
	case framing.ContentApplication:
		h.Kind = KindApplication
	case framing.ContentProposal:
		h.Kind = KindProposal
	case framing.ContentCommit:
		h.Kind = KindCommit
	}
	return h, nil
}

// Seal encrypts an application message to the group and signs it (RFC 9420 15).
// authenticatedData is readable by whoever carries it. The encrypted part is
// padded to padTo bytes if it is shorter. Seal uses a generation that was
// reserved: see [Group.Reserve]; without one it returns [ErrReserve].
//
// While proposals of this epoch wait it returns [ErrCommitFirst]: what is said
// now must not reach a member whose removal was proposed.
func (g *Group) Seal(plaintext, authenticatedData []byte, padTo int) ([]byte, error) {
	if g.closed {
		return nil, ErrClosed
	}
	if len(g.proposals) > 0 { // RFC 9420 12.4
		return nil, ErrCommitFirst
	}
	m, err := g.sign(framing.WirePrivateMessage, framing.Content{
		Type: framing.ContentApplication, Application: plaintext, AuthenticatedData: authenticatedData,
	})
	if err != nil {
		return nil, err
	}
	return m.SealPrivate(g.secrets, padTo)
}

// sign signs c as a member of the current epoch.
func (g *Group) sign(w framing.WireFormat, c framing.Content) (*framing.Signed, error) {
	c.GroupID, c.Epoch = g.context.GroupID, g.context.Epoch
	c.Sender = framing.Sender{Type: framing.SenderMember, Index: uint32(g.Self())}
	return framing.Sign(g.suite, g.signer, w, c, g.encoded)
}

// Open opens an application message of the current epoch and erases its key:
// once the [Group.RatchetState] that follows is stored, nothing opens it again.
func (g *Group) Open(msg []byte) (Message, error) {
	if g.closed {
		return Message{}, ErrClosed
	}
	return g.open(msg)
}

func (e *epoch) open(msg []byte) (Message, error) {
	m, err := framing.ParseMessage(msg)
	if err != nil {
		return Message{}, err
	}
	if m.Private == nil || m.Private.ContentType() != framing.ContentApplication {
		return Message{}, fmt.Errorf("open: %w", ErrKind)
	}
	v, err := e.receiver().OpenPrivate(m.Private)
	if err != nil {
		return Message{}, err
	}
	c := v.Content()
	sender, _ := e.Member(LeafIndex(c.Sender.Index))
	return Message{
		Sender: sender, Plaintext: c.Application, AuthenticatedData: bytes.Clone(c.AuthenticatedData),
		Epoch: c.Epoch, Generation: v.Generation(),
	}, nil
}
