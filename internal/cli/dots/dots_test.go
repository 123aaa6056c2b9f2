package dots_test

import (
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/cli/dots"
)

// TestACodeHasItsBorder: lines of one width, dark on light, and nothing where the
// text is too long for any code.
func TestACodeHasItsBorder(t *testing.T) {
	code := dots.Code("https://chat.example/#byre=1.000G4")
	lines := strings.Split(strings.TrimSuffix(code, "\n"), "\n")
	width := 0
	for i, l := range lines {
		dark, ok := strings.CutPrefix(l, "\x1b[30;107m")
		dark, closed := strings.CutSuffix(dark, "\x1b[0m")
		if n := len([]rune(dark)); !ok || !closed || i > 0 && n != width {
			t.Fatalf("line %d: %q", i, l)
		} else {
			width = n
		}
		if !strings.HasPrefix(dark, "  ") || !strings.HasSuffix(dark, "  ") {
			t.Errorf("line %d has no border: %q", i, dark)
		}
	}
	if width < 21+4 || len(lines) < width/2 {
		t.Errorf("it is %d wide and has %d lines", width, len(lines))
	}
	if dots.Code(strings.Repeat("x", 10_000)) != "" {
		t.Error("what fits into no code is drawn")
	}
}
