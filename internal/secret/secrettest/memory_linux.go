package secrettest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// MemoryOf runs this test binary once more with env, a NAME=value, gives it 32
// random bytes, the root, waits until it says a line, and returns the root and
// all that the process can write to. The process must still hold the root: that
// it is found is the control. It skips the test where memory can't be read.
func MemoryOf(t *testing.T, env string) (root, memory []byte) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self) //nolint:gosec // G204: the binary that runs this line
	cmd.Env = append(os.Environ(), env)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	root = make([]byte, 32)
	_, _ = rand.Read(root) // never fails
	if _, err := in.Write(root); err != nil {
		t.Fatal(err)
	}
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%s ended: %q, %v", env, said, err)
	}
	memory = read(t, cmd.Process.Pid)
	if !bytes.Contains(memory, root) {
		t.Fatalf("the control: the root that %s holds is not found", env)
	}
	return root, memory
}

// read returns all that a process can write to, but for empty pages.
func read(t *testing.T, pid int) (all []byte) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Skipf("skipped: the memory of a child can't be read here: %v", err)
	}
	defer func() { _ = mem.Close() }()
	empty := make([]byte, 4096)
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue
		}
		b := make([]byte, to-from)
		n, _ := mem.ReadAt(b, from)
		for page := range slices.Chunk(b[:n], len(empty)) {
			if !bytes.Equal(page, empty) { // most of what Go reserves
				all = append(all, page...)
			}
		}
	}
	return all
}
