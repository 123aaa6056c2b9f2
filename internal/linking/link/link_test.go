package link_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/linking/link"
)

func TestALinkReadsBack(t *testing.T) {
	for _, server := range []string{"https://chat.example", "https://chat.example:8443", "https://[::1]:8443", "http://localhost:8080", "https://소.example"} {
		l := linking.Link{Server: server, ServerKey: [32]byte{1, 2, 3}, Code: linking.NewCode()}
		got, err := link.Read(" " + l.Text() + "\n")
		if err != nil || got.Server != server || got.ServerKey != l.ServerKey || got.Code.Text() != l.Code.Text() {
			t.Errorf("%s: %v %s", server, err, got.Server)
		}
		before, _, _ := strings.Cut(l.Text(), "#")
		if before != server+"/" {
			t.Errorf("%s: a browser sends %s", server, before)
		}
	}
}

// TestLinksThatAreNone are refused, and not quoted.
func TestLinksThatAreNone(t *testing.T) {
	good := linking.Link{Server: "https://chat.example", Code: linking.NewCode()}.Text()
	_, behind, _ := strings.Cut(good, "#")
	for _, bad := range []string{
		"", "https://chat.example", "http://chat.example/#" + behind, "https://alice@chat.example/#" + behind,
		"https://chat.example/page#" + behind, "https://chat.example/?x#" + behind, "https://chat.example/?#" + behind,
		"javascript://chat.example/#" + behind, "https:///#" + behind, "/#" + behind, good + "A", good[:len(good)-1], good[:len(good)-44],
		strings.Replace(good, "=1.", "=2.", 1), "https://chat.example:x/#" + behind, strings.Replace(good, "=1.", "=1.0", 1), good + "%0A",
	} {
		if _, err := link.Read(bad); !errors.Is(err, linking.ErrLink) {
			t.Errorf("%s: %v", bad, err)
		} else if strings.Contains(err.Error(), behind) {
			t.Errorf("the error quotes the code: %v", err)
		}
	}
}

// FuzzRead: what reads, reads back from its own text.
func FuzzRead(f *testing.F) {
	f.Add(linking.Link{Server: "https://chat.example", Code: linking.NewCode()}.Text())
	f.Fuzz(func(t *testing.T, text string) {
		l, err := link.Read(text)
		if err != nil {
			return
		}
		if again, err := link.Read(l.Text()); err != nil || again.Server != l.Server || again.ServerKey != l.ServerKey || again.Code.Text() != l.Code.Text() {
			t.Errorf("%q reads as %q, which does not: %v", text, l.Text(), err)
		}
	})
}
