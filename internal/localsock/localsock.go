// Package localsock is how the programs of one machine talk to each other: a
// socket in a directory that its owner alone may enter, however long its path.
package localsock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
)

// maxPath is the longest path in bytes that every system takes for a socket
// (sockaddr_un: 108 on Linux, 104 on macOS, with a zero at the end).
const maxPath = 103

// Listen makes the socket at path, for its owner alone, and replaces one that a
// crash left: the caller holds the directory's lock. Closing the listener
// removes the socket.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("socket: %w", err)
	}
	reached, done, err := reach(path)
	if err != nil {
		return nil, err
	}
	defer done()
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", reached)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the path it knows may be another by then
	}
	l := &listener{Listener: ln, path: path}
	// Between the two calls the directory's mode (0700) keeps others out.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), l.Close())
	}
	return l, nil
}

// Dial connects to the socket at path.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	reached, done, err := reach(path)
	if err != nil {
		return nil, err
	}
	defer done()
	return new(net.Dialer).DialContext(ctx, "unix", reached)
}

// reach returns a path to the same file that fits into a socket's address, and
// what to call once it is used. On Linux a directory's descriptor is a path.
func reach(path string) (string, func(), error) {
	if len(path) <= maxPath {
		return path, func() {}, nil
	}
	if runtime.GOOS == "linux" {
		if dir, err := os.Open(filepath.Dir(path)); err == nil {
			short := "/proc/self/fd/" + strconv.Itoa(int(dir.Fd()))
			if _, err := os.Stat(short); err == nil {
				return short + "/" + filepath.Base(path), func() { _ = dir.Close() }, nil
			}
			_ = dir.Close()
		}
	}
	return "", nil, fmt.Errorf("the path %s is too long for a socket (at most %d bytes): choose a directory with a shorter one", path, maxPath)
}

type listener struct {
	net.Listener

	path string
	once sync.Once
	err  error
}

// Close implements [net.Listener].
func (l *listener) Close() error {
	l.once.Do(func() {
		err := os.Remove(l.path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		l.err = errors.Join(err, l.Listener.Close())
	})
	return l.err
}
