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

// wrapped is v as it travels: negative numbers are sign-extended to 64 bits.
func wrapped[T integer](v T) uint64 {
	return uint64(v)
}

func lenVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// lenHead is the length of a field of n bytes with its tag and its own length.
func lenHead(num uint64, n int) int {
	return lenVarint(num<<3) + lenVarint(uint64(n)) + n //nolint:gosec // a length is not negative
}

func lenInteger[T integer](num uint64, v T) int {
	if v == 0 {
		return 0
	}
	return lenVarint(num<<3) + lenVarint(wrapped(v))
}

func lenBool(num uint64, v bool) int {
	if !v {
		return 0
	}
	return lenVarint(num<<3) + 1
}

func lenText[T text](num uint64, v T) int {
	if len(v) == 0 {
		return 0
	}
	return lenHead(num, len(v))
}

func lenTexts[T text](num uint64, vs []T) (n int) {
	for _, v := range vs {
		n += lenHead(num, len(v))
	}
	return n
}

func lenIntegers[T integer](num uint64, vs []T) int {
	if len(vs) == 0 {
		return 0
	}
	return lenHead(num, lenPacked(vs))
}

func lenPacked[T integer](vs []T) (n int) {
	for _, v := range vs {
		n += lenVarint(wrapped(v))
	}
	return n
}

func appendVarint(b []byte, v uint64) []byte {
	if v < 0x80 {
		return append(b, byte(v))
	}
	return binary.AppendUvarint(b, v)
}

// appendHead writes the tag and the length of a field whose n bytes follow.
func appendHead(b []byte, num uint64, n int) []byte {
	b = appendVarint(b, num<<3|wireLength)
	return appendVarint(b, uint64(n)) //nolint:gosec // a length is not negative
}

func appendInteger[T integer](b []byte, num uint64, v T) []byte {
	if v == 0 {
		return b
	}
	return appendVarint(appendVarint(b, num<<3|wireVarint), wrapped(v))
}

func appendBool(b []byte, num uint64, v bool) []byte {
	if !v {
		return b
	}
	return append(appendVarint(b, num<<3|wireVarint), 1)
}

func appendText[T text](b []byte, num uint64, v T) []byte {
	if len(v) == 0 {
		return b
	}
	return append(appendHead(b, num, len(v)), v...)
}

func appendTexts[T text](b []byte, num uint64, vs []T) []byte {
	for _, v := range vs {
		b = append(appendHead(b, num, len(v)), v...)
	}
	return b
}

func appendIntegers[T integer](b []byte, num uint64, vs []T) []byte {
	if len(vs) == 0 {
		return b
	}
	b = appendHead(b, num, lenPacked(vs))
	for _, v := range vs {
		b = appendVarint(b, wrapped(v))
	}
	return b
}
