package client

import (
	"context"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/ours"
	"github.com/byre-messenger/byre/internal/client/requests"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// AskFirst sets whether strangers ask before they may talk to the account: their
// messages are not shown, and they learn nothing, until the owner accepts. It
// takes its effect at the server with the next connection.
func (c *Client) AskFirst(ctx context.Context, ask bool) error {
	return c.e.do(ctx, func(tx *txn) error {
		tx.ask(ask)
		return tx.keeps(ours.Key(ours.Ask), ours.Flag(ask))
	})
}

// ask is AskFirst on this device.
func (tx *txn) ask(ask bool) {
	if tx.requests.Ask == ask {
		return
	}
	tx.requests.Set(tx.Tx, ask)
	tx.shelf.Renew(tx.Tx, tx.now) // what strangers are given from now on
	if s := tx.session; s != nil {
		s.shelved = time.Time{}
	}
	tx.wake()
}

// Requests returns the strangers who ask to talk, oldest first, and whether they
// have to.
func (c *Client) Requests(ctx context.Context) (list []requests.Request, ask bool, err error) {
	err = c.e.look(ctx, func(tx *txn) error {
		list, ask = tx.requests.List(tx.now), tx.requests.Ask
		return nil
	})
	return list, ask, err
}

// Answer accepts a stranger's request, or drops it without a word to anybody. who
// is the name or the account that Requests shows.
func (c *Client) Answer(ctx context.Context, who string, accept bool) error {
	return c.e.do(ctx, func(tx *txn) error {
		w, err := tx.requests.Take(tx.Tx, who, tx.now)
		if err != nil || !accept {
			return err
		}
		g, r, by, err := tx.enter(w)
		if err != nil {
			return err
		}
		// Q1: the conversation is this device's own. A crash before this commit
		// leaves the request; one after it, a leaf without a token, which is
		// renewed at the next connection.
		return tx.join(g, r, by, w)
	})
}

// asked keeps a stranger's Welcome for the owner, where that is wanted.
func (tx *txn) asked(r account.Room, w *wire.WelcomeBox) bool {
	by := r.Other(tx.me.Account)
	if _, known := tx.people.Pins[by]; known || !tx.requests.Ask {
		return false
	}
	if tx.requests.Put(tx.Tx, by, w, tx.now) {
		tx.tell(&wire.RequestEvent{Account: by[:], Name: tx.requests.Says(by)})
	}
	return true
}

// listed judges who made a Welcome, by all that was seen of the account's chains
// and what the Welcome itself shows.
func (tx *txn) listed(m account.Member) error {
	if p, ok := tx.people.Pins[m.Account]; ok {
		return p.Admits(m)
	}
	return nil
}

// tokenOf is what shows the directory that this device is no stranger to an
// account, nil if it is one.
func (tx *txn) tokenOf(a ident.AccountID) *wire.Target {
	for _, g := range tx.groups {
		for _, m := range g.Members {
			if m.Account == a && len(m.Token) > 0 && tx.people.Pins[a].View.Lists(m.Device) {
				return &wire.Target{Device: m.Device[:], Token: m.Token}
			}
		}
	}
	return nil
}
