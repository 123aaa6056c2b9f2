package wire

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// MaxSize is the longest encoding, in bytes, that Parse accepts. It is also the
// longest frame of a connection.
const MaxSize = 1 << 20

// Message is a generated type. Methods that read may be called concurrently.
type Message interface {
	// Append adds the canonical proto3 encoding to b and returns the longer
	// slice. It allocates only where b has less than EncodedLen bytes to
	// spare. Strings must be valid UTF-8, lists must hold no more than MaxParts
	// parts in all: a peer refuses anything else.
	Append(b []byte) []byte
	// EncodedLen is the number of bytes that Append adds.
	EncodedLen() int
	// Parse replaces the message by what b encodes. Fields of type []byte are
	// views into b: they are valid as long as the caller leaves b alone, and
	// what is to outlive b must be cloned. Empty ones are nil. Strings are
	// copies. Unknown fields are skipped. On error the message is empty.
	Parse(b []byte) error
	// String tells the type and the size, never the contents: they may be
	// secret.
	String() string
}

// describe is the text of a message in logs and errors: its name, the size of
// its encoding, and which cases its oneofs hold.
func describe(name string, size int, cases ...Message) string {
	words := []string{strconv.Itoa(size) + " bytes"}
	for _, c := range cases {
		if c != nil {
			words = append(words, c.String())
		}
	}
	return name + "{" + strings.Join(words, ", ") + "}"
}

// format keeps every verb of fmt from walking into a message.
func format(to fmt.State, text string) { _, _ = io.WriteString(to, text) }
