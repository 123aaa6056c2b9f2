// Package work is the work that an account costs where anybody may make one, and
// a name that is looked up without a sign-in (docs/spec/relay.md): a number for which a hash begins with so
// many zero bits. Finding it takes tries, checking it takes one. It is pure, and
// knows nobody: it makes many accounts dear, and one a moment's wait.
package work

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"
)

// Most is the most bits that a client does: some ten seconds of one processor of
// 2026. A server that asks for more is refused.
const Most = 26

// ErrTooMuch says that a server asks for more than Most.
var ErrTooMuch = errors.New("the server asks for more work than byre does for an account: ask its operator, or choose another server")

// prefix keeps these hashes apart from all others.
const prefix = "byre/1 work\x00"

// leastForName is the least that looking up a name costs, in bits.
const leastForName = 16

// Name is what stands in the place of an account where the work is for looking a
// name up; key is what names are compared by (ident.Name.Key).
func Name(key []byte) [32]byte {
	return sha256.Sum256(append([]byte("byre/1 look up\x00"), key...))
}

// ForName is how many bits a name costs where an account costs so many.
func ForName(account int) int { return max(account, leastForName) }

// pause is how many tries are made between looks at the context.
const pause = 1 << 14

// Proves reports whether n is the work for an account on the connection whose
// nonce it is, at so many bits. No bits are no work.
func Proves(nonce []byte, account [32]byte, n uint64, zeros int) bool {
	return zeros <= 0 || leading(sum(nonce, account, n)) >= zeros
}

// Find does the work. It calls progress, unless nil, from time to time with how
// many tries were made and how many it takes on average. It returns ErrTooMuch
// or ctx's error.
func Find(ctx context.Context, nonce []byte, account [32]byte, zeros int, progress func(tries, about uint64)) (uint64, error) {
	if zeros > Most {
		return 0, ErrTooMuch
	}
	for n := uint64(0); ; n++ {
		if Proves(nonce, account, n, zeros) {
			return n, nil
		}
		if n%pause != 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if progress != nil {
			progress(n, 1<<max(zeros, 0))
		}
	}
}

func sum(nonce []byte, account [32]byte, n uint64) [sha256.Size]byte {
	b := make([]byte, 0, 128)
	b = append(b, prefix...)
	b = append(b, nonce...)
	b = append(b, account[:]...)
	return sha256.Sum256(binary.BigEndian.AppendUint64(b, n))
}

// leading counts the zero bits at the beginning.
func leading(sum [sha256.Size]byte) int {
	n := 0
	for _, b := range sum {
		if b != 0 {
			return n + bits.LeadingZeros8(b)
		}
		n += 8
	}
	return n
}
