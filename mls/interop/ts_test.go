package interop

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// peer is the Node program with ts-mls. One goroutine at a time may use it.
type peer struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// startPeer runs the peer that scripts/interop installed, until the test ends.
func startPeer(t *testing.T) *peer {
	t.Helper()
	dir := os.Getenv("BYRE_TSMLS")
	if dir == "" {
		t.Skip("skipped: set BYRE_TSMLS to an installed peer; scripts/interop does")
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(dir, "peer.mjs"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("peer: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // killed with the context of the test at the latest
	})
	return &peer{in, bufio.NewReaderSize(out, 1<<20)}
}

// refusedError is an answer of ts-mls: it did not do it.
type refusedError string

func (e refusedError) Error() string { return "ts-mls: " + string(e) }

func (p *peer) do(r request) (reply, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return reply{}, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return reply{}, fmt.Errorf("peer: %w", err)
	}
	line, err = p.out.ReadBytes('\n')
	if err != nil {
		return reply{}, fmt.Errorf("peer: %w", err)
	}
	var a reply
	if err := json.Unmarshal(line, &a); err != nil {
		return reply{}, fmt.Errorf("peer: %w", err)
	}
	if a.Error != "" {
		return reply{}, refusedError(a.Error)
	}
	return a, nil
}

// ts is a client in the peer.
type ts struct {
	*peer
	name string
}

func (c ts) do(r request) (reply, error) {
	r.Client = c.name
	a, err := c.peer.do(r)
	if refused, ok := errors.AsType[refusedError](err); ok {
		return a, fmt.Errorf("%s: %w", r.Op, refused)
	}
	return a, err
}
