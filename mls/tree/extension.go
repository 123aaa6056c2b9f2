package tree

import (
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// ExtensionType numbers an extension (RFC 9420 17.3).
type ExtensionType uint16

// Extension types that this module reads. 0xf000 to 0xffff are private.
const (
	ExtApplicationID        ExtensionType = 0x0001
	ExtRatchetTree          ExtensionType = 0x0002
	ExtRequiredCapabilities ExtensionType = 0x0003
	ExtExternalPub          ExtensionType = 0x0004
	ExtExternalSenders      ExtensionType = 0x0005
	ExtLastResort           ExtensionType = 0x000a // draft-ietf-mls-extensions
)

// isDefault reports whether every member supports t without saying so
// (RFC 9420 7.2).
func (t ExtensionType) isDefault() bool { return t >= ExtApplicationID && t <= ExtExternalSenders }

// ErrExtensions is returned for a list that names an extension twice.
var ErrExtensions = errors.New("extension listed twice")

// Extension is one extension; Data is kept as it came.
type Extension struct {
	Type ExtensionType
	Data []byte
}

// Extensions is a list of extensions, each type at most once.
type Extensions []Extension

// Get returns the data of the extension of type t.
func (e Extensions) Get(t ExtensionType) ([]byte, bool) {
	for _, x := range e {
		if x.Type == t {
			return x.Data, true
		}
	}
	return nil, false
}

// Append appends the encoding of e to b.
func (e Extensions) Append(b []byte) []byte {
	return syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, x := range e {
			b = syntax.AppendUint16(b, uint16(x.Type))
			b = syntax.AppendVector(b, x.Data)
		}
		return b
	})
}

// Check returns [ErrExtensions] if a type is listed twice.
func (e Extensions) Check() error {
	for i, x := range e {
		if _, again := e[:i].Get(x.Type); again {
			return fmt.Errorf("%w: 0x%04x", ErrExtensions, uint16(x.Type))
		}
	}
	return nil
}

// maxExtensions bounds a list: reading compares every pair of types.
const maxExtensions = 256

// ReadExtensions reads a list of extensions (RFC 9420 13). Data are views into
// the input of r; a type listed twice fails r.
func ReadExtensions(r *syntax.Reader) Extensions {
	var e Extensions
	for in := r.Sub(); !in.Empty(); {
		if len(e) == maxExtensions {
			r.Fail(fmt.Errorf("more than %d extensions", maxExtensions))
			return nil
		}
		e = append(e, Extension{ExtensionType(in.Uint16()), in.Vector()})
	}
	if err := e.Check(); err != nil { // V-101
		r.Fail(err)
	}
	return e
}

// RequiredCapabilities is the content of the extension of that name (RFC 9420 11.1).
type RequiredCapabilities struct {
	Extensions  []uint16
	Proposals   []uint16
	Credentials []uint16
}

// Append appends the encoding of c to b.
func (c RequiredCapabilities) Append(b []byte) []byte {
	return appendUint16s(appendUint16s(appendUint16s(b, c.Extensions), c.Proposals), c.Credentials)
}

// ParseRequiredCapabilities reads the extension's data.
func ParseRequiredCapabilities(data []byte) (RequiredCapabilities, error) {
	r := syntax.NewReader(data)
	c := RequiredCapabilities{readUint16s(r), readUint16s(r), readUint16s(r)}
	if err := r.Done(); err != nil {
		return RequiredCapabilities{}, fmt.Errorf("required capabilities: %w", err)
	}
	return c, nil
}

func appendUint16s(b []byte, v []uint16) []byte {
	return syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, x := range v {
			b = syntax.AppendUint16(b, x)
		}
		return b
	})
}

func readUint16s(r *syntax.Reader) []uint16 {
	in := r.Sub()
	if in.Empty() {
		return nil
	}
	v := make([]uint16, 0, len(in.Rest())/2)
	for !in.Empty() {
		v = append(v, in.Uint16())
	}
	return v
}
