package framing

import (
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// Version is ProtocolVersion mls10 (RFC 9420 6), the only one.
const Version uint16 = 1

// MaxMessage is the largest encoded message, in bytes, that is read or written.
// A Welcome that carries the tree of 5,000 post-quantum members is the largest
// there is.
const MaxMessage = 32 << 20

// WireFormat says what an MLSMessage holds (RFC 9420 6, 17.2).
type WireFormat uint16

// The wire formats.
const (
	WirePublicMessage  WireFormat = 1
	WirePrivateMessage WireFormat = 2
	WireWelcome        WireFormat = 3
	WireGroupInfo      WireFormat = 4
	WireKeyPackage     WireFormat = 5
)

// ContentType says what a framed content is (RFC 9420 6).
type ContentType uint8

// The content types.
const (
	ContentApplication ContentType = 1
	ContentProposal    ContentType = 2
	ContentCommit      ContentType = 3
)

// SenderType says in which role a sender speaks (RFC 9420 6).
type SenderType uint8

// The sender types.
const (
	SenderMember            SenderType = 1
	SenderExternal          SenderType = 2
	SenderNewMemberProposal SenderType = 3
	SenderNewMemberCommit   SenderType = 4
)

// Errors of decoding and checking. Callers treat all but [ErrEpoch] and
// [ErrGroup] as "this message is not good".
var (
	ErrMalformed  = errors.New("malformed message")
	ErrTooLarge   = errors.New("message is too large")
	ErrVersion    = errors.New("protocol version is not mls10")
	ErrUnknown    = errors.New("unknown kind of message, content, sender or proposal")
	ErrGroup      = errors.New("message of another group")
	ErrEpoch      = errors.New("message of another epoch")
	ErrSender     = errors.New("sender is not known or may not say this")
	ErrMembership = errors.New("membership tag does not hold")
	ErrDecrypt    = errors.New("message does not decrypt")
	ErrSignature  = errors.New("message signature does not hold")
	ErrPadding    = errors.New("padding is not zero")
	ErrUnsuited   = errors.New("application data must be encrypted")
)

// Sender is who a content says it is from (RFC 9420 6). Index is the leaf of a
// member, or the place of an external sender in the group's external_senders.
type Sender struct {
	Type  SenderType
	Index uint32
}

func (s Sender) append(b []byte) []byte {
	b = syntax.AppendUint8(b, uint8(s.Type))
	if s.Type == SenderMember || s.Type == SenderExternal {
		b = syntax.AppendUint32(b, s.Index)
	}
	return b
}

func readSender(r *syntax.Reader) Sender {
	s := Sender{Type: SenderType(r.Uint8())}
	switch s.Type {
	case SenderMember, SenderExternal:
		s.Index = r.Uint32()
	case SenderNewMemberProposal, SenderNewMemberCommit:
	default:
		r.Fail(fmt.Errorf("%w: sender type %d", ErrUnknown, s.Type))
	}
	return s
}

func readContentType(r *syntax.Reader) ContentType {
	t := ContentType(r.Uint8())
	if t < ContentApplication || t > ContentCommit {
		r.Fail(fmt.Errorf("%w: content type %d", ErrUnknown, t))
	}
	return t
}

// decode runs read over all of b: nothing may be left over.
func decode[T any](b []byte, what string, read func(*syntax.Reader) T) (T, error) {
	var none T
	if len(b) > MaxMessage {
		return none, fmt.Errorf("%s of %d bytes: %w", what, len(b), ErrTooLarge)
	}
	r := syntax.NewReader(b)
	v := read(r)
	if err := r.Done(); err != nil {
		return none, fmt.Errorf("%s: %w: %w", what, ErrMalformed, err)
	}
	return v, nil
}
