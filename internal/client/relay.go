package client

import (
	"cmp"
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

func (tx *txn) putSignIn() { tx.Put(tx.home.Key(home.SignIn), &tx.signIn) }

// signInError turns the relay's refusal of a sign-in into a sentence, and keeps
// what must not be forgotten.
func (e *engine) signInError(ctx context.Context, l *line.Line, err error) error {
	refusal, ok := errors.AsType[*line.RefusedError](err)
	if !ok {
		return err
	}
	switch code := refusal.Code; {
	case code == wire.FailureDeviceRemoved:
		return e.removed(ctx, l)
	case code == wire.FailureVersion:
		return line.ErrProtocol
	case code == wire.FailureSignInRefused:
		return line.ErrUnknownHere
	case code != wire.FailureOldCopy:
		return err
	}
	// C1: this home is a copy. From here on it neither reads nor sends, in this
	// process or a later one. A crash before this commit has it told again.
	return cmp.Or(e.do(ctx, func(tx *txn) error {
		tx.signIn.OldCopy = true
		tx.putSignIn()
		tx.problem(ident.RoomID{}, ident.MessageID{}, why.ErrOldCopy.Error())
		return nil
	}), why.ErrOldCopy)
}

// reportServerKey alarms about a server that is not the pinned one.
func (e *engine) reportServerKey(ctx context.Context) {
	// C2: the alarm will be told. A crash before this commit has it raised at the
	// next connection.
	_ = e.do(ctx, func(tx *txn) error {
		tx.tell(&wire.KeyChangedEvent{Text: line.ErrServerKey.Error()})
		return nil
	})
}

// noteGap writes down what expired while the device was away, once for each gap.
func (tx *txn) noteGap(g *wire.Gap) {
	if tx.signIn.Gap == g.Generation && g.Generation != 0 {
		return
	}
	tx.signIn.Gap, tx.signIn.GapAt = g.Generation, tx.now.UnixMilli()
	tx.putSignIn()
	if t, ok := tx.talks[account.Home(tx.me.Account).ID]; ok && len(t.groups) > 0 {
		tx.ours.Suspect(tx.Tx)
	}
	tx.tell(&wire.ExpiredEvent{Count: g.Count, From: 1000 * g.From, To: 1000 * g.To})
	for _, group := range tx.groups {
		if !group.Rec.Over {
			group.Rec.ReadLog = true
			// The log may have forgotten which commit won (ADR 35).
			if g.Restored {
				group.Left(tx.now)
			}
			group.talk.checked = nil
			tx.moved[group] = true
		}
	}
}

// Held asks the server for all that it holds about the account.
func (c *Client) Held(ctx context.Context) (out []told.HeldItem, err error) {
	err = c.e.with(ctx, func(s *session) error {
		body, err := s.ask(ctx, &wire.ReadHeld{})
		if err != nil {
			return err
		}
		answer, ok := body.(*wire.Held)
		if !ok {
			return line.ErrAnswer
		}
		out = told.HeldOf(answer)
		return nil
	})
	return out, err
}
