//go:build unix

package doctor

import (
	"golang.org/x/sys/unix"
)

// cores looks at what this process may do; byred switches core dumps off for
// itself where the system lets it.
func cores() Finding {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &lim); err != nil {
		return good("core dumps", "this system does not tell")
	}
	if lim.Cur != 0 {
		return good("core dumps", "byred switches them off for itself; 'ulimit -c 0' (systemd: LimitCORE=0) does it before it starts")
	}
	return good("core dumps", "off")
}
