package ident

import (
	"errors"
	"slices"
	"unicode"
)

var (
	errScripts = errors.New("a name is written in one script: the letters of this one are of several, which can pass for another name")
	errDigits  = errors.New("a name has digits of one kind")
)

// together are the scripts that are written together every day. Every other name
// has one script (the single-script profile of UTS #39 5.2, with its sets for
// Japanese, Korean and Chinese; Latin stands apart from them, so that no Latin
// letter hides among others). ASCII digits go with all.
var together = [][]*unicode.RangeTable{
	{unicode.Han, unicode.Hiragana, unicode.Katakana}, // Japanese
	{unicode.Hangul, unicode.Han},                     // Korean
	{unicode.Han, unicode.Bopomofo},                   // Chinese
}

// kana are letters that Unicode gives to no script, and that Japanese alone
// writes.
var kana = []rune{'ー', '〆'}

// oneScript returns an error unless the letters of a name, in normalisation form
// KC, are of one script or of several that go together.
func oneScript(s string) error {
	var used []*unicode.RangeTable
	zero := rune(-1)
	for _, r := range s {
		switch {
		case r == kana[0] || r == kana[1]:
			used = append(used, unicode.Katakana)
		case unicode.IsDigit(r):
			// Decimal digits stand in runs of ten (UAX #44, 4.6), each beginning
			// at its zero, and one kind alone is used in a name.
			z := zeroOf(r)
			if zero >= 0 && z != zero {
				return errDigits
			}
			zero = z
		case unicode.IsLetter(r):
			t := scriptOf(r)
			if t == nil {
				return errScripts // of no script: symbols that only look like letters
			}
			used = append(used, t)
		}
	}
	if !agree(used) {
		return errScripts
	}
	return nil
}

// zeroOf returns the digit zero of the run that a decimal digit is in.
func zeroOf(r rune) rune {
	for range 9 {
		if !unicode.IsDigit(r - 1) {
			break
		}
		r--
	}
	return r
}

// scriptOf returns a letter's script, nil if it has none of its own.
func scriptOf(r rune) *unicode.RangeTable {
	for _, t := range []*unicode.RangeTable{unicode.Latin, unicode.Hangul, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Cyrillic} {
		if unicode.Is(t, r) {
			return t // the common ones first: there are many
		}
	}
	for _, t := range unicode.Scripts {
		if t != unicode.Common && t != unicode.Inherited && unicode.Is(t, r) {
			return t
		}
	}
	return nil
}

func agree(used []*unicode.RangeTable) bool {
	within := func(set []*unicode.RangeTable) bool {
		for _, t := range used {
			in := false
			for _, of := range set {
				in = in || t == of
			}
			if !in {
				return false
			}
		}
		return true
	}
	if len(used) == 0 || within(used[:1]) {
		return true
	}
	return slices.ContainsFunc(together, within)
}
