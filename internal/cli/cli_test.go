package cli_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/cli"
)

func program(said *string) *cli.Command {
	return &cli.Command{
		Name: "byre", Summary: "A messenger.",
		Sub: []*cli.Command{
			{
				Name: "send", Args: "TO TEXT...", Summary: "Send a message.", Example: `byre send bob "안녕 🐄"`,
				New: func(fs *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
					asJSON := fs.Bool("json", false, "print JSON")
					wait := fs.String("wait", "", "wait for `OUTCOME`")
					return func(_ context.Context, _ *cli.Env, args []string) error {
						if len(args) < 2 {
							return cli.Usagef("say whom to write to, and what")
						}
						*said = fmt.Sprint(*asJSON, *wait, args)
						return nil
					}
				},
			},
			{Name: "lock", Summary: "Lock.", New: func(*flag.FlagSet) func(context.Context, *cli.Env, []string) error {
				return func(context.Context, *cli.Env, []string) error { return errors.New("it is\nlocked") }
			}},
		},
	}
}

func TestCalls(t *testing.T) {
	for _, c := range []struct {
		args, said, out, err string
		code                 int
	}{
		{args: "send bob hi", said: "false[bob hi]"},
		{args: "send bob hi --json", said: "true[bob hi]"},
		{args: "send --wait live bob --json hi", said: "truelive[bob hi]"},
		{args: "send bob -- --json", said: "false[bob --json]"},
		{args: "send bob", code: 2, err: "byre: say whom to write to, and what (see 'byre send --help')\n"},
		{args: "send bob hi --jsn", code: 2, err: "byre: flag provided but not defined: -jsn (see 'byre send --help')\n"},
		{args: "sned bob", code: 2, err: "byre: there is no command \"sned\" (see 'byre --help')\n"},
		{args: "lock", code: 1, err: "byre: it is locked\n"},
		{args: "", out: "send TO TEXT..."},
		{args: "--help", out: "lock"},
		{args: "send --help", out: "안녕 🐄"},
		{args: "send --help", out: "--wait OUTCOME"},
	} {
		var said string
		var out, errs strings.Builder
		env := &cli.Env{Stdout: &out, Stderr: &errs}
		code := cli.Main(t.Context(), program(&said), env, strings.Fields(c.args))
		if code != c.code || said != c.said || errs.String() != c.err || !strings.Contains(out.String(), c.out) {
			t.Errorf("byre %s: exit %d, said %q, out %q, err %q; want %+v", c.args, code, said, out.String(), errs.String(), c)
		}
	}
}
