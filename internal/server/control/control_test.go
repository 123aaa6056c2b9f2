package control_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/server/control"
)

func TestTheOperatorAsks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	var n int
	if err := control.Ask(t.Context(), path, "status", &n); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("without a server: %v", err)
	}
	// What a crash left must not stand in the way.
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := control.Listen(t.Context(), path, control.Ops{
		"status": func(context.Context) (any, error) { return 42, nil },
		"fail":   func(context.Context) (any, error) { return nil, errors.New("the disk is full") },
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { s.Serve(t.Context()); close(done) }()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode: %v, %v", info.Mode(), err)
	}
	if err := control.Ask(t.Context(), path, "status", &n); err != nil || n != 42 {
		t.Errorf("status: %d, %v", n, err)
	}
	if err := control.Ask(t.Context(), path, "fail", &n); err == nil || err.Error() != "the disk is full" {
		t.Errorf("fail: %v", err)
	}
	if err := control.Ask(t.Context(), path, "read everything", &n); err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("an unknown question: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
}
