// Package syntax reads and writes the TLS presentation language as RFC 9420
// uses it: big-endian integers and vectors with a variable-size length header
// (RFC 9420 2.1.2).
//
// Reading never allocates and never trusts a length: every vector is a view
// into the input, checked against the bytes left. Writing appends to a slice.
package syntax

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of a [Reader]. Callers treat all of them as "malformed".
var (
	ErrShort       = errors.New("input ends too early")
	ErrTrailing    = errors.New("bytes left over after the end")
	ErrNotMinimal  = errors.New("length is not in its shortest form")
	ErrBadLength   = errors.New("length form is reserved")
	ErrBadOptional = errors.New("presence byte is neither 0 nor 1")
)

// Reader consumes one byte string from front to back. Its first error sticks:
// every later read returns zero values, so a decoder may check [Reader.Err] or
// [Reader.Done] once at its end. A loop over a Reader must end on [Reader.Empty],
// which is true after an error.
//
// A Reader is not safe for concurrent use.
type Reader struct {
	b   []byte
	err *error // shared with sub-readers: an error inside a vector fails the whole
}

// NewReader returns a Reader of b. What it returns are views into b.
func NewReader(b []byte) *Reader { return &Reader{b: b, err: new(error)} }

// Err returns the first error.
func (r *Reader) Err() error { return *r.err }

// Fail records err, unless an earlier error is recorded, and ends the reading.
func (r *Reader) Fail(err error) {
	if *r.err == nil {
		*r.err = err
	}
	r.b = nil
}

// Done returns the first error, or [ErrTrailing] if input is left.
func (r *Reader) Done() error {
	if *r.err == nil && len(r.b) > 0 {
		r.Fail(fmt.Errorf("%w: %d", ErrTrailing, len(r.b)))
	}
	return *r.err
}

// Empty reports whether nothing is left to read or an error occurred.
func (r *Reader) Empty() bool { return *r.err != nil || len(r.b) == 0 }

// Rest returns what is left without consuming it; with two calls around a
// decoder a caller learns the exact bytes the decoder consumed.
func (r *Reader) Rest() []byte {
	if *r.err != nil {
		return nil
	}
	return r.b
}

// Since returns the bytes consumed since before = r.Rest() was taken.
func (r *Reader) Since(before []byte) []byte {
	if *r.err != nil || len(before) < len(r.b) {
		return nil
	}
	n := len(before) - len(r.b)
	return before[:n:n]
}

// Fixed returns the next n bytes.
func (r *Reader) Fixed(n int) []byte {
	if *r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.b) {
		r.Fail(ErrShort)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// Uint8 returns the next byte.
func (r *Reader) Uint8() uint8 {
	if b := r.Fixed(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 returns the next two bytes as a big-endian number.
func (r *Reader) Uint16() uint16 {
	if b := r.Fixed(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Uint32 returns the next four bytes as a big-endian number.
func (r *Reader) Uint32() uint32 {
	if b := r.Fixed(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 returns the next eight bytes as a big-endian number.
func (r *Reader) Uint64() uint64 {
	if b := r.Fixed(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Optional reads the presence byte of an optional<T> (RFC 9420 2.1.1).
func (r *Reader) Optional() bool {
	switch v := r.Uint8(); v {
	case 0:
		return false
	case 1:
		return *r.err == nil
	default:
		r.Fail(ErrBadOptional)
		return false
	}
}

// Vector reads an opaque<V> and returns its content, nil when it is empty.
func (r *Reader) Vector() []byte {
	n := r.length()
	if n == 0 {
		return nil
	}
	return r.Fixed(n)
}

// Sub reads a vector and returns a Reader of its content that shares r's error.
func (r *Reader) Sub() *Reader { return &Reader{b: r.Vector(), err: r.err} }

// length reads a vector's length header. RFC 9420 2.1.2: the first two bits
// give its size (1, 2 or 4 bytes; 8 is invalid), and it must be the smallest.
func (r *Reader) length() int {
	first := r.Uint8()
	n := int(first & 0x3f)
	switch first >> 6 {
	case 0:
		return n
	case 1:
		n = n<<8 | int(r.Uint8())
		if n < 1<<6 {
			r.Fail(ErrNotMinimal)
		}
	case 2:
		b := r.Fixed(3)
		if b == nil {
			return 0
		}
		n = n<<24 | int(b[0])<<16 | int(b[1])<<8 | int(b[2])
		if n < 1<<14 {
			r.Fail(ErrNotMinimal)
		}
	default:
		r.Fail(ErrBadLength)
	}
	if *r.err != nil {
		return 0
	}
	return n
}
