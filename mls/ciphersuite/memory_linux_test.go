package ciphersuite_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/secret/secrettest"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// part says which process of the scene this test binary is.
const part = "BYRE_TEST_PART"

func TestMain(m *testing.M) {
	if os.Getenv(part) == "" {
		os.Exit(m.Run())
	}
	root := make([]byte, 32)
	if _, err := io.ReadFull(os.Stdin, root); err != nil {
		panic(err)
	}
	spend(root, false)
	for range 3 {
		runtime.GC() // what was allocated for keys is erased when it is freed
	}
	_, _ = fmt.Println("done")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test has looked
	runtime.KeepAlive(root)
}

// spend does with keys that follow from root what a group does in its life:
// epochs, a ratchet that moves on, messages, a path secret sent to a node. Keys
// are wiped where a group wipes them. It returns copies of them if it is to keep
// them.
func spend(root []byte, keep bool) (kept [][]byte) {
	s, err := ciphersuite.Lookup(ciphersuite.Default)
	if err != nil {
		panic(err)
	}
	saw := func(b secret.Bytes) secret.Bytes {
		if keep {
			kept = append(kept, slices.Clone(b.Reveal()))
		}
		return b
	}
	init := saw(s.Extract(secret.New(make([]byte, 32)), secret.New(slices.Clone(root))))
	for range 8 {
		epoch := saw(s.ExpandWithLabel(init, "epoch", root, s.HashSize()))
		ratchet := saw(s.DeriveSecret(epoch, "application"))
		for n := range uint32(8) {
			key := saw(s.DeriveTreeSecret(ratchet, "key", n, s.KeySize()))
			nonce := s.DeriveTreeSecret(ratchet, "nonce", n, s.NonceSize())
			ct, err := s.Seal(nil, key, nonce.Reveal(), nil, []byte("hello"))
			if err != nil {
				panic(err)
			}
			if _, err = s.Open(nil, key, nonce.Reveal(), nil, ct); err != nil {
				panic(err)
			}
			key.Wipe()
			s.StepRatchet(ratchet.Reveal(), n)
			saw(ratchet)
		}
		s.MAC(saw(s.DeriveSecret(epoch, "confirm")), root)
		priv, pub, err := s.DeriveKeyPair(saw(s.DeriveSecret(epoch, "node")))
		if err != nil {
			panic(err)
		}
		path := saw(s.DeriveSecret(epoch, "path"))
		c, err := s.EncryptWithLabel(pub, "UpdatePathNode", nil, path.Reveal())
		if err != nil {
			panic(err)
		}
		got, err := s.DecryptWithLabel(priv, "UpdatePathNode", nil, c)
		if err != nil || !got.Equal(path) {
			panic("a path secret does not arrive")
		}
		raw := priv.Bytes()
		saw(raw).Wipe()
		priv.Wipe()
		got.Wipe()
		path.Wipe()
		ratchet.Wipe()
		next := saw(s.DeriveSecret(epoch, "init"))
		epoch.Wipe()
		init.Wipe()
		init = next
	}
	init.Wipe()
	return kept
}

// TestNoKeyStaysInMemory: of the keys of epochs, messages and nodes that were
// used and wiped, the memory of the process that did so holds none. That the
// search finds dead keys where nothing erases them, the test of internal/secret
// shows.
func TestNoKeyStaysInMemory(t *testing.T) {
	if !secret.Erasing {
		t.Skip("skipped: this build does not erase; build with GOEXPERIMENT=runtimesecret on linux on amd64 or arm64")
	}
	root, memory := secrettest.MemoryOf(t, part+"=group")
	keys := spend(root, true)
	for i, key := range keys {
		if n := bytes.Count(memory, key); n > 0 {
			t.Errorf("%d copies of dead key %d of %d, which has %d bytes", n, i, len(keys), len(key))
		}
	}
}
