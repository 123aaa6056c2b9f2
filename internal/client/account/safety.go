package account

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/byre-messenger/byre/internal/ident"
)

// What it costs to compute one number, so that a search for two accounts whose
// numbers look alike pays for each try: Argon2id, RFC 9106.
const (
	safetyTime   = 3
	safetyMemory = 64 << 10
	safetyGroups = 12 // of 5 digits
)

// SafetyNumber returns the 60 decimal digits that two people compare, in groups
// of five. It is the same for both, and slow on purpose (docs/spec/content.md).
func SafetyNumber(a, b ident.AccountID) string {
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	sum := argon2.IDKey(append(a[:], b[:]...), []byte("byre/1 safety number"), safetyTime, safetyMemory, 1, safetyGroups*8)
	groups := make([]string, safetyGroups)
	for i := range groups {
		groups[i] = fmt.Sprintf("%05d", binary.BigEndian.Uint64(sum[8*i:])%100_000)
	}
	return strings.Join(groups, " ")
}

// SameNumber compares safety numbers, spaces aside.
func SameNumber(a, b string) bool {
	return strings.Join(strings.Fields(a), "") == strings.Join(strings.Fields(b), "")
}
