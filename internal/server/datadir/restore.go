package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/byre-messenger/byre/internal/durafile"
	"github.com/byre-messenger/byre/internal/filelock"
)

// restoring is a file that stands in a directory while it is being restored:
// Open refuses it, so that half a server never serves.
const restoring = "restoring"

// ErrNotEmpty says that a restore was asked for into a directory in use.
var ErrNotEmpty = errors.New("a restore needs an empty data directory and this one holds files; name another one with --data")

// errKeys says that a backup lacks what a directory can't be without.
var errKeys = errors.New("the backup holds no keys of a server")

// Restore makes a data directory of a backup's files, by name, in an empty or
// missing directory. Until [Dir.Restored] nobody can Open it; [Dir.Abandon]
// empties it again.
func Restore(path string, files map[string][]byte) (d *Dir, err error) {
	if files[RootKeyName] == nil || files[IdentityFile] == nil {
		return nil, errKeys
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory can't be made; name another one with --data: %w", err)
	}
	there, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	if slices.ContainsFunc(there, func(e fs.DirEntry) bool { return e.Name() != "lock" && e.Name() != "lost+found" }) {
		return nil, ErrNotEmpty
	}
	lock, err := filelock.Lock(filepath.Join(path, "lock"))
	if errors.Is(err, filelock.ErrHeld) {
		return nil, ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	d = &Dir{path: path, lock: lock}
	if err := d.fill(files); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s: %w", path, err), d.Abandon())
	}
	return d, nil
}

func (d *Dir) fill(files map[string][]byte) error {
	// B1: that a restore has begun. A crash before this leaves an empty directory,
	// one from here on a directory that Open refuses.
	if err := durafile.Write(d.Path(restoring), nil, 0o600); err != nil {
		return err
	}
	// B2: the keys and the other files. A crash in here leaves some of them, behind
	// B1.
	for name, b := range files {
		if name != filepath.Base(name) || name == restoring {
			return fmt.Errorf("the backup has a file of the odd name %q", name)
		}
		if name == RootKeyName {
			if err := os.MkdirAll(d.Path(vaultDir), 0o700); err != nil {
				return err
			}
			name = RootKeyFile
		}
		if err := durafile.Write(d.Path(name), b, 0o600); err != nil {
			return err
		}
	}
	if err := d.loadKeys(); err != nil {
		return err
	}
	return d.setFormat(Format)
}

// Restored lets the directory be opened, once all that belongs into it is
// durable, and closes it.
func (d *Dir) Restored() error {
	// B4: that the restore has ended. A crash before this is durable leaves the
	// refusal, though nothing is missing: the operator restores once more.
	if err := os.Remove(d.Path(restoring)); err != nil {
		return errors.Join(fmt.Errorf("data directory %s: %w", d.path, err), d.Close())
	}
	return errors.Join(durafile.SyncDir(d.path), d.Close())
}

// Abandon removes what a restore has put there, so that another may be tried,
// and closes the directory.
func (d *Dir) Abandon() error {
	// B5: that nothing of it is left. A crash in here leaves what was not removed
	// yet, behind B1.
	there, err := os.ReadDir(d.path)
	for _, e := range there {
		if e.Name() != "lock" && e.Name() != restoring && e.Name() != "lost+found" {
			err = errors.Join(err, os.RemoveAll(d.Path(e.Name())))
		}
	}
	if err == nil { // last, so that what is left of a failure is still refused
		if err = os.Remove(d.Path(restoring)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return errors.Join(err, d.Close())
}
