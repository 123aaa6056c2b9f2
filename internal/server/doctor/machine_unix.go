//go:build unix

package doctor

import (
	"golang.org/x/sys/unix"
)

func cores() Finding {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &lim); err != nil {
		return good("core dumps", "this system does not tell")
	}
	if lim.Cur != 0 {
		return bad("core dumps", "a crash may write memory to the disk; run byred with 'ulimit -c 0' (systemd: LimitCORE=0)")
	}
	return good("core dumps", "off")
}

func disk(data string) Finding {
	var fs unix.Statfs_t
	if err := unix.Statfs(data, &fs); err != nil {
		return bad("disk", "its free space can't be read (%v)", err)
	}
	free := fs.Bavail * uint64(fs.Bsize) //nolint:gosec // a block size is positive
	if free < lowDisk {
		return bad("disk", "only %d MiB are free; make room before the server has to refuse messages", free>>20)
	}
	return good("disk", "%d GiB free", free>>30)
}
