// Package early bounds what a connection may ask before anybody has signed in on
// it (ADR 43): else whoever opens connections reads off who is there. It is pure.
package early

import (
	"errors"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/work"
)

const (
	// Cost is how many things asked a MeetLink, a ReadChain or a LookUp counts as
	// before the sign-in.
	Cost = 5
	// maxChains is how many chains such a connection may read, and maxNames how
	// many names it may look up.
	maxChains = 100
	maxNames  = 5
)

// Why a question is refused.
var (
	ErrChains = errors.New("this connection has read a hundred device lists: open a new one, or sign in")
	ErrNames  = errors.New("this connection has looked up five names: open a new one, or sign in")
	ErrWork   = errors.New("looking up a name without signing in costs work on this server: update byre")
)

// Asked is what a connection has asked for so far. It is for one goroutine at a
// time.
type Asked struct{ chains, names int }

// Costs is how many things asked a question counts as that strangers may ask.
func (a *Asked) Costs(signedIn bool) float64 {
	if signedIn {
		return 1
	}
	return Cost
}

// Chain counts one more chain that is read, or returns [ErrChains]. Who has signed
// in reads as many as it likes.
func (a *Asked) Chain(signedIn bool) error {
	if !signedIn && a.chains >= maxChains {
		return ErrChains
	}
	a.chains++
	return nil
}

// Name counts one more name that is looked up, or returns [ErrNames]; and
// [ErrWork] unless n is the work for it on the connection with a nonce, where an
// account costs so many bits. Who has signed in looks up for nothing.
func (a *Asked) Name(signedIn bool, nonce []byte, name ident.Name, n uint64, bits int) error {
	if signedIn {
		return nil
	}
	if a.names >= maxNames {
		return ErrNames
	}
	a.names++
	if !work.Proves(nonce, work.Name(name.Key()), n, work.ForName(bits)) {
		return ErrWork
	}
	return nil
}
