package ballast

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// reserve can't be done here: the file is written.
func reserve(*os.File, int64) error { return errors.ErrUnsupported }

// Free returns how many bytes an ordinary process may still write where a
// directory lies.
func Free(dir string) (uint64, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, fmt.Errorf("free room: %w", err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(path, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("free room: %w", err)
	}
	return free, nil
}
