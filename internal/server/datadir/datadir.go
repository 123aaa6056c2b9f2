// Package datadir is the server's directory: what stands in it, who may use it,
// and the keys that everything else in it is sealed under.
//
//	ca.pem, ca.key   the local certificate authority (package cert)
//	format           the format number of the whole directory
//	server.key       the server's identity, which clients pin
//	vault/root.key   the key that everything is sealed under but what waits
//	vault/slot*      the key of the last checkpoint (package vault): no backup and
//	                 no snapshot of a disk should ever hold it
//	checkpoints/     the keys of what waits, sealed under that
//	relay/           the relay's store
//	acme/            certificates of a server with a domain (package acme)
//	ballast          room that is given up when the disk is full (package ballast)
//	control.sock     where byred commands talk to the running server
//	lock             held by the running server
//	restoring        there while a backup is being restored into the directory
package datadir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/byre-messenger/byre/internal/durafile"
	"github.com/byre-messenger/byre/internal/filelock"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/vault"
)

// Format is the number of this directory layout.
const Format = 3

const rootKeySize = 32

// ErrInUse says that another byred holds the directory.
var ErrInUse = errors.New("another byred is using this data directory; stop it first, or name another one with --data")

// Dir is an open data directory. Only the process that opened it uses it.
type Dir struct {
	path string
	lock *os.File
	// Root seals what is at rest (32 bytes), but for what waits.
	Root secret.Bytes
	// Identity is the server's signing key.
	Identity sign.Key
}

// Key files, which a backup holds: their names there, and their paths here.
const (
	RootKeyName  = "root.key"
	RootKeyFile  = vaultDir + "/root.key"
	IdentityFile = "server.key"

	vaultDir       = "vault"
	checkpointsDir = "checkpoints"
	storeDir       = "relay"
)

// Open locks the directory, making it and its keys where they are missing, and
// brings one of an older format forward.
func Open(path string) (*Dir, error) { return open(path, Format, steps) }

func open(path string, format int, steps []Step) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory can't be made; name another one with --data: %w", err)
	}
	lock, err := filelock.Lock(filepath.Join(path, "lock"))
	if errors.Is(err, filelock.ErrHeld) {
		return nil, ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	d := &Dir{path: path, lock: lock}
	if err := d.load(format, steps); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s: %w", path, err), lock.Close())
	}
	return d, nil
}

// Path returns the path of a file in the directory.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// ControlSocket returns the path of the control socket of a data directory.
func ControlSocket(data string) string { return filepath.Join(data, "control.sock") }

// Vault returns the vault of the directory, in files, with the places of its
// checkpoints; time and retention are the caller's to fill in.
func (d *Dir) Vault() (vault.Config, error) {
	v, err := vault.NewFile(d.Path(vaultDir))
	if err != nil {
		return vault.Config{}, err
	}
	if err := os.MkdirAll(d.Path(checkpointsDir), 0o700); err != nil {
		return vault.Config{}, fmt.Errorf("checkpoints: %w", err)
	}
	if err := durafile.SyncDir(d.path); err != nil {
		return vault.Config{}, fmt.Errorf("checkpoints: %w", err)
	}
	return vault.Config{Vault: v, Checkpoints: vault.NewFiles(d.Path(checkpointsDir))}, nil
}

// Close gives the directory free.
func (d *Dir) Close() error {
	d.Root.Wipe()
	return d.lock.Close()
}

func (d *Dir) load(format int, steps []Step) error {
	if _, err := os.Stat(d.Path(restoring)); err == nil {
		return errors.New("a restore into it did not end; empty the directory and restore the backup again")
	}
	found, err := d.format(format)
	if err != nil {
		return err
	}
	if err := d.loadKeys(); err != nil {
		return err
	}
	return d.migrate(found, format, steps)
}

func (d *Dir) loadKeys() error {
	// A crash between these leaves what is there to the next start, which keeps
	// it; nothing is stored before all are durable.
	if err := os.MkdirAll(d.Path(vaultDir), 0o700); err != nil {
		return err
	}
	name := RootKeyFile
	if _, err := os.Stat(d.Path(name)); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(d.Path(rootKeyFile1)); err == nil {
			name = rootKeyFile1 // the step to format 2 moves it
		}
	}
	// J2: the root key.
	root, err := d.key(name, rootKeySize)
	if err != nil {
		return err
	}
	// J3: the server's key.
	seed, err := d.key(IdentityFile, sign.SeedSize)
	if err != nil {
		return err
	}
	d.Root = secret.New(root)
	d.Identity, err = sign.KeyFromSeed(seed)
	return err
}

// key reads a key file, or makes one. A key that is lost while the store is
// there must not be replaced: it would read as an empty server.
func (d *Dir) key(name string, size int) ([]byte, error) {
	b, err := os.ReadFile(d.Path(name))
	if err == nil {
		if len(b) != size {
			return nil, fmt.Errorf("%s is damaged; restore it from a backup", name)
		}
		return b, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := os.Stat(d.Path(storeDir)); err == nil {
		return nil, fmt.Errorf("%s is missing though the store is there; restore it from a backup", name)
	}
	b = make([]byte, size)
	_, _ = rand.Read(b) // never fails
	return b, durafile.Write(d.Path(name), b, 0o600)
}
