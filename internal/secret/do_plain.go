//go:build !goexperiment.runtimesecret

package secret

// Erasing tells whether [Do] erases in this build.
const Erasing = false

// Do calls f. Built with GOEXPERIMENT=runtimesecret it then erases the registers
// and the stack that f used, and what f allocated when that is freed.
func Do(f func()) { f() }
