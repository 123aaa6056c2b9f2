package framing

import (
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// PublicMessage is a signed content in the clear (RFC 9420 6.2), unchecked. Its
// content comes out of [Receiver.OpenPublic].
type PublicMessage struct {
	signed        signed
	membershipTag []byte // a member's alone
}

// GroupID returns the group the message says it is for.
func (p *PublicMessage) GroupID() []byte { return p.signed.content.GroupID }

// Epoch returns the epoch the message says it is of.
func (p *PublicMessage) Epoch() uint64 { return p.signed.content.Epoch }

// ContentType returns what the message says it holds.
func (p *PublicMessage) ContentType() ContentType { return p.signed.content.Type }

func (p *PublicMessage) append(b []byte) []byte {
	c := &p.signed.content
	b = c.append(b)
	b = p.signed.auth.append(b, c.Type)
	if c.Sender.Type == SenderMember {
		b = syntax.AppendVector(b, p.membershipTag)
	}
	return b
}

func readPublicMessage(r *syntax.Reader) *PublicMessage {
	p := &PublicMessage{signed: signed{wire: WirePublicMessage, content: readContent(r)}}
	p.signed.auth = readAuth(r, p.signed.content.Type)
	if p.signed.content.Sender.Type == SenderMember {
		p.membershipTag = r.Vector()
	}
	return p
}
