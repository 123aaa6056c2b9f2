// Package paper is how a terminal deals with a recovery phrase: it is shown
// once, to be written down, and later typed from the paper.
package paper

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/phrase"
	"github.com/byre-messenger/byre/internal/sign"
)

// tries is how often words may be typed back.
const tries = 3

var (
	errNotNoted = errors.New("the words were not typed back, so this phrase is not your account's: run it again for another one")
	errOther    = errors.New("these words are not this account's recovery phrase: compare them with the paper, and check the name and the server")
)

// show shows a phrase that is to be written down, and asks for some of its words.
func show(ctx context.Context, env *cli.Env, p phrase.Phrase, l phrase.Language) error {
	words := p.Words(l)
	for i, w := range words {
		if _, err := fmt.Fprintf(env.Stdout, "%2d  %s\n", i+1, w); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprint(env.Stderr, "\nWrite these twelve words on paper, with their numbers, and keep it where nobody else looks: who has them has your account. They are shown this once.\n\n")
	check := p.Check()
	for n := 1; ; n++ {
		typed := make([]string, 0, len(check.At))
		for _, at := range check.At {
			said, err := env.Line(ctx, fmt.Sprintf("Word %d: ", at))
			if err != nil {
				return err
			}
			typed = append(typed, said)
		}
		err := check.Answer(typed)
		if err == nil {
			return nil
		}
		if _, _ = fmt.Fprintf(env.Stderr, "byre: %s\n", cli.Sentence(err)); n == tries {
			return errNotNoted
		}
	}
}

// Key returns the recovery key whose public half it is, from the words that were
// given, or that it asks for. One word that is wrong, or two in each other's
// place, are mended, and the person is told which.
func Key(ctx context.Context, env *cli.Env, words []string, public []byte) (sign.Key, error) {
	text := strings.Join(words, " ")
	if text == "" {
		var err error
		if text, err = env.Line(ctx, "The twelve words of the recovery phrase: "); err != nil {
			return sign.Key{}, err
		}
	}
	p, at, ok := phrase.Mend(text, public)
	if !ok {
		if _, _, err := phrase.Read(text); err != nil {
			return sign.Key{}, err
		}
		return sign.Key{}, errOther
	}
	defer p.Wipe()
	if at > 0 {
		_, _ = fmt.Fprintf(env.Stderr, "Word %d was not right, and is known all the same: look at it on the paper.\n", at)
	}
	return p.Key()
}

// Account is whose phrase it is to be.
type Account interface {
	// Recovery is the public half of its recovery key, nil without one.
	Recovery(ctx context.Context) ([]byte, error)
	// SetRecovery gives it one.
	SetRecovery(ctx context.Context, public []byte) error
}

// Set makes a phrase and gives it to the account, once it is written down.
func Set(ctx context.Context, env *cli.Env, l phrase.Language, of Account) error {
	if has, err := of.Recovery(ctx); err != nil {
		return err
	} else if len(has) > 0 {
		return account.ErrHasPhrase
	}
	p := phrase.New()
	defer p.Wipe()
	if err := show(ctx, env, p, l); err != nil {
		return err
	}
	key, err := p.Key()
	if err != nil {
		return err
	}
	return of.SetRecovery(ctx, key.Public())
}
