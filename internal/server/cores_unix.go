//go:build unix

package server

import "golang.org/x/sys/unix"

// noCores keeps a crash from writing keys to the disk. Where the system does not
// let it, byred doctor and the service's unit say so.
func noCores() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
