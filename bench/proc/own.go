package proc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/pprof"
)

// FreePort returns a port that nobody listened on a moment ago.
func FreePort(ctx context.Context) (int, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	addr, ok := ln.Addr().(*net.TCPAddr)
	if err := ln.Close(); err != nil || !ok {
		return 0, errors.Join(errors.New("no port"), err)
	}
	return addr.Port, nil
}

// Profile starts a CPU profile of the generator, if a file is named.
func Profile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return func() { pprof.StopCPUProfile(); _ = f.Close() }, nil
}
