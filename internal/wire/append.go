package wire

import (
	"encoding/binary"
	"math/bits"
)

// Wire types of proto3. Groups (3 and 4) do not exist here.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireLength  = 2
	wireFixed32 = 5
)

// integer is a number that travels as a varint.
type integer interface {
	~int32 | ~int64 | ~uint32 | ~uint64
}

// text is what travels as a length and bytes.
type text interface{ ~string | ~[]byte }

// varint is v as it travels: negative numbers are sign-extended to 64 bits.
func varint[T integer](v T) uint64 {
	return uint64(v) //nolint:gosec // proto3 wraps negative numbers this way
}

func lenVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func lenTag(num uint64) int { return lenVarint(num << 3) }

func lenUint(num, v uint64) int {
	if v == 0 {
		return 0
	}
	return lenTag(num) + lenVarint(v)
}

func lenBool(num uint64, v bool) int {
	if !v {
		return 0
	}
	return lenTag(num) + 1
}

func lenText[T text](num uint64, v T) int {
	if len(v) == 0 {
		return 0
	}
	return lenBody(num, len(v))
}

// lenBody is the length of a field of n bytes with its tag and length; unlike
// lenText it counts an empty one too.
func lenBody(num uint64, n int) int {
	return lenTag(num) + lenVarint(uint64(n)) + n //nolint:gosec // a length is not negative
}

func lenTexts[T text](num uint64, vs []T) (n int) {
	for _, v := range vs {
		n += lenBody(num, len(v))
	}
	return n
}

func lenPacked[T integer](num uint64, vs []T) int {
	if len(vs) == 0 {
		return 0
	}
	return lenBody(num, sumVarints(vs))
}

func sumVarints[T integer](vs []T) (n int) {
	for _, v := range vs {
		n += lenVarint(varint(v))
	}
	return n
}

func appendTag(b []byte, num, wireType uint64) []byte {
	return binary.AppendUvarint(b, num<<3|wireType)
}

func appendUint(b []byte, num, v uint64) []byte {
	if v == 0 {
		return b
	}
	return binary.AppendUvarint(appendTag(b, num, wireVarint), v)
}

func appendBool(b []byte, num uint64, v bool) []byte {
	if !v {
		return b
	}
	return append(appendTag(b, num, wireVarint), 1)
}

func appendText[T text](b []byte, num uint64, v T) []byte {
	if len(v) == 0 {
		return b
	}
	return append(appendHead(b, num, len(v)), v...)
}

// appendHead writes the tag and the length of a field whose n bytes follow.
func appendHead(b []byte, num uint64, n int) []byte {
	return binary.AppendUvarint(appendTag(b, num, wireLength), uint64(n)) //nolint:gosec // a length is not negative
}

func appendTexts[T text](b []byte, num uint64, vs []T) []byte {
	for _, v := range vs {
		b = append(appendHead(b, num, len(v)), v...)
	}
	return b
}

func appendPacked[T integer](b []byte, num uint64, vs []T) []byte {
	if len(vs) == 0 {
		return b
	}
	b = appendHead(b, num, sumVarints(vs))
	for _, v := range vs {
		b = binary.AppendUvarint(b, varint(v))
	}
	return b
}
