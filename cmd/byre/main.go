// As in byred: mappings without names can be joined again.
//
//go:debug decoratemappings=0

// Command byre is the terminal client of byre.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/cli/byrecmd"
	"github.com/byre-messenger/byre/internal/hygiene"
)

func main() {
	hygiene.Close()
	// A reader that goes must not end byre between taking an event and telling it.
	signal.Ignore(syscall.SIGPIPE)
	env := &cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
	env.Terminal = term.IsTerminal(int(os.Stderr.Fd()))
	terminal, err := term.GetState(int(os.Stdin.Fd()))
	if err == nil {
		env.Prompt = func(question string) ([]byte, error) {
			_, _ = fmt.Fprint(os.Stderr, question)
			defer func() { _, _ = fmt.Fprintln(os.Stderr) }()
			return term.ReadPassword(int(os.Stdin.Fd()))
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := byrecmd.Main(ctx, env, os.Args[1:])
	stop()
	if terminal != nil { // a question for a passphrase may have been left open
		_ = term.Restore(int(os.Stdin.Fd()), terminal)
	}
	os.Exit(code)
}
