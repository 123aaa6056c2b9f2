//go:build unix && !linux

package ballast

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// reserve can't be done here: the file is written.
func reserve(*os.File, int64) error { return errors.ErrUnsupported }

// Free returns how many bytes an ordinary process may still write where a
// directory lies.
func Free(dir string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("free room: %w", err)
	}
	return uint64(fs.Bavail) * uint64(fs.Bsize), nil //nolint:gosec,unconvert // types differ between systems
}
