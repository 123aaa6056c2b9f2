package secret_test

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
)

// part says which process of the scene this test binary is.
const part = "BYRE_TEST_PART"

// keys is how many keys are derived, used and left.
const keys = 64

func TestMain(m *testing.M) {
	switch os.Getenv(part) {
	case "careful":
		use(secret.Do)
	case "careless":
		use(func(f func()) { f() })
	default:
		os.Exit(m.Run())
	}
}

// use reads a root, derives keys of it and seals and opens under each, as byre
// does. The root stays: it is what a search must find.
func use(do func(func())) {
	root := make([]byte, 32)
	if _, err := io.ReadFull(os.Stdin, root); err != nil {
		panic(err)
	}
	place, out := []byte("place"), make([]byte, 0, 256)
	for n := range keys {
		do(func() {
			key := derive(root, n)
			defer clear(key)
			block, _ := aes.NewCipher(key) // of 32 bytes
			aead, _ := cipher.NewGCM(block)
			nonce := make([]byte, aead.NonceSize())
			sealed := aead.Seal(nil, nonce, []byte("hello"), place)
			opened, err := aead.Open(out, nonce, sealed, place)
			if err != nil || string(opened) != "hello" {
				panic("it does not open")
			}
		})
	}
	for range 3 {
		runtime.GC() // what Do allocated is erased when it is freed
	}
	_, _ = fmt.Println("done")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test has looked
	runtime.KeepAlive(root)
}

func derive(root []byte, n int) []byte {
	key, err := hkdf.Expand(sha256.New, root, fmt.Sprintf("key %d", n), 32)
	if err != nil {
		panic(err)
	}
	return key
}

// TestDeadKeysAreErased searches the memory of a process for keys that it
// derived, used and left inside Do; and, so that the search is known to find
// such keys, that of one which did the same without Do.
func TestDeadKeysAreErased(t *testing.T) {
	if !secret.Erasing {
		t.Skip("skipped: this build does not erase; build with GOEXPERIMENT=runtimesecret on linux on amd64 or arm64")
	}
	if left := copies(t, "careless"); left == 0 {
		t.Error("the control: a careless process holds no dead key either, so the search does not work")
	} else {
		t.Logf("without Do: %d copies of %d dead keys", left, keys)
	}
	if left := copies(t, "careful"); left != 0 {
		t.Errorf("%d copies of dead keys are left", left)
	}
}

// copies returns how many copies of dead keys a process holds.
func copies(t *testing.T, who string) (found int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), part+"="+who)
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
	root := make([]byte, 32)
	_, _ = rand.Read(root)
	if _, err := in.Write(root); err != nil {
		t.Fatal(err)
	}
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%s ended: %q, %v", who, said, err)
	}
	memory := memoryOf(t, cmd.Process.Pid)
	if !bytes.Contains(memory, root) {
		t.Fatalf("the control: the root that %s holds is not found", who)
	}
	for n := range keys {
		found += bytes.Count(memory, derive(root, n))
	}
	return found
}

// memoryOf returns all that a process can write to, but for empty pages.
func memoryOf(t *testing.T, pid int) (all []byte) {
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
