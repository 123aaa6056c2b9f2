package byrecmd

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/cli/slots"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/filelock"
	"github.com/byre-messenger/byre/internal/keyring"
	"github.com/byre-messenger/byre/internal/localsock"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store/pebblestore"
	"github.com/byre-messenger/byre/internal/transport"
)

// errNoPassphrase says how to give the passphrase.
var errNoPassphrase = errors.New("the home's passphrase is needed: set BYRE_PASSPHRASE, or run byre on a terminal")

func homeFlag(flags *flag.FlagSet) *string {
	return flags.String("home", "", "`directory` of this device (default $BYRE_HOME, or the platform's data directory)")
}

// How long a command waits for one that has the home, and how often it looks.
const (
	lockPatience = 10 * time.Second
	lockPause    = 50 * time.Millisecond
)

// homeDir is a device's directory, held by this process.
type homeDir struct {
	path  string
	lock  *os.File
	store *pebblestore.Store
	vault slots.Slots
}

// openHome takes the directory, making it if it is missing. It returns an
// elsewhereError where a listening byre holds it.
func openHome(ctx context.Context, env *cli.Env, path string) (*homeDir, error) {
	path, err := homePath(env, path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("this home can't be made; name another one with --home: %w", err)
	}
	lock, err := takeLock(ctx, env, path)
	if err != nil {
		return nil, err
	}
	st, err := pebblestore.Open(filepath.Join(path, "store"), pebblestore.Options{Fatal: func(err error) { broken(env, err) }})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("home %s: %w", path, err), lock.Close())
	}
	v, err := slots.Open(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("home %s: %w", path, err), st.Close(), lock.Close())
	}
	return &homeDir{path, lock, st, v}, nil
}

// broken ends the process when the home's disk has failed: the store answers
// nothing more, and calls under way may hang. What was confirmed is durable, and
// what was not is as after a crash.
func broken(env *cli.Env, err error) {
	_, _ = fmt.Fprintf(env.Stderr, "byre: this home can't be written to any more; look at the disk (is it full?), then run byre again: nothing that was confirmed is lost (%s)\n", cli.Sentence(err))
	os.Exit(cli.ExitRefused)
}

// takeLock takes the home's lock. Where another byre has it, that one either
// takes commands, which is an elsewhereError, or soon ends, as most do.
func takeLock(ctx context.Context, env *cli.Env, path string) (*os.File, error) {
	defer env.Slow("waiting for another byre that uses this home")()
	for waited := time.Duration(0); ; waited += lockPause {
		lock, err := filelock.Lock(filepath.Join(path, "lock"))
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, filelock.ErrHeld) {
			return nil, fmt.Errorf("this home can't be used; name another one with --home: %w", err)
		}
		if conn, err := localsock.Dial(ctx, agentSocket(path)); err == nil {
			return nil, &elsewhereError{conn}
		}
		if waited >= lockPatience {
			return nil, errInUse
		}
		if err := (clock.System{}).Sleep(ctx, lockPause); err != nil {
			return nil, err
		}
	}
}

func (d *homeDir) close() error { return errors.Join(d.store.Close(), d.lock.Close()) }

// config returns what a client stands on in this home.
func (d *homeDir) config(ctx context.Context, env *cli.Env) (client.Config, error) {
	clk, err := clockOf(ctx, env)
	if err != nil {
		return client.Config{}, err
	}
	cfg := client.Config{
		Store:      d.store,
		Vault:      d.vault,
		Clock:      clk,
		Cost:       costOf(env),
		Passphrase: func() (secret.Bytes, error) { return passphrase(env, "passphrase of this home: ") },
		Connect: func(s client.Server) (line.Transport, error) {
			dial := transport.Dialer{URL: s.URL, Clock: clk}
			if len(s.CA) > 0 {
				dial.Roots = x509.NewCertPool()
				if !dial.Roots.AppendCertsFromPEM(s.CA) {
					return nil, errors.New("the file given with --ca holds no certificate; use the ca.pem of the server's data directory")
				}
			}
			return dialer{dial}, nil
		},
	}
	cfg.Keyring = systemKeyring()
	return cfg, nil
}

// client opens the device.
func (d *homeDir) client(ctx context.Context, env *cli.Env) (*client.Client, error) {
	cfg, err := d.config(ctx, env)
	if err != nil {
		return nil, err
	}
	return client.Open(ctx, cfg)
}

// dialer gives the transport the core's types.
type dialer struct{ transport.Dialer }

// Dial implements [line.Transport].
func (d dialer) Dial(ctx context.Context) (line.Conn, error) {
	c, err := d.Dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

var _ home.Keyring = keyring.System{}

func passphrase(env *cli.Env, question string) (secret.Bytes, error) {
	if p := env.Getenv("BYRE_PASSPHRASE"); p != "" {
		return secret.New([]byte(p)), nil
	}
	if env.Prompt == nil {
		return secret.Bytes{}, errNoPassphrase
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

// homePath returns where the device's directory is.
func homePath(env *cli.Env, path string) (string, error) {
	if path != "" {
		return path, nil
	}
	if path = env.Getenv("BYRE_HOME"); path != "" {
		return path, nil
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("this user has no home directory; name the device's directory with --home")
	}
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(user, "Library", "Application Support", "byre"), nil
	case "windows":
		if local := env.Getenv("LocalAppData"); local != "" {
			return filepath.Join(local, "byre"), nil
		}
		return filepath.Join(user, "AppData", "Local", "byre"), nil
	}
	if data := env.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "byre"), nil
	}
	return filepath.Join(user, ".local", "share", "byre"), nil
}
