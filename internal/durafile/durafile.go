// Package durafile writes small files so that a crash leaves either the old
// contents or the new ones, whole.
package durafile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Write replaces the file at path by data. When it returns nil both the contents
// and the name are durable. It leaves a file named path.new behind if it is
// interrupted; the next Write replaces that.
func Write(path string, data []byte, mode fs.FileMode) error {
	return Stream(path, mode, func(w io.Writer) error {
		if _, err := w.Write(data); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Base(path), err)
		}
		return nil
	})
}

// Stream is [Write] for what is too long to be held: fill writes the contents.
// An error of fill is returned as it is, and the old file stays.
func Stream(path string, mode fs.FileMode, fill func(io.Writer) error) error {
	temp := path + ".new"
	// 1. A crash here leaves the old file, and a .new that nobody reads.
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := fill(f); err != nil {
		return errors.Join(err, f.Close(), os.Remove(temp))
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), errors.Join(err, os.Remove(temp)))
	}
	// 2. A crash after the rename and before the directory is synced leaves one
	// of the two, whole.
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes the names in a directory durable: what was renamed or removed
// there. Windows has no such call and journals renames itself.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
