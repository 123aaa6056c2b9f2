// Package secret holds key material that can be neither logged nor compared by
// accident.
package secret

import (
	"crypto/subtle"
	"log/slog"
)

// Bytes is key material. Its zero value is empty and safe to use.
//
// The bytes live inside a closure. A func field makes Bytes incomparable, so ==
// does not compile (use [Bytes.Equal]), and fmt prints a func as an address
// even where it walks an unexported field and calls no String method.
type Bytes struct{ get func() []byte }

// New takes ownership of b; the caller must not keep it.
func New(b []byte) Bytes { return Bytes{func() []byte { return b }} }

// Reveal returns the bytes themselves, not a copy: the name is there to be seen
// in review. The caller must neither keep nor change them.
func (s Bytes) Reveal() []byte { return s.bytes() }

// Len returns the number of bytes.
func (s Bytes) Len() int { return len(s.bytes()) }

// Clone returns an independent copy, so that one may be wiped and the other used.
func (s Bytes) Clone() Bytes { return New(append([]byte(nil), s.bytes()...)) }

func (s Bytes) bytes() []byte {
	if s.get == nil {
		return nil
	}
	return s.get()
}

// Equal reports in constant time whether s and o hold the same bytes.
func (s Bytes) Equal(o Bytes) bool { return subtle.ConstantTimeCompare(s.bytes(), o.bytes()) == 1 }

// Wipe overwrites the bytes. s must not be used afterwards.
func (s Bytes) Wipe() { clear(s.bytes()) }

// String hides the bytes from fmt.
func (Bytes) String() string { return "[secret]" }

// GoString hides the bytes from %#v.
func (Bytes) GoString() string { return "[secret]" }

// LogValue hides the bytes from log/slog.
func (Bytes) LogValue() slog.Value { return slog.StringValue("[secret]") }
