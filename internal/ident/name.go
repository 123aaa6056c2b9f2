package ident

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of a name, in characters after normalisation.
const (
	NameMin = 2
	NameMax = 30
)

// maxMarks is how many combining marks may follow each other: what living
// scripts need, and no towers of them.
const maxMarks = 4

var (
	errLetters = errors.New("a name begins with a letter and has letters, digits and single '-', '_' or '.' between them")
	errMarks   = fmt.Errorf("a name has at most %d accents or vowel signs behind a letter", maxMarks)
)

// Name is a person's name at a server, in Unicode normalisation form C.
type Name struct{ s string }

// ParseName checks and normalises a name: 2 to 30 letters (of any script, but of
// one: see script.go), marks and digits, beginning with a letter, with single
// '-', '_' or '.' between them.
func ParseName(s string) (Name, error) {
	if len(s) > 4*NameMax*utf8.UTFMax {
		return Name{}, fmt.Errorf("a name has %d to %d characters", NameMin, NameMax)
	}
	if !utf8.ValidString(s) {
		return Name{}, errors.New("a name must be valid UTF-8 text")
	}
	s = norm.NFC.String(s)
	if n := utf8.RuneCountInString(s); n < NameMin || n > NameMax {
		return Name{}, fmt.Errorf("a name has %d to %d characters, this one has %d", NameMin, NameMax, n)
	}
	joined, marks := true, 0 // a joiner may not begin the name, nor follow another
	for i, r := range s {
		mark := unicode.Is(unicode.M, r)
		switch {
		case invisible(r):
			return Name{}, fmt.Errorf("%w; U+%04X can't be seen", errLetters, r)
		case unicode.IsLetter(r):
			joined = false
		case i > 0 && (unicode.IsDigit(r) || mark) && !unicode.Is(unicode.Me, r):
			joined = false
		case !joined && (r == '-' || r == '_' || r == '.'):
			joined = true
		default:
			return Name{}, fmt.Errorf("%w; %q does not fit", errLetters, r)
		}
		if !mark {
			marks = 0
		} else if marks++; marks > maxMarks {
			return Name{}, errMarks
		}
	}
	if joined {
		return Name{}, errors.New("a name ends with a letter or digit")
	}
	if err := oneScript(norm.NFKC.String(s)); err != nil {
		return Name{}, err
	}
	return Name{s}, nil
}

// invisible reports whether a letter or mark shows nothing by itself, such as
// the Hangul fillers and the variation selectors (Default_Ignorable_Code_Point
// of UAX #44).
func invisible(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Cf)
}

// String returns the name as its owner wrote it, normalised.
func (n Name) String() string { return n.s }

// Key returns what two spellings of one name have in common: the name without
// difference of case (Unicode simple folding) or compatibility forms.
func (n Name) Key() []byte {
	folded := make([]byte, 0, len(n.s))
	for _, r := range norm.NFKC.String(n.s) {
		folded = utf8.AppendRune(folded, fold(r))
	}
	return norm.NFKC.Bytes(folded)
}

// fold returns the smallest rune that differs from r by case alone.
func fold(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}
