package webcore

import (
	"context"
	"errors"
	"strings"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/phrase"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
)

// phraseArgs are the arguments of the calls about the recovery phrase. Its words
// go from the tab to the core each time: the core keeps none.
type phraseArgs struct {
	Language string   `json:"language"`
	Words    []string `json:"words"` // all twelve
	At       []int    `json:"at"`    // the positions asked for, from 1
	Typed    []string `json:"typed"` // what was typed for them
}

// phrases are the calls about the recovery phrase of an account.
func (o *opened) phrases() calls {
	cl := o.client
	return calls{
		"hasPhrase": func(ctx context.Context, _ args) (any, error) {
			public, err := cl.Recovery(ctx)
			return len(public) > 0, err
		},
		"newPhrase": func(_ context.Context, a args) (any, error) {
			p := phrase.New()
			defer p.Wipe()
			language := phrase.English
			if a.Language == "ko" {
				language = phrase.Korean
			}
			return map[string]any{"words": p.Words(language), "at": p.Check().At}, nil
		},
		"checkPhrase": func(_ context.Context, a args) (any, error) {
			p, at, err := noted(a)
			p.Wipe()
			return at, err
		},
		"setPhrase": func(ctx context.Context, a args) (any, error) {
			p, at, err := noted(a)
			defer p.Wipe()
			if at > 0 {
				err = errBadCall // the screen has asked before
			}
			if err != nil {
				return nil, err
			}
			if err := prove(ctx, cl, a); err != nil {
				return nil, err
			}
			key, err := p.Key()
			if err != nil {
				return nil, err
			}
			return nil, cl.SetRecovery(ctx, key.Public())
		},
	}
}

// noted reads a phrase that was shown, and returns the first position at which
// something else was typed back, 0 if there is none.
func noted(a args) (p phrase.Phrase, wrong int, err error) {
	p, _, err = phrase.Read(strings.Join(a.Words, " "))
	if err != nil {
		return p, 0, errBadCall
	}
	check := p.Check()
	if len(a.At) != len(check.At) {
		return p, 0, errBadCall
	}
	for _, at := range a.At {
		if at < 1 || at > phrase.Length {
			return p, 0, errBadCall
		}
	}
	check.At = a.At
	if at, ok := errors.AsType[phrase.WordError](check.Answer(a.Typed)); ok {
		wrong = int(at)
	}
	return p, wrong, nil
}

// fault says what is wrong with words that were typed from the paper: how many
// they are, which is not of the list (from 1, 0 if all are), and what looks like it.
func fault(a args) any {
	out := struct {
		Count int      `json:"count"`
		At    int      `json:"at"`
		Near  []string `json:"near"`
	}{phrase.Length, 0, []string{}}
	p, _, err := phrase.Read(a.Text)
	p.Wipe()
	if count, ok := errors.AsType[phrase.CountError](err); ok {
		out.Count = int(count)
	}
	if at, ok := errors.AsType[phrase.WordError](err); ok {
		out.At, out.Near = int(at), append(out.Near, phrase.Near(a.Text, int(at))...)
	}
	return out
}

// recover makes this browser the only device of an account that has a phrase. It
// returns the position of a word that was mended, from 1, and 0 if none was.
func (c *Core) recover(ctx context.Context, a args) (mended int, err error) {
	known := c.nobodys()
	if a.Passphrase == "" && known.Len() == 0 {
		return 0, errEmptyPass
	}
	if _, err := ident.ParseName(a.Name); err != nil {
		return 0, errors.Join(err, errName)
	}
	err = c.exclusive(ctx, func() error {
		if _, err := c.now(); err == nil {
			return enroll.ErrRegistered
		}
		if c.linking() {
			return why.ErrLinking
		}
		var key secret.Bytes
		cfg := c.config(&key)
		cfg.Key, cfg.Opened = known, func(k secret.Bytes) { key = k; c.vacant(k) }
		cfg.Passphrase = func() (secret.Bytes, error) { return secret.New([]byte(a.Passphrase)), nil }
		cl, err := client.Recover(ctx, cfg, a.Name, func(public []byte) (sign.Key, error) {
			p, at, ok := phrase.Mend(a.Text, public)
			defer p.Wipe()
			if !ok {
				return sign.Key{}, errPhrase
			}
			mended = at
			return p.Key()
		})
		if err != nil {
			return err
		}
		c.run(ctx, cl, key)
		return nil
	})
	return mended, err
}
