// Package phrase is an account's recovery phrase: twelve Korean or English
// words, of which the key follows that outranks the account's devices
// (internal/devchain). It is pure. Specification: docs/spec/linking.md.
//
// The words carry 128 random bits and four bits of checksum as BIP-39 lays them
// out, with its word lists (words/LICENSE), so that other tools can check what
// is written on the paper. The key follows from the bits and not, as there, from
// the words: one phrase may be printed in either language, and nothing has to be
// stretched, since the bits are random.
//
// Strings can't be erased: whoever reveals the words leaves copies in memory
// until the garbage collector comes by.
package phrase

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
)

const (
	// Length is how many words a phrase has.
	Length      = 12
	entropySize = 16
	wordBits    = 11 // of 2,048 words
	keyLabel    = "byre/1 recovery key"
)

// ErrChecksum says that each word is one of the list and that they are no
// phrase.
var ErrChecksum = errors.New("these words are no recovery phrase: one of them is wrong, or two are in each other's place")

// CountError says how many words there were instead of [Length].
type CountError int

func (e CountError) Error() string {
	return fmt.Sprintf("a recovery phrase has %d words, this one has %d", Length, int(e))
}

// WordError is the position, from 1, of a word that is not the right one. The
// word itself is not told: it is nearly a secret.
type WordError int

func (e WordError) Error() string {
	return fmt.Sprintf("word %d is not right: look at how it is spelled on the paper", int(e))
}

// Phrase is a recovery phrase. It can't be printed; [Phrase.Words] reveals it.
// The zero value is none.
type Phrase struct{ entropy secret.Bytes }

// New returns a random phrase.
func New() Phrase {
	b := make([]byte, entropySize)
	_, _ = rand.Read(b) // never fails
	return Phrase{secret.New(b)}
}

// Read reads what a person typed, and in which language: without regard to case,
// to what stands between the words, to the numbers before them and to how Korean
// letters are composed; Korean words may stand without spaces. The first four
// letters of an English word suffice, and the first two syllables of a Korean
// one. The error is a [CountError], a [WordError] or [ErrChecksum].
func Read(text string) (Phrase, Language, error) {
	words := split(text)
	if len(words) != Length {
		return Phrase{}, 0, CountError(len(words))
	}
	var numbers [Length]int
	var language Language
	for i, w := range words {
		l, n, ok := find(w)
		if i == 0 {
			language = l
		}
		if !ok || l != language {
			return Phrase{}, 0, WordError(i + 1)
		}
		numbers[i] = n
	}
	p, ok := fromNumbers(numbers)
	if !ok {
		return Phrase{}, 0, ErrChecksum
	}
	return p, language, nil
}

// Words returns the words in a language.
func (p Phrase) Words(l Language) []string {
	list := l.words()
	var out []string
	for _, n := range encode(p.entropy.Reveal()) {
		out = append(out, list[n])
	}
	return out
}

// Key returns the recovery key; its public half stands in the account's chain.
func (p Phrase) Key() (sign.Key, error) {
	seed, err := hkdf.Key(sha256.New, p.entropy.Reveal(), nil, keyLabel, sign.SeedSize)
	if err != nil {
		return sign.Key{}, fmt.Errorf("recovery key: %w", err)
	}
	return sign.KeyFromSeed(seed)
}

// Equal reports in constant time whether two phrases are the same.
func (p Phrase) Equal(o Phrase) bool { return p.entropy.Equal(o.entropy) }

// Wipe erases the phrase, which must not be used afterwards.
func (p Phrase) Wipe() { p.entropy.Wipe() }

// String hides the phrase from fmt.
func (Phrase) String() string { return "[recovery phrase]" }

// GoString hides the phrase from %#v.
func (Phrase) GoString() string { return "[recovery phrase]" }

// fromNumbers is the phrase of words by their numbers, if the checksum holds.
func fromNumbers(numbers [Length]int) (Phrase, bool) {
	entropy, ok := decode(numbers[:])
	return Phrase{secret.New(entropy)}, ok
}

// encode returns the numbers of the words for 16, 20, 24, 28 or 32 bytes: eleven
// bits each, of the bytes and of one bit of their SHA-256 for each four of them
// (BIP-39, Generating the mnemonic).
func encode(entropy []byte) []int {
	sum := sha256.Sum256(entropy)
	bits := append(append([]byte(nil), entropy...), sum[0])
	defer clear(bits)
	numbers := make([]int, len(entropy)*8*33/32/wordBits)
	for i := range numbers {
		for b := i * wordBits; b < (i+1)*wordBits; b++ {
			numbers[i] = numbers[i]<<1 | int(bits[b/8]>>(7-b%8)&1)
		}
	}
	return numbers
}

// decode undoes encode, and reports whether the checksum holds.
func decode(numbers []int) ([]byte, bool) {
	all := make([]byte, len(numbers)*wordBits/8+1)
	for i, n := range numbers {
		for k := range wordBits {
			b := i*wordBits + k
			all[b/8] |= byte(n>>(wordBits-1-k)&1) << (7 - b%8)
		}
	}
	size := len(numbers) * wordBits * 32 / 33 / 8
	entropy := all[:size:size]
	sum, bits := sha256.Sum256(entropy), size/4
	return entropy, (all[size]^sum[0])>>(8-bits) == 0
}
