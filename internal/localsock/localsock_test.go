package localsock_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/localsock"
)

// TestAnyPath talks over sockets with short and long paths, over one that a
// crash left, and leaves nothing behind.
func TestAnyPath(t *testing.T) {
	short, err := os.MkdirTemp("", "s") //nolint:usetesting // the path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	dirs := []string{short}
	if runtime.GOOS == "linux" {
		dirs = append(dirs, filepath.Join(short, strings.Repeat("l", 120)))
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "x.sock")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		ln, err := localsock.Listen(t.Context(), path)
		if err != nil {
			t.Fatalf("%d bytes of path: %v", len(path), err)
		}
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("the socket: %v, %v; want mode 0600", info, err)
		}
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "moo")
			_ = conn.Close()
		}()
		conn, err := localsock.Dial(t.Context(), path)
		if err != nil {
			t.Fatalf("%d bytes of path: %v", len(path), err)
		}
		if got, err := io.ReadAll(conn); err != nil || string(got) != "moo" {
			t.Errorf("read %q, %v", got, err)
		}
		_ = conn.Close()
		if err := errors.Join(ln.Close(), ln.Close()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	}
}
