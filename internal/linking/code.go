package linking

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/byre-messenger/byre/internal/secret"
)

const (
	codeSymbols = 25 // of five bits
	codeSize    = 16 // bytes; the last three bits are zero
	groupSize   = 5
)

// alphabet leaves out I, L, O and U (Crockford's base 32), of which the first
// three are read as the digits that they look like.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Why a code can't be read, as sentences for a person.
var (
	ErrCodeMistyped = errors.New("a character of the code is wrong: compare it with the other device's screen")
	ErrLink         = errors.New("this is no code for linking a device: take the one that 'byre link' or the settings of the other device show")
)

// CodeLengthError says how many letters and digits there were instead of 26.
type CodeLengthError int

func (e CodeLengthError) Error() string {
	return fmt.Sprintf("a code has %d letters and digits, this one has %d", codeSymbols+1, int(e))
}

// Code is 125 random bits that one device shows and another is told. It can't be
// printed; [Code.Text] reveals it. The zero value is none.
type Code struct{ bits secret.Bytes }

// NewCode returns a random code.
func NewCode() Code {
	b := make([]byte, codeSize)
	_, _ = rand.Read(b) // never fails
	b[codeSize-1] &^= 7
	return Code{secret.New(b)}
}

// ReadCode reads a code as a person types it: without regard to case, hyphens
// and spaces, and with I, L and O for 1, 1 and 0. Its last character finds every
// single wrong character and every two in each other's place, and 31 of 32 other
// mistakes.
func ReadCode(text string) (Code, error) {
	const most = 1024
	var symbols []byte
	unknown := false
	for _, r := range text[:min(len(text), most)] {
		if r >= '！' && r <= '～' { // full width, as Korean and Japanese keyboards have it
			r -= '！' - '!'
		}
		if strings.ContainsRune(" -_.\t\r\n\u00a0\u3000", r) {
			continue
		}
		n := strings.IndexRune(alphabet, plain(r))
		unknown = unknown || n < 0
		symbols = append(symbols, byte(max(n, 0))) //nolint:gosec // the alphabet has 32 characters
	}
	if len(symbols) != codeSymbols+1 {
		return Code{}, CodeLengthError(len(symbols))
	}
	if unknown || checksum(symbols) != 0 {
		return Code{}, ErrCodeMistyped
	}
	b := make([]byte, codeSize)
	for i, s := range symbols[:codeSymbols] {
		for k := range 5 {
			at := i*5 + k
			b[at/8] |= s >> (4 - k) & 1 << (7 - at%8)
		}
	}
	clear(symbols)
	return Code{secret.New(b)}, nil
}

// plain is the character of the alphabet that somebody meant.
func plain(r rune) rune {
	if r >= 'a' && r <= 'z' {
		r -= 'a' - 'A'
	}
	switch r {
	case 'O':
		return '0'
	case 'I', 'L':
		return '1'
	}
	return r
}

// Text is the code as it is shown: 25 characters and one to check them by, in
// groups.
func (c Code) Text() string {
	bits := c.bits.Reveal()
	symbols := make([]byte, codeSymbols, codeSymbols+1)
	for i := range symbols {
		for k := range 5 {
			at := i*5 + k
			symbols[i] |= bits[at/8] >> (7 - at%8) & 1 << (4 - k)
		}
	}
	symbols = append(symbols, times2(checksum(symbols)))
	var out strings.Builder
	for i, s := range symbols {
		if i > 0 && i < codeSymbols && i%groupSize == 0 {
			out.WriteByte('-')
		}
		out.WriteByte(alphabet[s])
	}
	return out.String()
}

// checksum weighs each symbol by another power of 2 in the field of 32 elements
// (x^5 + x^2 + 1), whose powers of 2 are distinct up to the 31st: no single change
// and no exchange of two symbols leaves the sum as it is. It is 0 for a whole code.
func checksum(symbols []byte) byte {
	var sum byte
	for _, s := range symbols {
		sum = times2(sum) ^ s
	}
	return sum
}

// times2 is the product with 2 in that field.
func times2(s byte) byte {
	s <<= 1
	if s&32 != 0 {
		s ^= 0b100101
	}
	return s
}

// Wipe erases the code, which must not be used afterwards.
func (c Code) Wipe() { c.bits.Wipe() }

// String hides the code from fmt.
func (Code) String() string { return "[linking code]" }

// GoString hides the code from %#v.
func (Code) GoString() string { return "[linking code]" }

// Link is what a QR code says: a code, where it serves, and the key that the
// server must prove there. It can't be printed; [Link.Text] reveals it.
type Link struct {
	// Server is the server's address, without a path.
	Server    string
	ServerKey [ed25519.PublicKeySize]byte
	Code      Code
}

// Fragment begins the part of a link that no browser sends to a server.
const Fragment = "byre-link=1."

// Text is the link: an address that opens the web client where the server has
// one. What is secret in it stands behind the #, which stays in the device.
func (l Link) Text() string {
	code := strings.ReplaceAll(l.Code.Text(), "-", "")
	return l.Server + "/#" + Fragment + code + "." + base64.RawURLEncoding.EncodeToString(l.ServerKey[:])
}

// String hides the link from fmt.
func (Link) String() string { return "[linking code]" }

// GoString hides the link from %#v.
func (Link) GoString() string { return "[linking code]" }
