package vault

import (
	"os"
	"syscall"
)

// punch gives a file's block back to the file system. Those that can't are none
// the worse: the block was overwritten.
func punch(f *os.File) {
	const keepSize, punchHole = 1, 2 // fallocate(2)
	_ = syscall.Fallocate(int(f.Fd()), keepSize|punchHole, 0, slotFile)
}
