//go:build !unix

package proc

import "io/fs"

// ownCPU is not known here.
func ownCPU() float64 { return 0 }

// allocated returns a file's size: its blocks are not known here.
func allocated(info fs.FileInfo) int64 { return info.Size() }
