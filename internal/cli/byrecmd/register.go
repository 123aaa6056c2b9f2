package byrecmd

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/secret"
)

func (p *program) register() *cli.Command {
	return &cli.Command{
		Name: "register", Args: "URL NAME",
		Summary: "Make an account and its first device.",
		Example: "byre register https://127.0.0.1:8443 alice --ca byre-data/ca.pem\nbyre register https://byre.example.org alice --invite CODE",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			path := homeFlag(flags)
			ca := cli.CA(flags)
			invite := flags.String("invite", "", "invitation `CODE`, where the server asks for one")
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if len(args) != 2 {
					return cli.Usagef("name the server's address and the name you want")
				}
				if p.here != nil {
					return enroll.ErrRegistered
				}
				pem, err := ca()
				if err != nil {
					return err
				}
				server := client.Server{URL: args[0], CA: pem}
				d, err := openHome(ctx, env, *path)
				if err != nil {
					return err
				}
				return errors.Join(register(ctx, env, d, server, *invite, args[1]), d.close())
			}
		},
	}
}

func register(ctx context.Context, env *cli.Env, d *homeDir, server client.Server, invite, name string) error {
	cfg, err := d.config(ctx, env)
	if err != nil {
		return err
	}
	cfg.Server, cfg.Invitation = server, invite
	cfg.Passphrase = func() (secret.Bytes, error) { return newPassphrase(env) }
	progress, done := env.Work("working for the account, as this server asks")
	cfg.Progress = progress
	stop := env.Slow("registering")
	c, err := client.Register(ctx, cfg, name)
	stop()
	done()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "You are %s at %s.\n", c.Me().Name, server.URL)
	return errors.Join(err, c.Close())
}

// newcomer is config for a home that may not be there yet.
func (d *homeDir) newcomer(ctx context.Context, env *cli.Env) (client.Config, error) {
	cfg, err := d.config(ctx, env)
	if err != nil {
		return cfg, err
	}
	there, err := home.Exists(ctx, d.store)
	if err == nil && !there {
		cfg.Passphrase = func() (secret.Bytes, error) { return newPassphrase(env) }
	}
	return cfg, err
}

// newPassphrase asks twice where it asks: a typing error would lock the home
// for good.
func newPassphrase(env *cli.Env) (secret.Bytes, error) {
	first, err := passphrase(env, "choose a passphrase for this home: ")
	if err != nil || env.Getenv("BYRE_PASSPHRASE") != "" {
		return first, err
	}
	again, err := env.Prompt("the same once more: ")
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("passphrase: %w", err)
	}
	if !bytes.Equal(first.Reveal(), again) {
		return secret.Bytes{}, errors.New("the two passphrases differ; run the command again")
	}
	clear(again)
	return first, nil
}
