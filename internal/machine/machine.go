// Package machine tells what the system shows of the disk below a file, of swap,
// and of where core files go: what a promise to delete stands on. It changes
// nothing, and says nothing that it does not see.
package machine

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// ErrUnknown says that this system does not tell.
var ErrUnknown = errors.New("this system does not tell")

// Machine is the machine that shows itself below a directory.
type Machine struct{ root string }

// This is the machine that the program runs on.
func This() Machine { return At("/") }

// At is a machine whose /proc, /sys and /dev are below root.
func At(root string) Machine { return Machine{root} }

// Swap is one area that memory may be written to.
type Swap struct {
	Name string
	// InMemory: what is written there stays in memory (zram without a device
	// behind it).
	InMemory bool
	// Encrypted: dm-crypt is below it.
	Encrypted bool
}

// Swaps returns the areas in use, none where swap is off.
func (m Machine) Swaps() ([]Swap, error) {
	if runtime.GOOS != "linux" {
		return nil, ErrUnknown
	}
	b, err := os.ReadFile(filepath.Join(m.root, "proc/swaps"))
	if err != nil {
		return nil, ErrUnknown
	}
	var areas []Swap
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		fields := strings.Fields(line)
		if i == 0 || len(fields) < 2 { // the first line is a head
			continue
		}
		area := Swap{Name: fields[0]}
		if fields[1] == "file" {
			disk, err := m.Disk(area.Name)
			area.Encrypted = err == nil && disk.Encrypted
		} else {
			block := m.block(area.Name)
			area.Encrypted = encrypted(block)
			backing, err := os.ReadFile(filepath.Join(block, "backing_dev"))
			area.InMemory = strings.HasPrefix(filepath.Base(block), "zram") && (err != nil || strings.TrimSpace(string(backing)) == "none")
		}
		areas = append(areas, area)
	}
	return areas, nil
}

// CorePattern is where the system puts core files, as core(5) writes it.
func (m Machine) CorePattern() (string, error) {
	b, err := os.ReadFile(filepath.Join(m.root, "proc/sys/kernel/core_pattern"))
	if err != nil {
		return "", ErrUnknown
	}
	return strings.TrimSpace(string(b)), nil
}
