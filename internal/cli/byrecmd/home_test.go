package byrecmd

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/filelock"
)

// TestOneHomeTwoCommands: the second waits until the first ends, and says what
// to do where it does not.
func TestOneHomeTwoCommands(t *testing.T) {
	home := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		first, err := filelock.Lock(filepath.Join(home, "lock"))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := takeLock(t.Context(), &cli.Env{}, home); !errors.Is(err, errInUse) {
			t.Errorf("the first does not end: %v, want %v", err, errInUse)
		}
		if waited := time.Since(start); waited != lockPatience {
			t.Errorf("waited %s, want %s", waited, lockPatience)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := takeLock(ctx, &cli.Env{}, home); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Ctrl-C: %v", err)
		}
		time.AfterFunc(time.Second, func() { _ = first.Close() })
		second, err := takeLock(t.Context(), &cli.Env{}, home)
		if err != nil {
			t.Fatalf("the first ended: %v", err)
		}
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	})
}
