package cli_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

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
					fs.Duration("for", 0, "wait for `TIME`")
					fs.Int("uses", 1, "for `N` people")
					fs.Func("to", "to `ONE`", func(string) error { return errors.New("name somebody else") })
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
			{Name: "pipe", Summary: "Write to nobody.", New: func(*flag.FlagSet) func(context.Context, *cli.Env, []string) error {
				return func(context.Context, *cli.Env, []string) error { return fmt.Errorf("write: %w", syscall.EPIPE) }
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
		{args: "send bob hi --jsn", code: 2, err: "byre: there is no flag --jsn; put '--' before words that begin with '-' (see 'byre send --help')\n"},
		{args: "send bob hi --wait", code: 2, err: "byre: --wait needs a value (see 'byre send --help')\n"},
		{args: "send bob hi --for soon", code: 2, err: "byre: --for: \"soon\" is no time; write it like 5s, 10m or 72h (see 'byre send --help')\n"},
		{args: "send bob hi --json=maybe", code: 2, err: "byre: --json: \"maybe\" is neither true nor false (see 'byre send --help')\n"},
		{args: "send bob hi --uses x", code: 2, err: "byre: --uses: \"x\" is no whole number, or too large (see 'byre send --help')\n"},
		{args: "send bob hi --to y", code: 2, err: "byre: --to: name somebody else (see 'byre send --help')\n"},
		{args: "sned bob", code: 2, err: "byre: there is no command \"sned\" (see 'byre --help')\n"},
		{args: "sned --help", code: 2, err: "byre: there is no command \"sned\" (see 'byre --help')\n"},
		{args: "lock", code: 1, err: "byre: it is locked\n"},
		{args: "pipe", code: 1},
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

// TestSlow: a person who waits over a second is told for what; a pipe never is.
func TestSlow(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		takes    time.Duration
		want     string
	}{
		{true, 999 * time.Millisecond, ""},
		{true, 3 * time.Second, "waiting for the server ...\n"},
		{false, 3 * time.Second, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var errs strings.Builder
			env := &cli.Env{Stderr: &errs, Terminal: c.terminal}
			stop := env.Slow("waiting for the server")
			time.Sleep(c.takes)
			synctest.Wait()
			stop()
			time.Sleep(time.Minute)
			if errs.String() != c.want {
				t.Errorf("%+v: %q", c, errs.String())
			}
		})
	}
}

// TestNoErrorMovesTheCursor: what a server says is told in one line, and the
// terminal obeys byre alone.
func TestNoErrorMovesTheCursor(t *testing.T) {
	said := errors.New("the server refused: \x1b]0;owned\x07no\u009b2J\r\n\u202emore")
	if got := cli.Sentence(said); got != "the server refused: ]0;ownedno2J more" {
		t.Errorf("told %q", got)
	}
}
