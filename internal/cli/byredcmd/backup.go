package byredcmd

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/durafile"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/server/backup"
	"github.com/byre-messenger/byre/internal/server/control"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/pebblestore"
)

// passphraseVar is where scripts give the passphrase of a backup.
const passphraseVar = "BYRED_BACKUP_PASSPHRASE" //nolint:gosec // the name of a variable

func backupCommand() *cli.Command {
	return &cli.Command{
		Name: "backup", Args: "FILE|-",
		Summary: "Write an encrypted backup: accounts, names and keys, never what waits.",
		Example: "byred backup --to age1... /backups/byre-$(date +%F).age",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			data := dataFlag(flags)
			clk := clockFlag(flags)
			var key backup.Key
			flags.Func("to", "encrypt to an age `RECIPIENT` (may be repeated) instead of a passphrase", func(s string) error {
				key.Recipients += s + "\n"
				return nil
			})
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if len(args) != 1 {
					return cli.Usagef("name one file for the backup, or - for the output")
				}
				if key.Recipients == "" {
					var err error
					if key.Passphrase, err = newPassphrase(env); err != nil {
						return err
					}
				}
				now, err := clk(ctx)
				if err != nil {
					return err
				}
				write := func(w io.Writer) error { return writeBackup(ctx, w, *data, key, now) }
				stop := env.Slow("writing the backup")
				defer stop()
				if args[0] == "-" {
					return write(env.Stdout)
				}
				return durafile.Stream(args[0], 0o600, write)
			}
		},
	}
}

// writeBackup asks the running server for an archive, or reads the data
// directory itself where none runs.
func writeBackup(ctx context.Context, w io.Writer, data string, key backup.Key, clk clock.Clock) error {
	sealed, err := backup.Seal(w, key)
	if err != nil {
		return err
	}
	err = control.Copy(ctx, datadir.ControlSocket(data), "backup", nil, sealed)
	if errors.Is(err, control.ErrNotRunning) {
		err = readBackup(ctx, sealed, data, clk)
	}
	if err != nil {
		return err
	}
	return sealed.Close()
}

func readBackup(ctx context.Context, w io.Writer, data string, clk clock.Clock) (err error) {
	if _, err := datadir.ReadFormat(data); err != nil {
		return fmt.Errorf("there is no server's data in %s; name the right directory with --data", data)
	}
	dir, err := datadir.Open(data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	keys, err := atrest.New(dir.Root)
	if err != nil {
		return err
	}
	st, err := openStore(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	_, err = backup.Write(ctx, w, backup.Source{Path: dir.Path, Store: st, Keys: keys}, clk.Now())
	return err
}

func openStore(dir *datadir.Dir) (store.Store, error) {
	st, err := pebblestore.Open(dir.Path("relay"), pebblestore.Options{Server: true})
	if err != nil {
		return nil, err
	}
	return st, nil
}

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name: "restore", Args: "FILE|-",
		Summary: "Make an empty data directory of a backup, or check one.",
		Example: "byred restore --check /backups/byre.age\nbyred restore --data ./byre-data /backups/byre.age",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			data := dataFlag(flags)
			clk := clockFlag(flags)
			check := flags.Bool("check", false, "read the backup to its end and write nothing")
			asJSON := flags.Bool("json", false, "print one JSON object")
			identity := flags.String("identity", "", "open the backup with the age identity in `FILE` instead of a passphrase")
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if len(args) != 1 {
					return cli.Usagef("name one backup, or - for the input")
				}
				key, err := opening(env, *identity)
				if err != nil {
					return err
				}
				now, err := clk(ctx)
				if err != nil {
					return err
				}
				in := env.Stdin
				if args[0] != "-" {
					f, err := os.Open(args[0])
					if err != nil {
						return fmt.Errorf("the backup can't be read: %w", err)
					}
					defer func() { _ = f.Close() }()
					in = f
				}
				stop := env.Slow("reading the backup") // from here on: a passphrase is slow by intent
				defer stop()
				plain, err := backup.Unseal(in, key)
				if err != nil {
					return err
				}
				if *check {
					sum, err := backup.Check(plain)
					return report(env, sum, "the backup is whole", *asJSON, err)
				}
				sum, err := backup.Restore(ctx, plain, *data, now.Now(), openStore)
				return report(env, sum, "restored; start byred on "+*data, *asJSON, err)
			}
		},
	}
}

func report(env *cli.Env, s backup.Summary, text string, asJSON bool, err error) error {
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(env.Stdout).Encode(s)
	}
	_, err = fmt.Fprintf(env.Stdout, "%s\nmade at       %s\naccounts      %d\ndevices       %d\nnames         %d\ninvitations   %d\nended epochs  %d\n",
		text, s.Made.Format(time.RFC3339), s.Accounts, s.Devices, s.Names, s.Invitations, s.Epochs)
	return err
}

// opening returns what a backup is to be opened with.
func opening(env *cli.Env, identity string) (key backup.Key, err error) {
	if identity != "" {
		b, err := os.ReadFile(identity)
		if err != nil {
			return key, fmt.Errorf("the identity can't be read: %w", err)
		}
		key.Identities = string(b)
		return key, nil
	}
	key.Passphrase, err = passphrase(env, "passphrase of the backup: ")
	return key, err
}

// newPassphrase asks twice where it asks: a typing error would make the backup
// worthless.
func newPassphrase(env *cli.Env) (secret.Bytes, error) {
	first, err := passphrase(env, "choose a passphrase for the backup: ")
	if err != nil || env.Getenv(passphraseVar) != "" {
		return first, err
	}
	again, err := passphrase(env, "again: ")
	if err != nil {
		return secret.Bytes{}, err
	}
	if !first.Equal(again) {
		return secret.Bytes{}, errors.New("the two passphrases differ; run the command again")
	}
	return first, nil
}

func passphrase(env *cli.Env, question string) (secret.Bytes, error) {
	if p := env.Getenv(passphraseVar); p != "" {
		return secret.New([]byte(p)), nil
	}
	if env.Prompt == nil {
		return secret.Bytes{}, errors.New("the backup's passphrase is needed: set " + passphraseVar + ", run byred on a terminal, or use an age key (--to, --identity)")
	}
	p, err := env.Prompt(question)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("passphrase: %w", err)
	}
	if len(p) == 0 {
		return secret.Bytes{}, errors.New("the passphrase is empty; type at least one character")
	}
	return secret.New(p), nil
}
