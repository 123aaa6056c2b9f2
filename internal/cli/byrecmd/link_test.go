package byrecmd

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/linking"
)

// TestTheQuestionForThePassphraseEndsWithItsLinking: alice says yes and types
// nothing more; the code's time is over, and she gets her prompt back.
func TestTheQuestionForThePassphraseEndsWithItsLinking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Bool
		typed := make(chan struct{})
		h := &hands{
			env:    &cli.Env{Stdin: strings.NewReader("yes\n"), Stdout: io.Discard, Stderr: io.Discard},
			proves: func(context.Context) error { asked.Store(true); <-typed; return nil }, // as a terminal, it knows no end
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		began := time.Now()
		yes, err := h.Compare(ctx, linking.Ask{Digits: "123 456"})
		if yes || !errors.Is(err, context.DeadlineExceeded) || !asked.Load() {
			t.Errorf("she said %v, %v; asked %v", yes, err, asked.Load())
		}
		if took := time.Since(began); took != 5*time.Minute {
			t.Errorf("it took %v", took)
		}
		close(typed)
	})
}

// TestWhereANewDeviceBelongs: address and code, the code or the link typed instead of
// given, or a link.
func TestWhereANewDeviceBelongs(t *testing.T) {
	code := linking.NewCode()
	l := linking.Link{Server: "https://chat.example", ServerKey: [32]byte{1}, Code: code}
	for _, c := range []struct {
		args  []string
		typed string
		asks  string
		key   bool
		fails string
	}{
		{args: []string{"https://chat.example", code.Text()}},
		{args: []string{"https://chat.example"}, typed: code.Text(), asks: "The code"},
		{args: []string{l.Text()}, key: true},
		{args: []string{"-"}, typed: l.Text(), asks: "The link", key: true},
		{args: []string{"https://chat.example"}, asks: "The code", fails: "the code is missing"},
		{args: []string{"-"}, asks: "The link", fails: "the code is missing"},
		{args: []string{"-"}, typed: code.Text(), asks: "The link", fails: "or the link that"},
		{args: []string{"chat.example"}, fails: "name the server's address"},
		{args: []string{"https://chat.example"}, typed: code.Text()[:9], asks: "The code", fails: "this one has"},
		{args: []string{l.Text(), code.Text()}, fails: "give the link alone"},
	} {
		var asked strings.Builder
		h := &hands{env: &cli.Env{Stdin: strings.NewReader(c.typed), Stderr: &asked}}
		to, err := h.target(t.Context(), c.args)
		if !strings.HasPrefix(asked.String(), c.asks) || c.asks == "" && asked.Len() > 0 {
			t.Errorf("%q: it asks %q", c.args, asked.String())
		}
		switch {
		case c.fails != "":
			if err == nil || !strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), code.Text()) {
				t.Errorf("%q: %v", c.args, err)
			}
		case err != nil || to.server.URL != "https://chat.example" || to.code.Text() != code.Text() || (to.key != nil) != c.key || !h.given:
			t.Errorf("%q: %v at %s, key %v", c.args, err, to.server.URL, to.key != nil)
		}
	}
	h := &hands{env: &cli.Env{}, asJSON: true}
	if _, err := h.target(t.Context(), nil); err != nil || h.given {
		t.Errorf("nothing given: %v", err)
	}
}

// TestAnotherCodeIsNotUsed: a device that has agreed before says which code it goes
// on with.
func TestAnotherCodeIsNotUsed(t *testing.T) {
	for what, c := range map[string]struct {
		given, asked bool
		says         string
	}{
		"another code": {true, false, "the code given now is not used. 'byre join --give-up'"},
		"no code":      {false, false, "goes on if this is interrupted"},
		"this code":    {true, true, "goes on if this is interrupted"},
	} {
		var out strings.Builder
		h := &hands{env: &cli.Env{Stdout: &out}, given: c.given, asked: c.asked}
		if h.Waits("alice"); !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: it says %q", what, out.String())
		}
	}
}
