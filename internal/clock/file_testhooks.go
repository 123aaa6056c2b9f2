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
// read again and again until ctx ends. No file is no offset. It exists in test
// builds alone.
func FromFile(ctx context.Context, path string) (Clock, error) {
	first, err := readOffset(path)
	if err != nil {
		return nil, err
	}
	c := Shift(System{}, first)
	go func() {
		for c.Sleep(ctx, 20*time.Millisecond) == nil {
			// A file that is being written is read again.
			if d, err := readOffset(path); err == nil {
				c.Set(d)
			}
		}
	}()
	return c, nil
}

func readOffset(path string) (time.Duration, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("dev clock: %w", err)
	}
	d, err := time.ParseDuration(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("dev clock: write an offset like 60h into %s", path)
	}
	return d, nil
}
