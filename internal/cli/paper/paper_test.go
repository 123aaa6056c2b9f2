package paper_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/cli/paper"
	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/phrase"
)

// alices is alice's account, as this package sees it.
type alices struct{ key []byte }

func (a *alices) Recovery(context.Context) ([]byte, error) { return a.key, nil }

func (a *alices) SetRecovery(_ context.Context, public []byte) error {
	a.key = public
	return nil
}

// desk is where alice sits: she writes down what is shown, and answers by it.
type desk struct {
	out, err bytes.Buffer
	asked    int
	slips    int // how many of her first answers are wrong
}

func (d *desk) env() *cli.Env {
	return &cli.Env{Stdout: &d.out, Stderr: &d.err, Ask: func(_ context.Context, question string) (string, error) {
		d.asked++
		if d.asked <= d.slips {
			return "zoo", nil
		}
		var at int
		if _, err := fmt.Sscanf(question, "Word %d:", &at); err != nil {
			return "", err
		}
		return d.noted()[at-1], nil
	}}
}

func (d *desk) noted() (words []string) {
	for _, m := range regexp.MustCompile(`(?m)^ ?[0-9]+  (\S+)$`).FindAllStringSubmatch(d.out.String(), -1) {
		words = append(words, m[1])
	}
	return words
}

// TestAlicesPhraseOnPaper: she writes the words down, in either language, and
// comes back with them; one that she can't read any more is found out, and she is
// told which.
func TestAlicesPhraseOnPaper(t *testing.T) {
	for _, l := range []phrase.Language{phrase.English, phrase.Korean} {
		var her alices
		d := &desk{slips: 3}
		if err := paper.Set(t.Context(), d.env(), l, &her); err != nil {
			t.Fatal(err)
		}
		words := d.noted()
		if len(words) != phrase.Length || d.asked != 6 || !strings.Contains(d.err.String(), "is not right: look at how it is spelled") {
			t.Fatalf("%d words, %d questions, and was told %q", len(words), d.asked, d.err.String())
		}
		if err := paper.Set(t.Context(), d.env(), l, &her); !errors.Is(err, account.ErrHasPhrase) || len(d.noted()) != phrase.Length {
			t.Errorf("a second phrase: %v", err)
		}
		d.err.Reset()
		key, err := paper.Key(t.Context(), d.env(), words, her.key)
		if err != nil || !bytes.Equal(key.Public(), her.key) || d.err.Len() > 0 {
			t.Errorf("her words: %v, and was told %q", err, d.err.String())
		}
		words[4], words[5] = words[5], words[4]
		key, err = paper.Key(t.Context(), d.env(), words, her.key)
		if err != nil || !bytes.Equal(key.Public(), her.key) || words[4] != words[5] && !strings.Contains(d.err.String(), "Word 5 was not right") {
			t.Errorf("two in each other's place: %v, and was told %q", err, d.err.String())
		}
	}
}

// TestWordsThatAreNoPhrase: none is set that was not written down, and other
// words open nothing; what was typed stands in no sentence.
func TestWordsThatAreNoPhrase(t *testing.T) {
	var her alices
	careless := &desk{slips: 9}
	if err := paper.Set(t.Context(), careless.env(), phrase.English, &her); err == nil || her.key != nil {
		t.Errorf("what nobody wrote down is set: %v", err)
	}
	if err := paper.Set(t.Context(), (&desk{}).env(), phrase.English, &her); err != nil {
		t.Fatal(err)
	}
	others := phrase.New().Words(phrase.English)
	for _, words := range [][]string{others, others[:11], {"zoo"}, strings.Fields(strings.Repeat("cow ", 12)), strings.Fields(strings.Repeat("kuh ", 12))} {
		_, err := paper.Key(t.Context(), (&desk{}).env(), words, her.key)
		if err == nil || strings.Contains(err.Error(), words[0]) {
			t.Errorf("%d words: %v", len(words), err)
		}
	}
}
