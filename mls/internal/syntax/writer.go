package syntax

import "encoding/binary"

// MaxVector is the largest length a vector header can carry (RFC 9420 2.1.2).
const MaxVector = 1<<30 - 1

// AppendUint8 appends one byte.
func AppendUint8(b []byte, v uint8) []byte { return append(b, v) }

// AppendUint16 appends v in two bytes, big-endian.
func AppendUint16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }

// AppendUint32 appends v in four bytes, big-endian.
func AppendUint32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// AppendUint64 appends v in eight bytes, big-endian.
func AppendUint64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

// AppendOptional appends the presence byte of an optional<T>.
func AppendOptional(b []byte, present bool) []byte {
	if present {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendVector appends v with its length header. It panics if v is longer than
// [MaxVector]: no caller of this module builds such a thing.
func AppendVector(b, v []byte) []byte {
	return append(appendLength(b, len(v)), v...)
}

// AppendVectorFunc appends a vector whose content f appends.
func AppendVectorFunc(b []byte, f func([]byte) []byte) []byte {
	at := len(b)
	b = f(append(b, 0)) // room for the shortest header
	n := len(b) - at - 1
	if size := lengthSize(n); size > 1 {
		b = append(b, 0, 0, 0)[:len(b)+size-1]
		copy(b[at+size:], b[at+1:at+1+n])
	}
	appendLength(b[:at], n)
	return b
}

// VectorSize returns the encoded size of a vector of n bytes, header included.
func VectorSize(n int) int { return lengthSize(n) + n }

func lengthSize(n int) int {
	switch {
	case n < 1<<6:
		return 1
	case n < 1<<14:
		return 2
	case n <= MaxVector:
		return 4
	default:
		panic("syntax: vector too long")
	}
}

func appendLength(b []byte, n int) []byte {
	switch lengthSize(n) {
	case 1:
		return append(b, byte(n&0xff))
	case 2:
		return append(b, 0x40|byte(n>>8&0x3f), byte(n&0xff))
	default:
		return append(b, 0x80|byte(n>>24&0x3f), byte(n>>16&0xff), byte(n>>8&0xff), byte(n&0xff))
	}
}
