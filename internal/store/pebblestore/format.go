package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatFile holds the number of the records' layout, as a line "byre N".
const formatFile = "FORMAT"

// makeDir makes dir and the directories above it, durably.
func makeDir(fs vfs.FS, dir string) error {
	var made []string // parents of what is missing, deepest first
	for d := dir; ; {
		_, err := fs.Stat(d)
		if err == nil {
			break
		}
		up := fs.PathDir(d)
		if up == d {
			break
		}
		made = append(made, up)
		d = up
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, d := range made {
		if err := syncDir(fs, d); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readFormat returns the format number of dir; 0 if dir holds nothing yet.
func readFormat(fs vfs.FS, dir string) (int, error) {
	f, err := fs.Open(fs.PathJoin(dir, formatFile))
	if errors.Is(err, os.ErrNotExist) {
		return 0, checkEmpty(fs, dir)
	}
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	num, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "byre ")
	n, err := strconv.Atoi(num)
	if !ok || err != nil || n < 1 {
		return 0, fmt.Errorf("%s in %s is not a format number of byre: restore the directory from a backup", formatFile, dir)
	}
	return n, nil
}

// checkEmpty returns an error if dir, which has no format number, holds files
// other than what an interrupted first Open leaves.
func checkEmpty(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != "LOCK" && name != formatFile+".new" {
			return fmt.Errorf("%s holds other files (%s) and no byre store: name an empty directory", dir, name)
		}
	}
	return nil
}

// writeFormat makes n the format number of dir. A crash leaves the old number
// or the new one.
func writeFormat(fs vfs.FS, dir string, n int) error {
	tmp := fs.PathJoin(dir, formatFile+".new")
	f, err := fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "byre %d\n", n)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(tmp, fs.PathJoin(dir, formatFile)); err != nil {
		return err
	}
	return syncDir(fs, dir)
}
