//go:build testhooks

package clock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// FromFile returns a clock moved by the offset that stands in a file ("60h"),
// and with a wall that is wrong by what may stand behind it ("60h leap 720h"),
// read again and again until ctx ends. No file is no offset. It exists in test
// builds alone.
func FromFile(ctx context.Context, path string) (Clock, error) {
	offset, wrong, err := readOffset(path)
	if err != nil {
		return nil, err
	}
	c := Shift(System{}, offset)
	c.Leap(wrong)
	go func() {
		for c.Sleep(ctx, 20*time.Millisecond) == nil {
			// A file that is being written is read again.
			if offset, wrong, err := readOffset(path); err == nil {
				c.Set(offset)
				c.Leap(wrong)
			}
		}
	}()
	return c, nil
}

func readOffset(path string) (offset, wrong time.Duration, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("dev clock: %w", err)
	}
	gone, leap, leapt := strings.Cut(string(b), " leap ")
	if offset, err = time.ParseDuration(strings.TrimSpace(gone)); err == nil && leapt {
		wrong, err = time.ParseDuration(strings.TrimSpace(leap))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("dev clock: write an offset like 60h, or 60h leap 720h, into %s", path)
	}
	return offset, wrong, nil
}
