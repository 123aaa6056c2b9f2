package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// MaxParts is how many parts (elements of lists and submessages) one encoding
// may hold. An empty part costs two bytes on the wire and a whole struct in
// memory, so the size alone would not bound what a hostile frame makes us
// allocate. 1 MiB of 16-byte ids stays below it.
const MaxParts = 1 << 16

const maxFieldNumber = 1<<29 - 1

var (
	errTooLong  = fmt.Errorf("it is longer than %d bytes", MaxSize)
	errCut      = errors.New("the data ends inside a field")
	errVarint   = errors.New("a number has more than 64 bits")
	errNumber   = errors.New("a field number is 0 or above 536870911")
	errWireType = errors.New("a field has a wire type that proto3 does not know")
	errUTF8     = errors.New("a text is not UTF-8")
	errParts    = fmt.Errorf("it holds more than %d parts", MaxParts)
)

// admit refuses what is too long before anything is allocated for it, and
// returns how many parts it may hold.
func admit(b []byte) (parts int, err error) {
	if len(b) > MaxSize {
		return 0, errTooLong
	}
	return MaxParts, nil
}

// decoder reads the fields of one message. Nesting needs no limit of its own:
// the generator refuses schemas in which a message can contain itself.
type decoder struct {
	rest []byte
	err  error

	tag uint64 // number<<3 | wire type of the current field
	num uint64 // its value, where the wire type is wireVarint
	raw []byte // its bytes, where it is wireLength: a view, nil if empty
}

// next reads one field, and returns false at the end or on an error. parts is
// what is left for the whole encoding. It is no field of d: the views that leave
// d would take it with them to the heap.
func (d *decoder) next(parts *int) bool {
	if *parts < 0 && d.err == nil {
		d.err = errParts
	}
	if d.err != nil || len(d.rest) == 0 {
		return false
	}
	d.tag = d.varint()
	if number := d.tag >> 3; d.err == nil && (number == 0 || number > maxFieldNumber) {
		d.err = errNumber
	}
	if d.err != nil {
		return false
	}
	switch d.tag & 7 {
	case wireVarint:
		d.num = d.varint()
	case wireFixed64:
		d.take(8)
	case wireLength:
		d.raw = d.take(d.varint())
	case wireFixed32:
		d.take(4)
	default:
		d.err = errWireType
	}
	return d.err == nil
}

func (d *decoder) varint() uint64 {
	if len(d.rest) > 0 && d.rest[0] < 0x80 {
		v := d.rest[0]
		d.rest = d.rest[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(d.rest)
	switch {
	case n > 0:
		d.rest = d.rest[n:]
	case d.err != nil:
	case n == 0:
		d.err = errCut
	default:
		d.err = errVarint
	}
	return v
}

// take returns the next n bytes, capped so that an append to them cannot reach
// the field behind.
func (d *decoder) take(n uint64) []byte {
	if d.err != nil {
		return nil
	}
	if n > uint64(len(d.rest)) {
		d.err = errCut
		return nil
	}
	if n == 0 {
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

// part returns the bytes of the current field and counts it as a part.
func (d *decoder) part(parts *int) []byte {
	*parts--
	return d.raw
}

// text returns a copy of the bytes of the current field, which must be UTF-8.
func (d *decoder) text() string {
	if !utf8.Valid(d.raw) {
		d.err = errUTF8
		return ""
	}
	return string(d.raw)
}

// unpack adds the numbers of a packed field to vs.
func unpack[T integer](d *decoder, vs []T) []T {
	packed := decoder{rest: d.raw}
	n := 0
	for _, c := range d.raw {
		if c < 0x80 { // the last byte of each number
			n++
		}
	}
	vs = slices.Grow(vs, n)
	for len(packed.rest) > 0 && packed.err == nil {
		if v := packed.varint(); packed.err == nil {
			vs = append(vs, T(v))
		}
	}
	d.err = packed.err
	return vs
}
