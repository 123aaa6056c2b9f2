package secret_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/secret/secrettest"
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
	root, memory := secrettest.MemoryOf(t, part+"="+who)
	for n := range keys {
		found += bytes.Count(memory, derive(root, n))
	}
	return found
}
