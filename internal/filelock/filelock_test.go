package filelock_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/byre-messenger/byre/internal/filelock"
)

func TestOneHolderAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := filelock.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Lock(path); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("a second holder: %v, want ErrHeld", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := filelock.Lock(path)
	if err != nil {
		t.Fatalf("after the first went: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}
