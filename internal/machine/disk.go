package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Disk is what is below a file.
type Disk struct {
	// FS is the file system: "ext4".
	FS string
	// InMemory: it is gone with the machine's power.
	InMemory bool
	// Rewrites: what is written over a file goes elsewhere, by the file system's
	// design or because it keeps a journal of what is written; what was there
	// before stays until its place is used again, and in snapshots for longer.
	Rewrites bool
	// Encrypted: dm-crypt (LUKS) lies between the file system and every disk.
	// What encrypts elsewhere, such as a drive or the host of a virtual
	// machine, does not show.
	Encrypted bool
	// Seen: the disk below shows itself. Of a virtual one Virtual is set, and
	// the rest is what its host pretends.
	Seen, Virtual bool
	// Rotating disks are magnetic, others are SSDs. Discards tells whether an
	// SSD takes word of what is free.
	Rotating, Discards bool
}

// rewriting are the file systems that never write in place.
var rewriting = []string{"btrfs", "zfs", "bcachefs", "f2fs", "nilfs2"}

// Disk returns what is below a file or directory that exists.
func (m Machine) Disk(path string) (Disk, error) {
	if runtime.GOOS != "linux" {
		return Disk{}, ErrUnknown
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return Disk{}, fmt.Errorf("disk: %w", err)
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mount, err := m.mount(path)
	if err != nil {
		return Disk{}, err
	}
	d := Disk{
		FS:       mount.fs,
		InMemory: mount.fs == "tmpfs" || mount.fs == "ramfs",
		Rewrites: slices.Contains(rewriting, mount.fs) || slices.Contains(mount.options, "data=journal"),
	}
	block := filepath.Join(m.root, "sys/dev/block", mount.device)
	if target, err := filepath.EvalSymlinks(block); err == nil {
		block = target
	} else {
		block = m.block(mount.source) // btrfs and others number themselves
	}
	below := leaves(block)
	d.Seen = len(below) > 0
	d.Encrypted = encrypted(block)
	d.Rotating, d.Discards = d.Seen, d.Seen
	for _, leaf := range below {
		d.Virtual = d.Virtual || m.virtual(leaf)
		d.Rotating = d.Rotating && number(leaf, "queue/rotational") == "1"
		d.Discards = d.Discards && number(leaf, "queue/discard_max_bytes") != "0"
	}
	return d, nil
}

// mount is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	device, fs, source string
	options            []string
}

// mount returns the one that a path is in: the last of those with the longest
// mount point.
func (m Machine) mount(path string) (found mount, err error) {
	b, err := os.ReadFile(filepath.Join(m.root, "proc/self/mountinfo"))
	if err != nil {
		return found, ErrUnknown
	}
	longest := -1
	for line := range strings.Lines(string(b)) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 3 {
			continue
		}
		point := unescape.Replace(left[4])
		if within(path, point) && len(point) >= longest {
			longest = len(point)
			found = mount{device: left[2], fs: right[0], source: unescape.Replace(right[1]), options: strings.Split(right[2], ",")}
		}
	}
	if longest < 0 {
		return found, ErrUnknown
	}
	return found, nil
}

// unescape undoes what the kernel writes for what would break a line.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func within(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(dir, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// block returns the directory of a device in /sys, by its name in /dev.
func (m Machine) block(device string) string {
	path := filepath.Join(m.root, device)
	if target, err := filepath.EvalSymlinks(path); err == nil { // /dev/mapper/x leads to /dev/dm-0
		path = target
	}
	block := filepath.Join(m.root, "sys/class/block", filepath.Base(path))
	if target, err := filepath.EvalSymlinks(block); err == nil {
		return target
	}
	return block
}

// below returns the devices that a block device stands on: those it maps, or
// the whole of which it is a part.
func below(block string) []string {
	if _, err := os.Stat(filepath.Join(block, "partition")); err == nil {
		return []string{filepath.Dir(block)}
	}
	links, _ := filepath.Glob(filepath.Join(block, "slaves", "*")) // the pattern is sound
	var got []string
	for _, link := range links {
		if target, err := filepath.EvalSymlinks(link); err == nil {
			got = append(got, target)
		}
	}
	return got
}

// leaves returns the disks below a block device.
func leaves(block string) (got []string) {
	if _, err := os.Stat(block); err != nil || block == "" {
		return nil
	}
	down := below(block)
	if len(down) == 0 {
		return []string{block}
	}
	for _, b := range down {
		got = append(got, leaves(b)...)
	}
	return got
}

// encrypted reports whether all that reaches a disk from here goes through
// dm-crypt.
func encrypted(block string) bool {
	if strings.HasPrefix(number(block, "dm/uuid"), "CRYPT-") {
		return true
	}
	down := below(block)
	for _, b := range down {
		if !encrypted(b) {
			return false
		}
	}
	return len(down) > 0
}

// virtual reports whether a disk is made up by a host: by how it is attached, or
// because the whole machine is.
func (m Machine) virtual(block string) bool {
	if strings.Contains(block, "/virtio") || strings.Contains(block, "/vbd-") || strings.HasPrefix(filepath.Base(block), "loop") {
		return true
	}
	cpu, err := os.ReadFile(filepath.Join(m.root, "proc/cpuinfo"))
	return err == nil && strings.Contains(string(cpu), " hypervisor")
}

// number reads a small file of /sys.
func number(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
