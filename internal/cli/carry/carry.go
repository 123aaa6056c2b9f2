// Package carry has the commands that take an account's history out of a home and
// bring it into another one: byre export and byre import.
package carry

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/parcel"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/durafile"
	"github.com/byre-messenger/byre/internal/filelock"
	"github.com/byre-messenger/byre/internal/secret"
)

// Variable is where scripts give the passphrase of a file. It is another one than
// the home's, which may not outlive the device.
const Variable = "BYRE_EXPORT_PASSPHRASE"

// headless is below the size in bytes of any export with a part: what was typed for
// a smaller one may be forgotten again.
const headless = 256

// On wraps what needs the open device.
type On func(*flag.FlagSet, func(context.Context, *cli.Env, *client.Client, []string) error) func(context.Context, *cli.Env, []string) error

// System is what the commands need of the program.
type System struct {
	Clock func(context.Context, *cli.Env) (clock.Clock, error)
	Cost  func(*cli.Env) home.Cost
}

var (
	errFull    = errors.New("there is no room on the disk: make some, and run the same again; it goes on where it stood")
	errFresh   = errors.New("the two passphrases differ; run the command again")
	errNoWords = errors.New("the file's passphrase is needed: set " + Variable + ", or run byre on a terminal")
	errKind    = errors.New("this is no plain file; name another one")
	errTwice   = errors.New("another byre writes this file; wait until it ends")
)

// Export is the command of that name.
func Export(on On, sys System) *cli.Command {
	return &cli.Command{
		Name: "export", Args: "FILE",
		Summary: "Write your messages, conversations, people and settings into one encrypted file, or go on with one that was interrupted. It holds no keys: to come back, make a new device your account's, then 'byre import'.",
		Example: "byre export /media/stick/byre.export\nbyre import --check /media/stick/byre.export",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			return on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) != 1 {
					return cli.Usagef("name one file")
				}
				clk, err := sys.Clock(ctx, env)
				if err != nil {
					return err
				}
				me := c.Me()
				src := parcel.Source{Home: c.Home(), Account: me.Account, Name: me.Name, Now: clk.Now(), Cost: sys.Cost(env)}
				sum, err := write(ctx, env, path(env, args[0]), src)
				if err != nil {
					return err
				}
				return tell(env, sum, *asJSON, 0, "The export is whole: keep it, and its passphrase, apart from this device.")
			})
		},
	}
}

// write exports to a file, which is made if it is missing.
func write(ctx context.Context, env *cli.Env, file string, src parcel.Source) (sum parcel.Summary, err error) {
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		return sum, errKind
	}
	word, err2 := passphrase(env, err != nil || info.Size() < headless)
	if err2 != nil {
		return sum, err2
	}
	defer word.Wipe()
	f, err := filelock.Lock(file)
	if errors.Is(err, filelock.ErrHeld) {
		return sum, errTwice
	} else if err != nil {
		return sum, fmt.Errorf("this file can't be written; name another one: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chmod(0o600); err != nil {
		return sum, fmt.Errorf("this file can't be kept to its owner; name another one: %w", err)
	}
	defer env.Slow("writing the export")()
	sum, err = parcel.Export(ctx, f, word, src)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return sum, errFull
	}
	if err == nil {
		err = durafile.SyncDir(filepath.Dir(file))
	}
	return sum, err
}

// path is where the person who runs a command means a file to be.
func path(env *cli.Env, file string) string {
	if filepath.IsAbs(file) || env.Dir == "" {
		return file
	}
	return filepath.Join(env.Dir, file)
}

// passphrase asks for that of a file: twice for a new one, since an error in typing
// would make it worthless.
func passphrase(env *cli.Env, fresh bool) (secret.Bytes, error) {
	question := "passphrase of the file: "
	if fresh {
		question = "choose a passphrase for the file: "
	}
	first, err := Ask(env, question)
	if err != nil || !fresh || env.Getenv(Variable) != "" {
		return first, err
	}
	again, err := Ask(env, "again: ")
	if err != nil {
		return secret.Bytes{}, err
	}
	defer again.Wipe()
	if !first.Equal(again) {
		first.Wipe()
		return secret.Bytes{}, errFresh
	}
	return first, nil
}

// Ask asks for the passphrase of a file.
func Ask(env *cli.Env, question string) (secret.Bytes, error) {
	if p := env.Getenv(Variable); p != "" {
		return secret.New([]byte(p)), nil
	}
	prompt := env.Words
	if prompt == nil {
		prompt = env.Prompt
	}
	if prompt == nil {
		return secret.Bytes{}, errNoWords
	}
	p, err := prompt(question)
	if err != nil {
		return secret.Bytes{}, err
	}
	if len(p) == 0 {
		return secret.Bytes{}, errors.New("the passphrase is empty; type at least one character")
	}
	return secret.New(p), nil
}
