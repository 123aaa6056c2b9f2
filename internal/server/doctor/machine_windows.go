package doctor

import "golang.org/x/sys/windows"

func cores() Finding { return good("core dumps", "this system does not tell") }

func disk(data string) Finding {
	path, err := windows.UTF16PtrFromString(data)
	if err != nil {
		return bad("disk", "its free space can't be read (%v)", err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(path, &free, nil, nil); err != nil {
		return bad("disk", "its free space can't be read (%v)", err)
	}
	if free < lowDisk {
		return bad("disk", "only %d MiB are free; make room before the server has to refuse messages", free>>20)
	}
	return good("disk", "%d GiB free", free>>30)
}
