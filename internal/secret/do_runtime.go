//go:build goexperiment.runtimesecret

package secret

import (
	"runtime"
	"runtime/secret"
)

// Erasing tells whether [Do] erases in this build.
const Erasing = runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64")

// Do calls f and then erases the registers and the stack that f used; what f
// allocated is erased when the garbage collector frees it. What f returns by
// writing it elsewhere stays, and so does what goroutines do that f starts.
// Without GOEXPERIMENT=runtimesecret, and elsewhere than on linux on amd64 and
// arm64, it calls f and erases nothing.
func Do(f func()) { secret.Do(f) }
