package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/byre-messenger/byre/internal/durafile"
)

// slotFile is the size of a slot's file: one block of any disk, so that a slot
// shares its block with nothing.
const slotFile = 4096

// File is a vault of two files in a directory, each of one block that is written
// in place.
//
// On a magnetic disk under a file system that writes in place (ext4, xfs) an
// erased slot is overwritten. What it is worth elsewhere, Class says.
type File struct{ dir string }

var _ Vault = (*File)(nil)

// NewFile returns the vault in a directory, which it makes if it is not there.
func NewFile(dir string) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	f := &File{dir}
	for generation := range uint64(2) {
		_, err := os.Stat(f.path(generation))
		if errors.Is(err, fs.ErrNotExist) {
			err = durafile.Write(f.path(generation), make([]byte, slotFile), 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
	}
	return f, nil
}

func (f *File) path(generation uint64) string {
	return filepath.Join(f.dir, fmt.Sprintf("slot%d", generation%2))
}

// Slots implements [Vault].
func (f *File) Slots() ([]Slot, error) {
	var got []Slot
	for generation := range uint64(2) {
		b, err := os.ReadFile(f.path(generation))
		if err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
		if s, ok := decodeSlot(b); ok && s.Generation%2 == generation {
			got = append(got, s)
		}
		clear(b)
	}
	return got, nil
}

// Write implements [Vault].
func (f *File) Write(s Slot) error {
	b, err := s.encode()
	if err != nil {
		return err
	}
	block := make([]byte, slotFile)
	copy(block, b)
	clear(b)
	defer clear(block)
	return f.put(s.Generation, block, nil)
}

// Erase implements [Vault]: the slot is overwritten in place, and made durable;
// then its block is given back to the file system, which lets it tell an SSD
// that the block is free.
func (f *File) Erase(generation uint64) error {
	b, err := os.ReadFile(f.path(generation))
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	s, ok := decodeSlot(b)
	clear(b)
	if !ok || s.Generation != generation {
		return nil // it is not there, or another took its place
	}
	s.Key.Wipe()
	return f.put(generation, make([]byte, slotFile), punch)
}

// put writes a block in place, durably, and then does with the file what after
// says.
func (f *File) put(generation uint64, block []byte, after func(*os.File)) error {
	file, err := os.OpenFile(f.path(generation), os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	_, err = file.WriteAt(block, 0)
	if err = errors.Join(err, file.Sync()); err == nil && after != nil {
		after(file)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	return nil
}

// Class implements [Vault].
func (*File) Class() Class {
	return Class{
		Name: "file", Durable: true,
		Caveat: "an erased key is overwritten, but an SSD, or a file system that copies on write (btrfs, zfs) or takes snapshots, may keep the old block for a while: put the vault on a disk without them, or encrypt the disk",
	}
}

// Files hold the bytes of checkpoints in a directory.
type Files struct{ dir string }

var _ Checkpoints = Files{}

// NewFiles returns the checkpoints in a directory, which has to be there.
func NewFiles(dir string) Files { return Files{dir} }

func (f Files) path(generation uint64) string {
	return filepath.Join(f.dir, fmt.Sprintf("checkpoint%d", generation%2))
}

// Read implements [Checkpoints].
func (f Files) Read(generation uint64) ([]byte, error) {
	b, err := os.ReadFile(f.path(generation))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return b, nil
}

// Write implements [Checkpoints].
func (f Files) Write(generation uint64, b []byte) error {
	if err := durafile.Write(f.path(generation), b, 0o600); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}
