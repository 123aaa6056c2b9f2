//go:build !linux

package vault

import "os"

// punch does nothing: the block was overwritten.
func punch(*os.File) {}
