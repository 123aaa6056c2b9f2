package framing

import (
	"fmt"

	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// Message is an MLSMessage (RFC 9420 6): what travels. Exactly the field that
// Wire names is set. Nothing of it is checked.
type Message struct {
	Wire       WireFormat
	Public     *PublicMessage
	Private    *PrivateMessage
	Welcome    *Welcome
	GroupInfo  *UnverifiedGroupInfo
	KeyPackage *KeyPackage
}

// ParseMessage reads one MLSMessage, of at most [MaxMessage] bytes. The result
// keeps views of b.
func ParseMessage(b []byte) (*Message, error) { return decode(b, "message", readMessage) }

func readMessage(r *syntax.Reader) *Message {
	if v := r.Uint16(); v != Version {
		r.Fail(fmt.Errorf("%w: %d", ErrVersion, v))
	}
	m := &Message{Wire: WireFormat(r.Uint16())}
	switch m.Wire {
	case WirePublicMessage:
		m.Public = readPublicMessage(r)
	case WirePrivateMessage:
		m.Private = readPrivateMessage(r)
	case WireWelcome:
		m.Welcome = readWelcome(r)
	case WireGroupInfo:
		m.GroupInfo = &UnverifiedGroupInfo{readGroupInfo(r)}
	case WireKeyPackage:
		m.KeyPackage = ReadKeyPackage(r)
	default:
		r.Fail(fmt.Errorf("%w: wire format %d", ErrUnknown, m.Wire))
	}
	return m
}

// Append appends the encoding of m to b.
func (m *Message) Append(b []byte) []byte {
	b = appendMessageHead(b, m.Wire)
	switch m.Wire {
	case WirePublicMessage:
		return m.Public.append(b)
	case WirePrivateMessage:
		return m.Private.append(b)
	case WireWelcome:
		return m.Welcome.append(b)
	case WireGroupInfo:
		return m.GroupInfo.info.Append(b)
	case WireKeyPackage:
		return m.KeyPackage.Append(b)
	}
	return b
}

func appendMessageHead(b []byte, w WireFormat) []byte {
	b = syntax.AppendUint16(b, Version)
	return syntax.AppendUint16(b, uint16(w))
}

// Bytes returns the MLSMessage that carries w.
func (w *Welcome) Bytes() []byte { return w.append(appendMessageHead(nil, WireWelcome)) }

// Bytes returns the MLSMessage that carries k.
func (k *KeyPackage) Bytes() []byte { return k.Append(appendMessageHead(nil, WireKeyPackage)) }

// Bytes returns the MLSMessage that carries g.
func (g *GroupInfo) Bytes() []byte { return g.Append(appendMessageHead(nil, WireGroupInfo)) }

// Header is what an MLSMessage tells without any key. All of it is unchecked.
// GroupID, Epoch and Content are set for public and private messages alone.
type Header struct {
	Wire    WireFormat
	GroupID []byte // a view of the message
	Epoch   uint64
	Content ContentType
}

// ParseHeader reads the header of an MLSMessage and nothing behind it: what
// follows may still be malformed.
func ParseHeader(b []byte) (Header, error) {
	if len(b) > MaxMessage {
		return Header{}, fmt.Errorf("header: %w", ErrTooLarge)
	}
	r := syntax.NewReader(b)
	if v := r.Uint16(); v != Version {
		r.Fail(fmt.Errorf("%w: %d", ErrVersion, v))
	}
	h := Header{Wire: WireFormat(r.Uint16())}
	switch h.Wire {
	case WirePublicMessage: // FramedContent: group_id, epoch, sender, authenticated_data, content_type
		h.GroupID, h.Epoch = r.Vector(), r.Uint64()
		readSender(r)
		r.Vector()
		h.Content = readContentType(r)
	case WirePrivateMessage: // group_id, epoch, content_type
		h.GroupID, h.Epoch = r.Vector(), r.Uint64()
		h.Content = readContentType(r)
	case WireWelcome, WireGroupInfo, WireKeyPackage:
	default:
		r.Fail(fmt.Errorf("%w: wire format %d", ErrUnknown, h.Wire))
	}
	if err := r.Err(); err != nil {
		return Header{}, fmt.Errorf("header: %w: %w", ErrMalformed, err)
	}
	return h, nil
}
