package byrecmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/cli/slots"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/keyring"
)

func (p *program) wipe() *cli.Command {
	return &cli.Command{
		Name:    "wipe",
		Summary: "Destroy this device's home: its keys first, so that nothing opens any more, then the rest. It asks for no passphrase.",
		Example: "byre wipe --yes",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			yes := flags.Bool("yes", false, "this is meant: there is no way back")
			path := homeFlag(flags)
			return func(ctx context.Context, env *cli.Env, args []string) error {
				switch {
				case len(args) > 0:
					return cli.Usagef("wipe takes no arguments")
				case !*yes:
					return cli.Usagef("this destroys all messages and keys of this device, for good: say --yes if that is meant")
				}
				err := p.wipeHome(ctx, env, *path)
				if err == nil {
					_, err = fmt.Fprintln(env.Stdout, "wiped")
				}
				return err
			}
		},
	}
}

func (p *program) wipeHome(ctx context.Context, env *cli.Env, path string) error {
	if p.here != nil {
		return p.here.Wipe(ctx) // the process that listens removes the rest
	}
	d, err := openHome(ctx, env, path)
	if err != nil {
		return err
	}
	err = home.Wipe(ctx, d.store, d.vault, systemKeyring())
	return errors.Join(err, d.remove())
}

// remove closes a home that was wiped and removes its files.
func (d *homeDir) remove() error {
	err := d.store.Close()
	for _, dir := range []string{slots.Dir(d.path), filepath.Join(d.path, "store")} {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return errors.Join(err, d.lock.Close())
}

// systemKeyring is the keyring of this session, nil if there is none.
func systemKeyring() home.Keyring {
	if keyring.Available() {
		return keyring.System{}
	}
	return nil
}

func (p *program) locking() *cli.Command {
	return &cli.Command{
		Name:    "lock",
		Summary: "Forget the key of this home, in the system's keyring and in a byre that listens: the passphrase is asked for next.",
		Example: "byre lock",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			path := homeFlag(flags)
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("lock takes no arguments")
				}
				if p.here != nil {
					return p.here.Lock(ctx)
				}
				d, err := openHome(ctx, env, *path)
				if err != nil {
					return err
				}
				return errors.Join(home.Lock(ctx, d.store, systemKeyring()), d.close())
			}
		},
	}
}
