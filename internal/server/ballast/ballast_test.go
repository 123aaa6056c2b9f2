package ballast_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server/ballast"
)

// disk is one whose room is what the test says, less the ballast that lies
// there.
type disk struct {
	path string
	room uint64
	err  error
}

func (d *disk) free() (uint64, error) {
	if info, err := os.Stat(d.path); err == nil {
		return d.room - uint64(info.Size()), d.err
	}
	return d.room, d.err
}

const size = 1 << 20

func TestBallastIsGivenUpAndMadeAnew(t *testing.T) {
	d := &disk{path: filepath.Join(t.TempDir(), ballast.File)}
	var log strings.Builder
	b := ballast.New(d.path, size, d.free, slog.New(slog.NewTextHandler(&log, nil)))
	for i, step := range []struct {
		room        uint64
		full, there bool
	}{
		{10 * size, false, true},
		{3 * size, false, true},
		{2*size - 1, true, false}, // less than its size is left beside it
		{2 * size, true, false},   // not enough to make it and stay
		{3*size - 1, true, false},
		{3 * size, false, true},
		{size, true, false},
		{0, true, false},
		{10 * size, false, true},
	} {
		d.room = step.room
		b.Check(t.Context())
		_, err := os.Stat(d.path)
		if b.Full() != step.full || (err == nil) != step.there {
			t.Errorf("step %d: full %v, ballast there %v; want %+v", i, b.Full(), err == nil, step)
		}
	}
	if n := strings.Count(log.String(), "the disk is full"); n != 2 {
		t.Errorf("told %d times that the disk is full, want once each time:\n%s", n, log.String())
	}
}

// TestBallastAfterACrash: half a file is no ballast, and one that is switched
// off goes.
func TestBallastAfterACrash(t *testing.T) {
	d := &disk{path: filepath.Join(t.TempDir(), ballast.File), room: 10 * size}
	if err := os.WriteFile(d.path, make([]byte, 7), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	ballast.New(d.path, size, d.free, log).Check(t.Context())
	if info, err := os.Stat(d.path); err != nil || info.Size() != size {
		t.Errorf("half a ballast stays: %v, %v", info, err)
	}
	off := ballast.New(d.path, 0, d.free, log)
	off.Check(t.Context())
	if _, err := os.Stat(d.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a ballast that is off stays: %v", err)
	}
	d.room = 0
	if off.Check(t.Context()); off.Full() {
		t.Error("without ballast the disk is full")
	}
	// Who can't tell the room leaves all as it is.
	d.room, d.err = 0, errors.New("stale handle")
	b := ballast.New(d.path, size, d.free, log)
	if b.Check(t.Context()); b.Full() {
		t.Error("full, though nobody knows")
	}
}

func TestBallastIsLookedAtEachSecond(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &disk{path: filepath.Join(dir, ballast.File), room: 10 * size}
		var mu sync.Mutex
		free := func() (uint64, error) {
			mu.Lock()
			defer mu.Unlock()
			return d.free()
		}
		b := ballast.New(d.path, size, free, slog.New(slog.DiscardHandler))
		go b.Run(t.Context(), clock.System{})
		time.Sleep(1500 * time.Millisecond)
		mu.Lock()
		d.room = size // seen at the next look
		mu.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
		if !b.Full() || b.Free() != 0 {
			t.Errorf("full %v with %d free", b.Full(), b.Free())
		}
	})
}
