// Package stack makes room on a goroutine's stack in one step. A stack doubles
// whenever it is full and is copied each time, which for a goroutine that lives
// no longer than a handshake is a twentieth of what it does.
package stack

import "runtime"

// room is what TLS handshakes and sign-ins need, in bytes.
const room = 24 << 10

// Grow makes room for a handshake. The stack stays that large until the
// goroutine ends or garbage collection finds it unused.
//
//go:noinline
func Grow() {
	var b [room]byte
	runtime.KeepAlive(&b)
}
