package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/byre-messenger/byre/internal/store"
)

const (
	// brokenTime is how long a server whose store has failed goes on: sessions
	// are told, and nothing is confirmed any more.
	brokenTime = 300 * time.Millisecond
	// storeTime is how long what still uses the store may take to end, and then
	// the store itself: with drainTime below the ten seconds of the command
	// contract, with brokenTime below two.
	storeTime = 800 * time.Millisecond
)

// brokenStore is what the operator reads when the store writes no more. A relay
// that went on would answer nobody; a fresh start reads what is durable and
// serves again.
func brokenStore(err error) error {
	return fmt.Errorf("the store can't write any more, so byred ends; nothing that was confirmed is lost: look at the disk (is it full?), then start byred again: %w", err)
}

// within waits for fn, but not for longer than d: a disk that hangs keeps nobody.
// What was confirmed is durable all the same, that is what a commit waits for.
func within(ctx context.Context, d time.Duration, log *slog.Logger, fn func() error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- fn() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		log.WarnContext(ctx, "the disk does not answer: byred ends without putting its files in order, which the next start does")
		return nil
	}
}

// closing joins the error of a close to the one returned.
func closing(err *error, end func() error) {
	ended := end()
	if errors.Is(*err, store.ErrFailed) {
		return // the store's end says the same again
	}
	*err = errors.Join(*err, ended)
}
