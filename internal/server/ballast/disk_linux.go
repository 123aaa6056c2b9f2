package ballast

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// reserve takes room for a file without writing it, where the file system
// promises that.
func reserve(f *os.File, size int64) error {
	return unix.Fallocate(int(f.Fd()), 0, 0, size)
}

// Free returns how many bytes an ordinary process may still write where a
// directory lies.
func Free(dir string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("free room: %w", err)
	}
	return fs.Bavail * uint64(fs.Bsize), nil //nolint:gosec // a block size is positive
}
