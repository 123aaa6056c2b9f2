// Where memory is locked, Go gives it back by mapping it anew. Names that it
// gives to mappings would keep the kernel from joining them again, of which there
// may be 65,530.
//
//go:debug decoratemappings=0

// Command byred is the server of byre.
package main

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/cli/byredcmd"
	"github.com/byre-messenger/byre/internal/hygiene"
)

func main() {
	hygiene.Close()
	env := &cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
	env.Terminal = term.IsTerminal(int(os.Stderr.Fd()))
	if term.IsTerminal(int(os.Stdin.Fd())) {
		env.Prompt = func(question string) ([]byte, error) {
			_, _ = fmt.Fprint(os.Stderr, question)
			defer func() { _, _ = fmt.Fprintln(os.Stderr) }()
			return term.ReadPassword(int(os.Stdin.Fd()))
		}
	}
	os.Exit(cli.Main(context.Background(), byredcmd.Root(), env, os.Args[1:]))
}
