package phrase

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// of returns the phrase of 16 bytes in hexadecimal.
func of(t *testing.T, entropy string) Phrase {
	t.Helper()
	b, err := hex.DecodeString(entropy)
	if err != nil || len(b) != entropySize {
		t.Fatalf("%q are not 16 bytes", entropy)
	}
	return Phrase{secret.New(b)}
}

func public(t *testing.T, p Phrase) []byte {
	t.Helper()
	k, err := p.Key()
	if err != nil {
		t.Fatal(err)
	}
	return k.Public()
}

// TestVectorsOfBIP39 covers phrases of all lengths, ours among them.
func TestVectorsOfBIP39(t *testing.T) {
	file, err := os.ReadFile("testdata/bip39.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen, ours := 0, 0
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		text, words, _ := strings.Cut(strings.TrimSpace(line), " ")
		entropy, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		numbers := encode(entropy)
		for _, n := range numbers {
			got = append(got, English.words()[n])
		}
		if strings.Join(got, " ") != words {
			t.Errorf("%s: %s, want %s", text, got, words)
		}
		if back, ok := decode(numbers); !ok || !bytes.Equal(back, entropy) {
			t.Errorf("%s: read back as %x, %v", words, back, ok)
		}
		numbers[0] ^= 1
		if back, ok := decode(numbers); ok && bytes.Equal(back, entropy) {
			t.Errorf("%s: another first word reads as the same", words)
		}
		if seen++; len(entropy) == entropySize {
			ours++
			if p, l, err := Read(words); err != nil || l != English || !p.Equal(of(t, text)) {
				t.Errorf("%s does not read: %v", words, err)
			}
		}
	}
	if seen != 24 || ours != 8 {
		t.Errorf("%d vectors, %d of our length: want 24 and 8", seen, ours)
	}
}

// TestTheListsAreThoseOfBIP39: the hashes are those of the published files, of
// which the Korean one is in normalisation form D.
func TestTheListsAreThoseOfBIP39(t *testing.T) {
	for text, want := range map[string]string{
		english: "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda",
		korean:  "9e95f86c167de88f450f0aaf89e87f6624a57f973c67b516e338e8e8b8897f60",
	} {
		if got := sha256.Sum256([]byte(norm.NFKD.String(text))); hex.EncodeToString(got[:]) != want {
			t.Errorf("the list that begins with %.10q has another hash: %x", text, got)
		}
	}
	for l, in := range lists() {
		if len(in.words) != 1<<wordBits || len(in.starts) != 1<<wordBits {
			t.Errorf("language %d has %d words and %d starts", l, len(in.words), len(in.starts))
		}
	}
	// What lets Korean words be read without spaces.
	for _, a := range Korean.words() {
		for _, b := range Korean.words() {
			if a != b && strings.HasPrefix(b, a) {
				t.Errorf("%s begins with %s", b, a)
			}
		}
	}
}

// TestOnePhraseInTwoLanguages: the words differ, the bits and the key do not. The
// key is the vector of docs/spec/linking.md.
func TestOnePhraseInTwoLanguages(t *testing.T) {
	p := of(t, "77c2b00716cec7213839159e404db50d")
	const inEnglish = "jelly better achieve collect unaware mountain thought cargo oxygen act hood bridge"
	if got := strings.Join(p.Words(English), " "); got != inEnglish {
		t.Errorf("in English: %s", got)
	}
	inKorean := strings.Join(p.Words(Korean), " ")
	for i, w := range p.Words(Korean) {
		if at := slices.Index(English.words(), strings.Fields(inEnglish)[i]); Korean.words()[at] != w {
			t.Errorf("word %d: %s has another number than %s", i+1, w, strings.Fields(inEnglish)[i])
		}
	}
	q, l, err := Read(inKorean)
	if err != nil || l != Korean || !p.Equal(q) {
		t.Errorf("%s reads as %v in %d: %v", inKorean, q, l, err)
	}
	doc, err := os.ReadFile("../../docs/spec/linking.md")
	if err != nil {
		t.Fatal(err)
	}
	vector := fmt.Sprintf("entropy          77c2b00716cec7213839159e404db50d\nEnglish          %s\nKorean           %s\npublic key       %x\n", inEnglish, inKorean, public(t, q))
	if !strings.Contains(string(doc), vector) {
		t.Errorf("docs/spec/linking.md has another vector than this:\n%s", vector)
	}
}

// TestWhatAPersonTypes is read as it was meant.
func TestWhatAPersonTypes(t *testing.T) {
	p := of(t, "77c2b00716cec7213839159e404db50d")
	inEnglish, inKorean := strings.Join(p.Words(English), " "), strings.Join(p.Words(Korean), " ")
	var numbered, short []string
	for i, w := range p.Words(English) {
		numbered = append(numbered, fmt.Sprintf("%2d. %s\r\n", i+1, w))
		short = append(short, w[:min(4, len(w))])
	}
	var syllables []string
	for _, w := range p.Words(Korean) {
		syllables = append(syllables, string([]rune(w)[:2]))
	}
	for name, text := range map[string]string{
		"as printed":           inEnglish,
		"in capitals":          strings.ToUpper(inEnglish),
		"with spaces around":   "  \t" + strings.ReplaceAll(inEnglish, " ", "   ") + "\n",
		"numbered, in lines":   strings.Join(numbered, ""),
		"with commas":          strings.ReplaceAll(inEnglish, " ", ","),
		"four letters of each": strings.Join(short, " "),
		"in full width":        fullWidth(inEnglish),
		"pasted from a page":   "\ufeff" + strings.ReplaceAll(inEnglish, " ", "\u200b\u00a0"),
		"Korean":               inKorean,
		"Korean, decomposed":   norm.NFD.String(inKorean),
		"Korean, wide spaces":  strings.ReplaceAll(inKorean, " ", "\u3000"),
		"Korean, no spaces":    strings.ReplaceAll(inKorean, " ", ""),
		"Korean, two a line":   pairs(inKorean),
		"two syllables a word": strings.Join(syllables, " "),
	} {
		if q, _, err := Read(text); err != nil || !p.Equal(q) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func fullWidth(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' {
			return '\u3000'
		}
		return r - 'a' + 'ａ'
	}, s)
}

// pairs takes every second space away.
func pairs(s string) string {
	words := strings.Fields(s)
	var out []string
	for i := 0; i < len(words); i += 2 {
		out = append(out, words[i]+words[i+1])
	}
	return strings.Join(out, "\n")
}

// TestAWrongWordIsNamedByItsPosition, and by nothing else.
func TestAWrongWordIsNamedByItsPosition(t *testing.T) {
	p := of(t, "77c2b00716cec7213839159e404db50d")
	for _, l := range []Language{English, Korean} {
		words := p.Words(l)
		other := p.Words(English + Korean - l)
		for i := range words {
			for _, wrong := range []string{"zebraa", "없는말", other[i], words[i] + "x"} {
				text := strings.Join(slices.Concat(words[:i], []string{wrong}, words[i+1:]), " ")
				_, _, err := Read(text)
				at, ok := errors.AsType[WordError](err)
				want := i + 1
				if i == 0 && wrong == other[0] { // the first word says which language it is
					want = 2
				}
				if !ok || int(at) != want {
					t.Errorf("%s instead of word %d: %v", wrong, i+1, err)
				} else if strings.Contains(err.Error(), wrong) {
					t.Errorf("the error tells the word: %v", err)
				}
			}
		}
		_, _, err := Read(strings.Join(words[1:], " "))
		if n, ok := errors.AsType[CountError](err); !ok || n != Length-1 {
			t.Errorf("a word less: %v", err)
		}
		if _, _, err := Read(strings.Join(slices.Concat(words[1:2], words[:1], words[2:]), " ")); !errors.Is(err, ErrChecksum) {
			t.Errorf("two in each other's place: %v", err)
		}
	}
	if _, _, err := Read(strings.Repeat("가격", 1<<20)); err == nil {
		t.Error("a megabyte is a phrase")
	}
}

// TestWhatIsNearlyRightIsMended where the key is known.
func TestWhatIsNearlyRightIsMended(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := New()
		key, err := p.Key()
		if err != nil {
			t.Fatal(err)
		}
		l := rapid.SampledFrom([]Language{English, Korean}).Draw(t, "language")
		words := p.Words(l)
		at := rapid.IntRange(0, Length-2).Draw(t, "at")
		want := at + 1
		switch rapid.SampledFrom([]string{"right", "unknown", "swapped", "other"}).Draw(t, "mistake") {
		case "right":
			want = 0
		case "unknown":
			words[at] = "qwerty"
		case "swapped":
			if words[at] == words[at+1] {
				want = 0
			}
			words[at], words[at+1] = words[at+1], words[at]
		case "other":
			n := slices.Index(l.words(), words[at])
			words[at] = l.words()[(n+rapid.IntRange(1, 2047).Draw(t, "n"))%2048]
		}
		text := strings.Join(words, " ")
		if q, got, ok := Mend(text, key.Public()); !ok || got != want || !q.Equal(p) {
			t.Errorf("mended %v at %d, want %d", ok, got, want)
		}
	})
	p := New()
	words := p.Words(English)
	words[3], words[7] = "qwerty", "qwerty"
	if _, _, ok := Mend(strings.Join(words, " "), public(t, p)); ok {
		t.Error("two words that are not known are mended")
	}
	if _, _, ok := Mend(strings.Join(p.Words(Korean), " "), public(t, New())); ok {
		t.Error("another account's key fits")
	}
	if _, _, ok := Mend("too short", public(t, p)); ok {
		t.Error("two words are mended")
	}
}

func TestNearWords(t *testing.T) {
	for _, c := range []struct {
		typed string
		want  []string
	}{
		{"abandom", []string{"abandon"}}, // another letter
		{"abanodn", []string{"abandon"}}, // two in each other's place
		{"abndon", []string{"abandon"}},  // one less
		{"abanndon", []string{"abandon"}},
		{"가걱", []string{"가격"}}, // one vowel
		{"가겨", []string{"가격"}}, // no final consonant
		{"qqqqq", nil},
	} {
		if got := Near("zoo "+c.typed, 2); !slices.Equal(got, c.want) {
			t.Errorf("near %s: %v, want %v", c.typed, got, c.want)
		}
	}
	if Near("zoo", 2) != nil || Near("zoo", 0) != nil {
		t.Error("words that are not there are near something")
	}
}

// TestThePhraseIsCheckedBack asks the owner for words at random.
func TestThePhraseIsCheckedBack(t *testing.T) {
	p := New()
	places := map[int]bool{}
	for range 200 {
		c := p.Check()
		if len(c.At) != asked || !slices.IsSorted(c.At) || len(slices.Compact(slices.Clone(c.At))) != asked {
			t.Fatalf("asked for %v", c.At)
		}
		var right []string
		for _, at := range c.At {
			if places[at] = true; at < 1 || at > Length {
				t.Fatalf("there is no word %d", at)
			}
			right = append(right, " "+strings.ToUpper(p.Words(Language(1 + at%2))[at-1]))
		}
		if err := c.Answer(right); err != nil {
			t.Fatal(err)
		}
		for i, at := range c.At {
			wrong := slices.Clone(right)
			wrong[i] = p.Words(English)[at%Length]
			if wrong[i] == p.Words(English)[at-1] {
				continue
			}
			if got, ok := errors.AsType[WordError](c.Answer(wrong)); !ok || int(got) != at {
				t.Fatalf("a wrong word %d: %v", at, got)
			}
			if got, ok := errors.AsType[WordError](c.Answer(right[:i])); !ok || int(got) != at {
				t.Fatalf("no word %d: %v", at, got)
			}
		}
	}
	if len(places) != Length {
		t.Errorf("of twelve words, 200 checks asked for %d", len(places))
	}
}

// TestAPhraseCantBePrinted, neither alone nor in something.
func TestAPhraseCantBePrinted(t *testing.T) {
	p := of(t, "77c2b00716cec7213839159e404db50d")
	for _, v := range []any{p, &p, []Phrase{p}, p.Check(), struct{ p Phrase }{p}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			got := fmt.Sprintf(verb, v)
			if strings.Contains(got, "77c2b0") || strings.Contains(got, "119 194") || strings.Contains(got, "0x77") {
				t.Errorf("%s of %T: %s", verb, v, got)
			}
		}
	}
	p.Wipe()
	if p.Equal(of(t, "77c2b00716cec7213839159e404db50d")) {
		t.Error("a wiped phrase is still there")
	}
}

// TestThePhraseOutranksDevices: a thief has alice's phone, has added one of his
// own and removed hers; her words void it all.
func TestThePhraseOutranksDevices(t *testing.T) {
	paper := New()
	phone, thiefs, laptop := sign.NewKey(), sign.NewKey(), sign.NewKey()
	keys := func(k sign.Key) *wire.DeviceKeys {
		return &wire.DeviceKeys{Algorithms: 1, Chain: k.Public(), SignIn: sign.NewKey().Public(), Mls: sign.NewKey().Public(), Box: append(k.Public(), make([]byte, 1216-32)...)}
	}
	phoneKeys, thiefsKeys, laptopKeys := keys(phone), keys(thiefs), keys(laptop)
	step := func(c devchain.Chain, err error) devchain.Chain {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	begun := step(devchain.Begin(phoneKeys, public(t, paper), phone))
	stolen := step(begun.By(devchain.DeviceID(phoneKeys), phone, &wire.AddDevice{Device: thiefsKeys, Consent: begun.Consent(thiefsKeys, thiefs)}))
	gone := devchain.DeviceID(phoneKeys)
	stolen = step(stolen.By(devchain.DeviceID(thiefsKeys), thiefs, &wire.RemoveDevice{Device: gone[:]}))

	typed, _, err := Read(strings.Join(paper.Words(Korean), ""))
	if err != nil {
		t.Fatal(err)
	}
	key, err := typed.Key()
	if err != nil {
		t.Fatal(err)
	}
	back := step(stolen.Recover(1, key, &wire.AddDevice{Device: laptopKeys, Consent: begun.Consent(laptopKeys, laptop)}))
	back = step(back.By(ident.DeviceID{}, key, &wire.RemoveDevice{Device: gone[:]}))
	if d := back.Devices(); len(d) != 1 || d[0].ID != devchain.DeviceID(laptopKeys) {
		t.Errorf("%d devices are left", len(d))
	}
	other, err := New().Key()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stolen.Recover(1, other, &wire.AddDevice{Device: laptopKeys, Consent: begun.Consent(laptopKeys, laptop)}); !errors.Is(err, devchain.ErrInvalid) {
		t.Errorf("another phrase recovers the account: %v", err)
	}
}

// FuzzRead: what reads is twelve words that read as the same again.
func FuzzRead(f *testing.F) {
	f.Add(strings.Join(New().Words(English), " "))
	f.Add(strings.Join(New().Words(Korean), ""))
	f.Add("1. zoo\u200bzoo ﬁ Ⅻ 각")
	f.Fuzz(func(t *testing.T, text string) {
		p, l, err := Read(text)
		if err != nil {
			return
		}
		q, again, err := Read(strings.Join(p.Words(l), " "))
		if err != nil || again != l || !p.Equal(q) {
			t.Errorf("%q reads as %q, which does not: %v", text, p.Words(l), err)
		}
	})
}
