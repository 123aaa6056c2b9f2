package machine_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/machine"
)

// made is a machine of files below a directory.
type made struct {
	*testing.T
	root string
}

func (m made) file(path, text string) {
	m.Helper()
	at := filepath.Join(m.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte(text), 0o600)); err != nil {
		m.Fatal(err)
	}
}

func (m made) link(path, to string) {
	m.Helper()
	at := filepath.Join(m.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.Symlink(filepath.Join(m.root, to), at)); err != nil {
		m.Fatal(err)
	}
}

// disk makes a disk with one partition.
func (m made) disk(bus, name, number, rotational, discard string) {
	whole := "sys/devices/" + bus + "/block/" + name
	m.file(whole+"/queue/rotational", rotational+"\n")
	m.file(whole+"/queue/discard_max_bytes", discard+"\n")
	m.file(whole+"/"+name+"1/partition", "1\n")
	m.link("sys/dev/block/"+number, whole+"/"+name+"1")
	m.link("sys/class/block/"+name+"1", whole+"/"+name+"1")
	m.file("dev/"+name+"1", "")
}

// crypt puts dm-crypt on a partition.
func (m made) crypt(name, number, on string) {
	m.file("sys/devices/virtual/block/"+name+"/dm/uuid", "CRYPT-LUKS2-0123-x\n")
	m.link("sys/devices/virtual/block/"+name+"/slaves/"+on, "sys/class/block/"+on)
	m.link("sys/dev/block/"+number, "sys/devices/virtual/block/"+name)
	m.link("sys/class/block/"+name, "sys/devices/virtual/block/"+name)
	m.file("dev/"+name, "")
}

// server has disks of all kinds.
func server(t *testing.T) machine.Machine {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only linux shows its disks this way")
	}
	m := made{t, t.TempDir()}
	m.file("proc/cpuinfo", "flags\t\t: fpu vme\n")
	m.disk("pci0000:00/ata1", "sda", "8:1", "1", "0")
	m.disk("pci0000:00/nvme0", "nvme0n1", "259:1", "0", "2199023255040")
	m.disk("pci0000:00/virtio1", "vda", "254:1", "1", "0")
	m.disk("pci0000:00/ata2", "sdb", "8:17", "0", "0")
	m.crypt("dm-0", "253:0", "nvme0n11")
	m.link("dev/mapper/safe", "dev/dm-0")
	// One file system over an encrypted and a plain disk.
	m.file("sys/devices/virtual/block/dm-1/dm/uuid", "LVM-x\n")
	m.link("sys/devices/virtual/block/dm-1/slaves/dm-0", "sys/class/block/dm-0")
	m.link("sys/devices/virtual/block/dm-1/slaves/sda1", "sys/class/block/sda1")
	m.link("sys/dev/block/253:1", "sys/devices/virtual/block/dm-1")
	m.file("sys/devices/virtual/block/zram0/backing_dev", "none\n")
	m.link("sys/class/block/zram0", "sys/devices/virtual/block/zram0")
	m.file("dev/zram0", "")
	m.file("proc/self/mountinfo", `22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
23 22 259:1 / /ssd rw - xfs /dev/nvme0n11 rw,discard
24 22 254:1 / /vm rw shared:7 - ext4 /dev/vda1 rw
25 22 253:0 / /safe rw - ext4 /dev/mapper/safe rw
26 22 0:40 / /safe/tree rw - btrfs /dev/mapper/safe rw,subvol=/tree
27 22 253:1 / /both rw - ext4 /dev/dm-1 rw
28 22 0:21 / /ram rw - tmpfs tmpfs rw
29 22 8:17 / /with\040space rw - ext4 /dev/sdb1 rw,data=journal
30 22 0:50 / /far rw - nfs4 host:/x rw
`)
	m.file("proc/swaps", `Filename				Type		Size		Used		Priority
/dev/zram0                              partition	8388604		0		100
/dev/mapper/safe                        partition	8388604		0		-2
/dev/sda1                               partition	8388604		0		-3
/safe/swapfile                          file		1024		0		-4
/swapfile                               file		1024		0		-5
`)
	m.file("proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P\n")
	return machine.At(m.root)
}

func TestDisks(t *testing.T) {
	m := server(t)
	for path, want := range map[string]machine.Disk{
		"/srv/byred":      {FS: "ext4", Seen: true, Rotating: true},
		"/ssdx":           {FS: "ext4", Seen: true, Rotating: true},
		"/ssd/byred":      {FS: "xfs", Seen: true, Discards: true},
		"/vm":             {FS: "ext4", Seen: true, Virtual: true, Rotating: true},
		"/safe/byred":     {FS: "ext4", Seen: true, Encrypted: true, Discards: true},
		"/safe/tree/x":    {FS: "btrfs", Seen: true, Encrypted: true, Rewrites: true, Discards: true},
		"/both/x":         {FS: "ext4", Seen: true},
		"/ram/x":          {FS: "tmpfs", InMemory: true},
		"/with space/the": {FS: "ext4", Seen: true, Rewrites: true},
		"/far/away":       {FS: "nfs4"},
	} {
		if got, err := m.Disk(path); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", path, got, err, want)
		}
	}
}

func TestSwaps(t *testing.T) {
	got, err := server(t).Swaps()
	want := []machine.Swap{
		{Name: "/dev/zram0", InMemory: true},
		{Name: "/dev/mapper/safe", Encrypted: true},
		{Name: "/dev/sda1"},
		{Name: "/safe/swapfile", Encrypted: true},
		{Name: "/swapfile"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestWhatIsNotShown: nothing is made up where nothing is to be seen.
func TestWhatIsNotShown(t *testing.T) {
	m := machine.At(t.TempDir())
	if _, err := m.Disk("/x"); !errors.Is(err, machine.ErrUnknown) {
		t.Errorf("a disk: %v", err)
	}
	if _, err := m.Swaps(); !errors.Is(err, machine.ErrUnknown) {
		t.Errorf("swap: %v", err)
	}
	if _, err := m.CorePattern(); !errors.Is(err, machine.ErrUnknown) {
		t.Errorf("core files: %v", err)
	}
}

// TestThisMachine: what a real one shows is read without an error.
func TestThisMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only linux shows itself this way")
	}
	d, err := machine.This().Disk(t.TempDir())
	if err != nil || d.FS == "" {
		t.Errorf("%+v, %v", d, err)
	}
	t.Logf("%+v", d)
	if _, err := machine.This().Swaps(); err != nil {
		t.Error(err)
	}
}
