package byrecmd

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/cli/paper"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/phrase"
	"github.com/byre-messenger/byre/internal/sign"
)

func (p *program) phrase() *cli.Command {
	return &cli.Command{
		Name:    "phrase",
		Summary: "Make your account's recovery phrase: twelve words for paper, by which a new device ends all others, should they be lost or stolen.",
		Example: "byre phrase\nbyre phrase --korean",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			korean := flags.Bool("korean", false, "Korean words (either language is read later)")
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("phrase takes no arguments: it makes the words itself")
				}
				if err := prove(ctx, env, c); err != nil {
					return err
				}
				language := phrase.English
				if *korean {
					language = phrase.Korean
				}
				if err := paper.Set(ctx, env, language, c); err != nil {
					return err
				}
				_, err := fmt.Fprintln(env.Stdout, "Your account has this recovery phrase now.")
				return err
			})
		},
	}
}

func (p *program) recover() *cli.Command {
	return &cli.Command{
		Name: "recover", Args: "[PHRASE]",
		Summary: "Come back into your account with its recovery phrase: this device becomes its only one, and all others end. Without PHRASE it is asked for, so that no other program of this machine sees it.",
		Example: "byre recover --server https://byre.example.org --name alice",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			path, ca := homeFlag(flags), cli.CA(flags)
			server := flags.String("server", "", "the server's `URL`")
			name := flags.String("name", "", "the account's `NAME`")
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if p.here != nil {
					return enroll.ErrRegistered
				}
				if *server == "" || *name == "" {
					return cli.Usagef("name the server and the account: --server URL --name NAME")
				}
				d, err := openHome(ctx, env, *path)
				if err != nil {
					return err
				}
				return errors.Join(recovers(ctx, env, d, *server, ca, *name, args), d.close())
			}
		},
	}
}

func recovers(ctx context.Context, env *cli.Env, d *homeDir, server string, ca func() ([]byte, error), name string, words []string) error {
	cfg, err := d.newcomer(ctx, env)
	if err != nil {
		return err
	}
	cfg.Server.URL = server
	if cfg.Server.CA, err = ca(); err != nil {
		return err
	}
	c, err := client.Recover(ctx, cfg, name, func(public []byte) (sign.Key, error) { return paper.Key(ctx, env, words, public) })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "You are %s at %s again, and this is your only device.\n", plain(c.Me().Name), server)
	return errors.Join(err, c.Close())
}
