package pebblestore

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// watchFS tells the store at once when its log can't be written or synced.
// Pebble itself tells those who wait for the log; if the log fails while nobody
// waits, or while it is being closed, Pebble dumps its stacks and dies.
type watchFS struct {
	vfs.FS

	s *Store
}

func (f watchFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return f.watch(name, file), err
}

func (f watchFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(oldname, newname, c)
	return f.watch(newname, file), err
}

func (f watchFS) watch(name string, file vfs.File) vfs.File {
	if file == nil || !strings.HasSuffix(name, ".log") {
		return file
	}
	return watchFile{file, f.s}
}

// watchFile is a file of the log.
type watchFile struct {
	vfs.File

	s *Store
}

func (f watchFile) tell(err error) error {
	if err != nil {
		return f.s.fail(err)
	}
	return nil
}

func (f watchFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.tell(err)
}

func (f watchFile) Sync() error { return f.tell(f.File.Sync()) }

func (f watchFile) SyncData() error { return f.tell(f.File.SyncData()) }

func (f watchFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.tell(err)
}
