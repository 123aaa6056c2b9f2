// Package look has the commands that look at what others could: byre doctor, at this
// machine, and byre held, at the server.
package look

import (
	"context"
	"flag"
	"os"

	"github.com/byre-messenger/byre/internal/checkup"
	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/hygiene"
	"github.com/byre-messenger/byre/internal/machine"
)

// Doctor opens nothing and asks for nothing: it works while another byre has the
// home, and for a home whose passphrase is forgotten. homeFlag is the flag of the
// home's directory, path where that is.
func Doctor(homeFlag func(*flag.FlagSet) *string, path func(*cli.Env, string) (string, error)) *cli.Command {
	return &cli.Command{
		Name:    "doctor",
		Summary: "Look for what would show others what this device holds; exit 1 on a finding.",
		Example: "byre doctor",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			home := homeFlag(flags)
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			return func(_ context.Context, env *cli.Env, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("doctor takes flags only, not %q", args[0])
				}
				dir, err := path(env, *home)
				if err != nil {
					return err
				}
				return checkup.Print(env.Stdout, examine(env, dir), *asJSON)
			}
		},
	}
}

func examine(env *cli.Env, home string) []checkup.Finding {
	m, state := machine.This(), hygiene.Of()
	findings := []checkup.Finding{
		checkup.Private("home", home, "make it with 'byre register', or name the right one with --home"),
		passphraseFinding(env),
	}
	if _, err := os.Stat(home); err == nil {
		findings = append(findings, checkup.Medium(m, "medium", home))
	}
	findings = append(findings, checkup.Memory(m, "byre", &state)...)
	return append(findings, checkup.Clock(home, "byre", clock.System{}.Now(), 0))
}

func passphraseFinding(env *cli.Env) checkup.Finding {
	const check = "passphrase"
	if env.Getenv("BYRE_PASSPHRASE") != "" {
		return checkup.Bad(check, "BYRE_PASSPHRASE stands in the environment, where every program that is started from there reads it; let byre ask, or its keyring answer")
	}
	return checkup.Good(check, "not in the environment")
}
