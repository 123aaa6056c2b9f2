package schedule

import (
	"errors"
	"fmt"
	"math"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// PSKType says where a pre-shared key comes from (RFC 9420 8.4).
type PSKType uint8

// The kinds of pre-shared keys.
const (
	PSKExternal   PSKType = 1
	PSKResumption PSKType = 2
)

// PSKUsage says what a resumption PSK is used for (RFC 9420 8.4).
type PSKUsage uint8

// The usages of a resumption PSK.
const (
	PSKApplication PSKUsage = 1
	PSKReInit      PSKUsage = 2
	PSKBranch      PSKUsage = 3
)

// ErrPSK is returned for a pre-shared key identifier that RFC 9420 8.4 does not
// define.
var ErrPSK = errors.New("unknown kind of pre-shared key")

// PreSharedKeyID names a pre-shared key (RFC 9420 8.4). ID is used with
// PSKExternal; Usage, GroupID and Epoch with PSKResumption.
type PreSharedKeyID struct {
	Type    PSKType
	ID      []byte
	Usage   PSKUsage
	GroupID []byte
	Epoch   uint64
	Nonce   []byte // fresh, KDF.Nh bytes
}

// Append appends the encoding of p to b.
func (p PreSharedKeyID) Append(b []byte) []byte {
	b = syntax.AppendUint8(b, uint8(p.Type))
	if p.Type == PSKResumption {
		b = syntax.AppendUint8(b, uint8(p.Usage))
		b = syntax.AppendVector(b, p.GroupID)
		b = syntax.AppendUint64(b, p.Epoch)
	} else {
		b = syntax.AppendVector(b, p.ID)
	}
	return syntax.AppendVector(b, p.Nonce)
}

// ReadPreSharedKeyID reads one identifier. Its byte strings are views into the
// input of r; an unknown type or usage fails r.
func ReadPreSharedKeyID(r *syntax.Reader) PreSharedKeyID {
	p := PreSharedKeyID{Type: PSKType(r.Uint8())}
	switch p.Type {
	case PSKExternal:
		p.ID = r.Vector()
	case PSKResumption:
		p.Usage = PSKUsage(r.Uint8())
		if p.Usage < PSKApplication || p.Usage > PSKBranch {
			r.Fail(fmt.Errorf("%w: usage %d", ErrPSK, p.Usage))
		}
		p.GroupID = r.Vector()
		p.Epoch = r.Uint64()
	default:
		r.Fail(fmt.Errorf("%w: type %d", ErrPSK, p.Type))
	}
	p.Nonce = r.Vector()
	return p
}

// PSK is a pre-shared key with its name.
type PSK struct {
	ID  PreSharedKeyID
	Key secret.Bytes
}

// PSKSecret folds the pre-shared keys of a commit, in their order, into
// psk_secret (RFC 9420 8.4). Without keys it is KDF.Nh zero bytes.
func PSKSecret(s ciphersuite.Suite, psks []PSK) (secret.Bytes, error) {
	if len(psks) > math.MaxUint16 {
		return secret.Bytes{}, fmt.Errorf("%d pre-shared keys: at most %d", len(psks), math.MaxUint16)
	}
	count := uint16(len(psks)) //nolint:gosec // checked above
	sum := Zero(s)
	var label []byte
	for i, p := range psks {
		// struct { PreSharedKeyID id; uint16 index; uint16 count; } PSKLabel;
		label = p.ID.Append(label[:0])
		label = syntax.AppendUint16(label, uint16(i))
		label = syntax.AppendUint16(label, count)
		extracted := s.Extract(Zero(s), p.Key)
		input := s.ExpandWithLabel(extracted, "derived psk", label, s.HashSize())
		next := s.Extract(input, sum)
		extracted.Wipe()
		input.Wipe()
		sum.Wipe()
		sum = next
	}
	return sum, nil
}
