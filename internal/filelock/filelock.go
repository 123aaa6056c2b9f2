// Package filelock lets one process at a time hold a directory. The lock goes
// with the process, however it ends.
package filelock

import (
	"errors"
	"fmt"
	"os"
)

// ErrHeld says that another process holds the lock.
var ErrHeld = errors.New("another process holds the lock")

// Lock takes the lock on the file at path, making the file if it is missing.
// Closing the file gives it free. It returns [ErrHeld] at once if another
// process, or another caller in this one, holds it.
func Lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
