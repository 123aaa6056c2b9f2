package ident

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Shape returns what two names have in common that look alike: a skeleton in the
// manner of UTS #39 section 4, of the name as its owner writes it and as
// everybody is shown it. So three Cyrillic capitals look like BOB. A server
// gives out a name only if nobody else has one of its shape.
//
// The table is small and kept by hand: letters of five scripts that most
// typefaces draw as Latin ones, kana that are drawn as Han, and by rule 0 as o,
// 1 and I as l, rn as m, vv as w, and the joiners. It does not catch likeness
// within or between other scripts (Arabic, Devanagari, Thai, Han), accents that
// differ little (josé and jose are two names), nor what a person may take for
// another name without mistaking a letter (bob, bobb). Whoever must be sure
// compares safety numbers.
func (n Name) Shape() []byte {
	shape := make([]byte, 0, len(n.s))
	for _, r := range norm.NFD.String(norm.NFKC.String(n.s)) {
		if like, ok := alike[r]; ok {
			r = like
		}
		shape = utf8.AppendRune(shape, unicode.ToLower(fold(r)))
	}
	return norm.NFC.Bytes([]byte(pairs.Replace(string(shape))))
}

// pairs are letters that look like one, and the joiners.
var pairs = strings.NewReplacer("rn", "m", "vv", "w", "_", "-", ".", "-")

// alike gives for a character the one that it is taken for.
var alike = func() map[rune]rune {
	m := map[rune]rune{}
	for _, row := range alikes {
		like := []rune(row.like)
		for i, r := range []rune(row.letters) {
			m[r] = like[i]
		}
	}
	return m
}()

// alikes are letters and what they are taken for, in the same order.
var alikes = []struct{ letters, like string }{
	{"I10\u0131\u0269\u026a\u0251\u0261\u0185\u1d04\u1d0f\u1d20\u1d21\u1d22", "lloiiiagbcovwz"},                                                                                             // Latin, and digits that pass for letters
	{"\u0430\u044c\u0441\u0501\u0435\u04bb\u0456\u0458\u043a\u04cf\u043f\u043e\u0440\u051b\u0433\u0455\u0443\u04af\u0475\u051d\u0445\u0431", "abcdehijklnopqrsyyvwx6"},                      // Cyrillic, small
	{"\u0410\u0412\u0421\u0415\u050c\u041d\u0406\u04c0\u0408\u041a\u041c\u041e\u0420\u051a\u0405\u0422\u0423\u04ae\u0474\u051c\u0425\u0417\u0427", "abceghlljkmopqstyyvwx34"},               // Cyrillic, capital
	{"\u03b1\u03b3\u03b7\u03b9\u03ba\u03bd\u03bf\u03c1\u03c3\u03c4\u03c5\u03c7", "aynikvopotux"},                                                                                            // Greek, small
	{"\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7", "abezhlkmnoptyx"},                                                                              // Greek, capital
	{"\u0570\u0578\u057d\u0581\u0585\u0566\u0575\u053c\u054d\u054f\u0555", "hnugoqjluso"},                                                                                                   // Armenian
	{"\u13a0\u13a1\u13a2\u13aa\u13ab\u13ac\u13b3\u13b7\u13bb\u13c0\u13c3\u13ce\u13cf\u13d2\u13d4\u13d5\u13d9\u13da\u13de\u13df\u13e2\u13e6\u13f4", "drtajewmhgz4brwsvslcpkb"},               // Cherokee
	{"\ua4d0\ua4d1\ua4d3\ua4d4\ua4d6\ua4d7\ua4d9\ua4da\ua4dc\ua4dd\ua4df\ua4e0\ua4e1\ua4e2\ua4e3\ua4e6\ua4e7\ua4ea\ua4eb\ua4ec\ua4ee\ua4f0\ua4f2\ua4f3\ua4f4", "bpdtgkjczfmnlsrvhwxyaelou"}, // Lisu
	{"\u30ed\u30cb\u30a8\u30ab\u30bf\u30c8\u30cf\u30d2\u30df\u30c1\u30fc\u3078\u308a", "口二工力夕卜八匕彡千一ヘリ"},                                                                                     // Kana as Han, and Hiragana as Katakana
}
