// Package why tells, in one sentence for the owner, why a message waits, what was
// deleted still does, or a device goes no further; and after which end it is of no
// use to connect again.
package why

import (
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/wire"
)

// Hopeless reports whether a connection ended in a way after which another one
// can't help: its device is removed, or elsewhere, or the server is not the one.
func Hopeless(err error) bool {
	for _, end := range []error{ErrOldCopy, line.ErrServerKey, ErrDeviceRemoved, line.ErrProtocol, line.ErrRetention, line.ErrSuperseded, ErrClosed} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// Waits turns what went wrong with the conversation with somebody into one
// sentence.
func Waits(who string, err error) string {
	refusal, refused := errors.AsType[*line.RefusedError](err)
	switch {
	case errors.Is(err, account.ErrForged):
		return fmt.Sprintf("the server gave out a key package that %s's device did not make: nothing was sent; compare safety numbers with %s and tell the server's operator", who, who)
	case errors.Is(err, account.ErrUnlisted):
		return account.ErrUnlisted.Error()
	case errors.Is(err, account.ErrMissing):
		return fmt.Sprintf("no device of %s has left a key package at the server: the message waits until %s connects", who, who)
	case errors.Is(err, account.ErrChain):
		return fmt.Sprintf("the server shows a device list of %s that does not hold: nothing was sent; tell the server's operator", who)
	case refused && refusal.Code == wire.FailureAccountUnknown:
		return fmt.Sprintf("the server does not know %s's account any more: the message waits", who)
	case refused && refusal.Code == wire.FailureLimited:
		return "the server asks to go slower: the message waits and is tried again"
	}
	return fmt.Sprintf("the message to %s waits: %v", who, err)
}

// Stays turns what went wrong with taking back what waits for somebody into one
// sentence.
func Stays(who string, err error) string {
	if refusal, ok := errors.AsType[*line.RefusedError](err); ok && refusal.Code == wire.FailureLimited {
		return fmt.Sprintf("what was deleted for everyone may still wait, sealed, for %s: the server asks to go slower, and is asked again", who)
	}
	return fmt.Sprintf("what was deleted for everyone may still wait, sealed, for %s, and the server is asked again: %v", who, err)
}
