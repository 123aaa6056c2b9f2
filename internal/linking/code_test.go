package linking

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/secret"
)

// code returns the code of 25 symbols that count up from one.
func counting(t *testing.T) Code {
	t.Helper()
	c, err := ReadCode("12345-6789A-BCDEF-GHJKM-NPQRS" + "0")
	for n := 0; err != nil && n < 32; n++ {
		c, err = ReadCode("12345-6789A-BCDEF-GHJKM-NPQRS" + alphabet[n:n+1])
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestACodeIsReadAsItWasMeant, however it is typed.
func TestACodeIsReadAsItWasMeant(t *testing.T) {
	c := counting(t)
	text := c.Text()
	if len(text) != 26+4 || strings.Count(text, "-") != 4 {
		t.Errorf("%q has another form", text)
	}
	for name, typed := range map[string]string{
		"as shown":      text,
		"small":         strings.ToLower(text),
		"no hyphens":    strings.ReplaceAll(text, "-", ""),
		"spaces":        " " + strings.ReplaceAll(text, "-", "  ") + "\r\n",
		"one at a time": strings.Join(strings.Split(text, ""), " "),
		"I for 1":       strings.ReplaceAll(text, "1", "I"),
		"l for 1":       strings.ReplaceAll(text, "1", "l"),
		"full width": strings.Map(func(r rune) rune {
			return r - '!' + '！'
		}, text),
	} {
		if got, err := ReadCode(typed); err != nil || !got.bits.Equal(c.bits) {
			t.Errorf("%s, %q: %v", name, typed, err)
		}
	}
	zero := Code{secret.New(make([]byte, codeSize))}
	if got, err := ReadCode(strings.ReplaceAll(zero.Text(), "0", "o")); err != nil || !got.bits.Equal(zero.bits) {
		t.Errorf("o for 0: %v", err)
	}
	for _, bad := range []string{"", "1", text + "0", strings.Repeat("0", 1<<20)} {
		if _, err := ReadCode(bad); err == nil {
			t.Errorf("%.40q is a code", bad)
		} else if _, ok := errors.AsType[CodeLengthError](err); !ok {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
	if _, err := ReadCode("U" + text[1:]); !errors.Is(err, ErrCodeMistyped) {
		t.Errorf("a letter that is in no code: %v", err)
	}
}

// TestEveryCodeReadsBack, and no slip of the finger reads as another code.
func TestEveryCodeReadsBack(t *testing.T) {
	for range 20 {
		c := NewCode()
		text := strings.ReplaceAll(c.Text(), "-", "")
		if got, err := ReadCode(text); err != nil || !got.bits.Equal(c.bits) {
			t.Fatalf("%s: %v", text, err)
		}
		for i := range text {
			for _, r := range []byte(alphabet) {
				b := []byte(text)
				if b[i] = r; r == text[i] {
					continue
				}
				if _, err := ReadCode(string(b)); !errors.Is(err, ErrCodeMistyped) {
					t.Fatalf("%s reads instead of %s", b, text)
				}
			}
			for k := range i {
				b := []byte(text)
				if b[i], b[k] = b[k], b[i]; b[i] == b[k] {
					continue
				}
				if _, err := ReadCode(string(b)); !errors.Is(err, ErrCodeMistyped) {
					t.Fatalf("%s reads instead of %s", b, text)
				}
			}
		}
	}
}

// TestACodeHas125Bits, of which all are used.
func TestACodeHas125Bits(t *testing.T) {
	or, and := make([]byte, codeSize), bytes.Repeat([]byte{255}, codeSize)
	for range 200 {
		for i, b := range NewCode().bits.Reveal() {
			or[i] |= b
			and[i] &= b
		}
	}
	all := append(bytes.Repeat([]byte{255}, codeSize-1), 0b11111000)
	if !bytes.Equal(or, all) || !bytes.Equal(and, make([]byte, codeSize)) {
		t.Errorf("bits that are never set or always: %08b %08b", or, and)
	}
}

// TestAnythingTyped is a code or a sentence.
func TestAnythingTyped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9A-Za-z -]{20,32}`)).Draw(t, "text")
		c, err := ReadCode(text)
		if err != nil {
			return
		}
		if again, err := ReadCode(c.Text()); err != nil || !again.bits.Equal(c.bits) {
			t.Errorf("%q reads as %q, which does not", text, c.Text())
		}
	})
}
