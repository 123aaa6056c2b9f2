package phrase

import (
	"bytes"
	"crypto/rand"
	"slices"

	"golang.org/x/text/unicode/norm"
)

// Mend finds the phrase whose key has a public half that is known, from the
// account's chain, where a person typed one word wrongly or changed two words
// that stand beside each other. It returns the position of the (first) word that
// was wrong, from 1, and 0 if none was. Unless ok, there is no such phrase, and p
// and at say nothing.
//
// It tries some 1,500 keys where all words are of the list, and 128 where one is
// not. Whoever lacks one word of somebody's phrase could do the same: it gives
// nothing away.
func Mend(text string, public []byte) (p Phrase, at int, ok bool) {
	words := split(text)
	if len(words) != Length {
		return Phrase{}, 0, false
	}
	var numbers [Length]int
	bad, language := 0, Language(0) // bad: the position of a word that is not known
	for i, w := range words {
		l, n, known := find(w)
		if known && language == 0 {
			language = l
		}
		if !known || l != language {
			if bad > 0 {
				return Phrase{}, 0, false
			}
			bad = i + 1
		}
		numbers[i] = n
	}
	fits := func() bool {
		var right bool
		p, right = fromNumbers(numbers)
		if right {
			key, err := p.Key()
			right = err == nil && bytes.Equal(key.Public(), public)
		}
		return right
	}
	if bad > 0 {
		ok = replace(&numbers, bad-1, fits)
		return p, bad, ok
	}
	if fits() {
		return p, 0, true
	}
	for i := range Length - 1 {
		numbers[i], numbers[i+1] = numbers[i+1], numbers[i]
		if fits() {
			return p, i + 1, true
		}
		numbers[i], numbers[i+1] = numbers[i+1], numbers[i]
	}
	for i := range numbers {
		if replace(&numbers, i, fits) {
			return p, i + 1, true
		}
	}
	return Phrase{}, 0, false
}

// replace tries every word in a place, and leaves it as it was if none fits.
func replace(numbers *[Length]int, place int, fits func() bool) bool {
	was := numbers[place]
	for n := range 1 << wordBits {
		if numbers[place] = n; fits() {
			return true
		}
	}
	numbers[place] = was
	return false
}

// maxNear is how many words [Near] returns at most.
const maxNear = 3

// Near returns words of the list that differ by one letter from the word at a
// position (from 1) of what a person typed, or by two that stand in each other's
// place. They are for that person alone to see.
func Near(text string, at int) []string {
	words := split(text)
	if at < 1 || at > len(words) {
		return nil
	}
	word := []rune(norm.NFD.String(words[at-1])) // letters, also of Korean syllables
	var near []string
	for _, w := range languageOf(words[at-1]).words() {
		if len(near) < maxNear && oneApart(word, []rune(norm.NFD.String(w))) {
			near = append(near, w)
		}
	}
	return near
}

// oneApart reports whether a becomes b by one letter more, less, other, or moved
// by one place.
func oneApart(a, b []rune) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch rest := a[i:]; len(b) - len(a) {
	case 0:
		swapped := len(rest) > 1 && rest[0] == b[i+1] && rest[1] == b[i] && slices.Equal(rest[2:], b[i+2:])
		return swapped || len(rest) > 0 && slices.Equal(rest[1:], b[i+1:])
	case 1:
		return slices.Equal(rest, b[i+1:])
	}
	return false
}

// asked is how many words a [Check] asks for: a guess of all three from the list
// would be one in 8 billion.
const asked = 3

// Check asks for some words of a phrase, to see that they were written down.
type Check struct {
	// At are the positions asked for, from 1, ascending.
	At     []int
	phrase Phrase
}

// Check returns a question with other positions each time.
func (p Phrase) Check() Check {
	c := Check{phrase: p}
	for len(c.At) < asked {
		var b [1]byte
		_, _ = rand.Read(b[:]) // never fails
		at := int(b[0])%Length + 1
		if b[0] < 256/Length*Length && !slices.Contains(c.At, at) {
			c.At = append(c.At, at)
		}
	}
	slices.Sort(c.At)
	return c
}

// Answer checks the words typed, in the order of At and in either language. It
// returns a [WordError] with the first position that is wrong.
func (c Check) Answer(words []string) error {
	numbers := encode(c.phrase.entropy.Reveal())
	for i, at := range c.At {
		if i >= len(words) {
			return WordError(at)
		}
		typed := split(words[i])
		if len(typed) != 1 {
			return WordError(at)
		}
		if _, n, ok := find(typed[0]); !ok || n != numbers[at-1] {
			return WordError(at)
		}
	}
	return nil
}
