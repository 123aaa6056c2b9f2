package checkup

import "github.com/byre-messenger/byre/internal/machine"

// Medium says what erasing is worth on the disk that a path is on. A key that
// was overwritten is gone from a magnetic disk written in place, and from
// nowhere else for certain, unless the disk is encrypted below.
func Medium(m machine.Machine, check, path string) Finding {
	d, err := m.Disk(path)
	ssd := d.Seen && !d.Virtual && !d.Rotating
	switch {
	case err != nil:
		return Good(check, "%v what disk this is on; encrypt it, since an SSD keeps erased keys for a while", err)
	case d.InMemory:
		return Good(check, "in memory (%s): it is gone with the power", d.FS)
	case d.Rewrites && d.Encrypted:
		return Good(check, "%s on an encrypted disk; it writes elsewhere than it reads, so take no snapshots of it", d.FS)
	case d.Encrypted:
		return Good(check, "%s on an encrypted disk: what erased keys leave there opens with the disk's key alone", d.FS)
	case d.Rewrites:
		return Bad(check, "%s leaves what is overwritten where it was, so erased keys stay readable for a while; use ext4 or xfs with their defaults, or encrypt the disk", d.FS)
	case ssd && d.Discards:
		return Bad(check, "%s on an SSD without encryption that shows: an erased key stays in its cells until the drive clears them; encrypt the disk", d.FS)
	case ssd:
		return Bad(check, "%s on an SSD that takes no word of what is free, without encryption that shows: an erased key stays in its cells for long; encrypt the disk", d.FS)
	case d.Virtual:
		return Good(check, "%s on a virtual disk: what is below it only its host knows; encrypt it here, unless the host does", d.FS)
	case d.Seen:
		return Bad(check, "%s on a magnetic disk without encryption that shows: erased keys are overwritten, but whoever takes the disk reads what is on it; encrypt the disk", d.FS)
	}
	return Good(check, "%s: what is below it does not show; have it encrypted, since an SSD keeps erased keys for a while", d.FS)
}
