//go:build unix && !linux

package hygiene

import "golang.org/x/sys/unix"

const unlocked = "byre does that on Linux alone"

func closeProcess() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }

func stateOfProcess() State {
	var core unix.Rlimit
	return State{Cores: unix.Getrlimit(unix.RLIMIT_CORE, &core) != nil || core.Cur != 0, Unlocked: unlocked}
}
