package byredcmd

import (
	"context"
	"flag"
	"fmt"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/server/config"
)

func configuration() *cli.Command {
	return &cli.Command{
		Name:    "config",
		Summary: "Write a settings file, or check one.",
		Example: "byred config init > byred.toml\nbyred config check byred.toml",
		Sub: []*cli.Command{
			{
				Name: "init", Summary: "Print every setting with its text and default.",
				Example: "byred config init > byred.toml",
				New: func(*flag.FlagSet) func(context.Context, *cli.Env, []string) error {
					return func(_ context.Context, env *cli.Env, args []string) error {
						if len(args) > 0 {
							return cli.Usagef("config init takes no arguments")
						}
						return config.WriteReference(env.Stdout)
					}
				},
			},
			{
				Name: "check", Args: "FILE", Summary: "Check a settings file without serving.",
				Example: "byred config check byred.toml",
				New: func(*flag.FlagSet) func(context.Context, *cli.Env, []string) error {
					return func(_ context.Context, env *cli.Env, args []string) error {
						if len(args) != 1 {
							return cli.Usagef("name one settings file")
						}
						c := config.Default()
						if err := c.Load(args[0]); err != nil {
							return err
						}
						if err := c.Check(); err != nil {
							return settings(err)
						}
						_, err := fmt.Fprintln(env.Stdout, "the settings hold")
						return err
					}
				},
			},
		},
	}
}
