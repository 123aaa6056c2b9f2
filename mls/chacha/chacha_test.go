package chacha_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/byre-messenger/byre/mls/chacha"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

// A program brings the suite along and makes a group of it.
func Example() {
	chacha.Use()
	id := ciphersuite.X25519_CHACHA20POLY1305_SHA256_Ed25519
	s, err := ciphersuite.Lookup(id)
	if err != nil {
		panic(err)
	}
	signer, err := s.GenerateSigningKey()
	if err != nil {
		panic(err)
	}
	g, err := group.Create(group.CreateOptions{
		Suite: id, Identity: []byte("alice"), Signer: signer,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<40, 0),
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(g.Suite())
	// Output: MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519
}

// The message layer and HPKE, which brings its own ChaCha20-Poly1305, both open
// what they sealed; the official vectors do the rest in the packages' own tests.
func TestUseTwice(t *testing.T) {
	chacha.Use()
	chacha.Use()
	s, err := ciphersuite.Lookup(0x0003)
	if err != nil {
		t.Fatal(err)
	}
	key, nonce := ciphersuite.Random(s.KeySize()), make([]byte, s.NonceSize())
	sealed, err := s.Seal(nil, key, nonce, []byte("aad"), []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(nil, key, nonce, []byte("aad"), sealed); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	sealed[0] ^= 1
	if _, err := s.Open(nil, key, nonce, []byte("aad"), sealed); err == nil {
		t.Error("a changed byte opens")
	}
}
