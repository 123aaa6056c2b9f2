package phrase

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Language is a language that a phrase is written in.
type Language uint8

// The languages.
const (
	English Language = iota + 1
	Korean
)

var (
	//go:embed words/english.txt
	english string
	//go:embed words/korean.txt
	korean string
)

// list is a language's words, in the order of their numbers.
type list struct {
	words  []string
	starts map[string]int // the start that tells a word from all others -> its number
	start  int            // how many characters that is; a shorter word is its own
}

// lists are made when they are first asked for: most runs of a program need none.
var lists = sync.OnceValue(func() map[Language]list {
	return map[Language]list{English: newList(english, 4), Korean: newList(korean, 2)}
})

func newList(text string, start int) list {
	l := list{words: strings.Fields(text), starts: map[string]int{}, start: start}
	for i, w := range l.words {
		l.starts[head(w, start)] = i
	}
	return l
}

// words returns the words of a language, English ones for one that is not known.
func (l Language) words() []string {
	if l == Korean {
		return lists()[Korean].words
	}
	return lists()[English].words
}

// languageOf tells by the script of its first letter what a word is meant to be.
func languageOf(word string) Language {
	if r, _ := utf8.DecodeRuneInString(word); unicode.Is(unicode.Hangul, r) {
		return Korean
	}
	return English
}

// find returns the number of a word, which may break off behind what tells it
// from all others.
func find(word string) (Language, int, bool) {
	l := languageOf(word)
	in := lists()[l]
	n, ok := in.starts[head(word, in.start)]
	return l, n, ok && strings.HasPrefix(in.words[n], word)
}

// head returns the first n characters.
func head(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// maxText is how much of what was typed is looked at, in bytes: the longest
// phrase, decomposed and numbered, has a quarter of it.
const maxText = 2048

// split cuts what a person typed into words of lower-case letters in form C.
// Compatibility forms (full width, single Korean letters) are what they stand for.
func split(text string) []string {
	text = strings.ToLower(norm.NFKC.String(text[:min(len(text), maxText)]))
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r):
			return r
		case unicode.Is(unicode.Cf, r): // invisible: joiners, marks of direction
			return -1
		}
		return ' '
	}, text)
	var words []string
	for w := range strings.FieldsSeq(text) {
		words = append(words, apart(w)...)
	}
	return words
}

// apart cuts Korean words that stand without spaces. No word of the list begins
// with another, so there is at most one way; what does not come out even is left
// as it is.
func apart(text string) []string {
	if languageOf(text) != Korean {
		return []string{text}
	}
	korean := lists()[Korean]
	var words []string
	for rest := text; rest != ""; {
		n, ok := korean.starts[head(rest, korean.start)]
		if !ok || !strings.HasPrefix(rest, korean.words[n]) {
			return []string{text}
		}
		words = append(words, korean.words[n])
		rest = rest[len(korean.words[n]):]
	}
	return words
}
