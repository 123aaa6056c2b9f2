package hygiene

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockFlags lock what is mapped now and later, each page when it is first used:
// Go reserves far more than it uses.
const lockFlags = unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT

func closeProcess() {
	// prctl(2), PR_SET_DUMPABLE: /proc/PID belongs to root and ptrace(2) refuses.
	// A core_pattern(5) that is a pipe disregards the limit below, but not this.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	if mayLock() == "" {
		_ = unix.Mlockall(lockFlags)
	}
}

func stateOfProcess() (s State) {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	s.Closed = err == nil && dumpable == 0
	var core unix.Rlimit
	s.Cores = unix.Getrlimit(unix.RLIMIT_CORE, &core) != nil || core.Cur != 0
	s.SwapOff = swapOff()
	switch s.Unlocked = mayLock(); {
	case lockedBytes() > 0:
		s.Locked, s.Unlocked = true, ""
	case s.Unlocked == "":
		s.Unlocked = "the system refused it"
	}
	return s
}

// mayLock returns why all memory can't be locked, or nothing. A limit that is
// high but finite does not do: where a program reaches it, it ends.
func mayLock() string {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &lim); err != nil {
		return "its limit can't be read"
	}
	if lim.Cur != unix.RLIM_INFINITY && lim.Max == unix.RLIM_INFINITY {
		lim.Cur = lim.Max
		_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &lim)
	}
	if lim.Max == unix.RLIM_INFINITY || mayLockAnything() {
		return ""
	}
	return fmt.Sprintf("the limit is %d KiB, and memory is locked whole or not at all", lim.Max>>10)
}

// mayLockAnything reports CAP_IPC_LOCK, which no limit holds for.
func mayLockAnything() bool {
	var data [2]unix.CapUserData // two words of 32 capabilities
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	err := unix.Capget(&header, &data[0])
	return err == nil && data[unix.CAP_IPC_LOCK/32].Effective&(1<<(unix.CAP_IPC_LOCK%32)) != 0
}

// lockedBytes is VmLck of proc_pid_status(5).
func lockedBytes() uint64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmLck:"); ok {
			n, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// swapOff reports whether the control group of the process (cgroups(7), the
// second version) or one above it may use no swap.
func swapOff() bool {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for ; ; group = path.Dir(group) {
			most, err := os.ReadFile(path.Join("/sys/fs/cgroup", group, "memory.swap.max"))
			if err == nil && strings.TrimSpace(string(most)) == "0" {
				return true
			}
			if group == "/" || group == "." {
				break
			}
		}
	}
	return false
}
