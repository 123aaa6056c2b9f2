// Package ballast keeps room in hand for a full disk. A file of a fixed size
// lies beside the data; when the disk is nearly full it is given up, and the
// server takes nothing new: so what waits can still be handed out, confirmed
// and deleted, which takes a little room before it makes some. Once there is
// room again the file is made anew, and service goes on.
package ballast

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
)

// File is the name of the ballast in the data directory.
const File = "ballast"

// checkEvery is how often the disk is looked at. In between a fast writer puts
// some 100 MB on it; who expects more makes the ballast larger.
const checkEvery = time.Second

// Ballast watches the disk that a file lies on. It is safe for concurrent use.
type Ballast struct {
	path string
	size uint64
	free func() (uint64, error)
	log  *slog.Logger

	full atomic.Bool
	left atomic.Uint64 // bytes that were free at the last look

	mu sync.Mutex // held while the file is made or given up
}

// New watches the disk of the file at path, whose ballast has size bytes; 0
// means none, and then the disk is never full. free tells how many bytes an
// ordinary process may still write there.
//
// The disk counts as full when fewer than size bytes are free beside the
// ballast, and until three times as many are.
func New(path string, size int64, free func() (uint64, error), log *slog.Logger) *Ballast {
	return &Ballast{path: path, size: uint64(max(size, 0)), free: free, log: log}
}

// Full reports whether nothing new may be stored.
func (b *Ballast) Full() bool { return b.full.Load() }

// Free returns how many bytes were free when the disk was looked at last.
func (b *Ballast) Free() uint64 { return b.left.Load() }

// Run looks at the disk until ctx ends.
func (b *Ballast) Run(ctx context.Context, clk clock.Clock) {
	for clk.Sleep(ctx, checkEvery) == nil {
		b.Check(ctx)
	}
}

// Check looks at the disk, and gives the ballast up or makes it. It is called
// once before the store is opened: a disk that filled up while the server was
// down must not keep it down.
func (b *Ballast) Check(ctx context.Context) {
	free, err := b.free()
	if err != nil {
		b.log.WarnContext(ctx, "the disk's free room can't be read", slog.Any("err", err))
		return
	}
	b.left.Store(free)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch there := b.there(); {
	case b.size == 0:
		if there { // it was switched off
			b.note(ctx, "give the ballast up", os.Remove(b.path))
		}
	case free < b.size:
		if !b.full.Swap(true) {
			b.log.ErrorContext(ctx, "the disk is full: what waits is handed out and deleted, nothing new is stored until there is room", slog.Uint64("size", free))
		}
		// 1. A crash before or behind this leaves a full disk with ballast or
		// without; the next start looks again.
		if _, err := os.Lstat(b.path); err == nil {
			b.note(ctx, "give the ballast up", os.Remove(b.path))
		}
	case !there && free >= 3*b.size:
		// 2. A crash in here leaves a file that is too short, which counts as
		// none and is made anew.
		if err := b.make(); err != nil {
			b.note(ctx, "make the ballast", errors.Join(err, b.drop()))
			return
		}
		b.open(ctx, free)
	case there:
		b.open(ctx, free)
	}
}

// open lets new things be stored.
func (b *Ballast) open(ctx context.Context, free uint64) {
	if b.full.Swap(false) {
		b.log.InfoContext(ctx, "the disk has room again", slog.Uint64("size", free))
	}
}

// there reports whether the ballast is whole.
func (b *Ballast) there() bool {
	info, err := os.Lstat(b.path)
	return err == nil && info.Mode().IsRegular() && (b.size == 0 || uint64(info.Size()) == b.size) //nolint:gosec // not negative
}

func (b *Ballast) drop() error {
	if err := os.Remove(b.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (b *Ballast) note(ctx context.Context, op string, err error) {
	if err != nil {
		b.log.WarnContext(ctx, "the ballast is not as it should be", slog.String("op", op), slog.Any("err", err))
	}
}

// make writes the file. Its bytes are random: a file system may store others in
// less room than they have.
func (b *Ballast) make() error {
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("ballast: %w", err)
	}
	if reserve(f, int64(b.size)) == nil { //nolint:gosec // it came from an int64
		return errors.Join(f.Sync(), f.Close())
	}
	chunk := make([]byte, 1<<20)
	for left := b.size; left > 0; {
		n := min(left, uint64(len(chunk)))
		_, _ = rand.Read(chunk[:n]) // never fails
		if _, err := f.Write(chunk[:n]); err != nil {
			return errors.Join(fmt.Errorf("ballast: %w", err), f.Close())
		}
		left -= n
	}
	return errors.Join(f.Sync(), f.Close())
}
