package sign_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/sign"
)

func TestASignatureServesOneContext(t *testing.T) {
	alice, mallory := sign.NewKey(), sign.NewKey()
	sig := alice.Sign(sign.SignIn, []byte("nonce"), []byte("counter"))
	if err := sign.Verify(alice.Public(), sign.SignIn, sig, []byte("noncecounter")); err != nil {
		t.Fatal(err)
	}
	tampered := append([]byte(nil), sig...)
	tampered[9] ^= 1
	for name, err := range map[string]error{
		"another context": sign.Verify(alice.Public(), sign.Chain, sig, []byte("noncecounter")),
		"another payload": sign.Verify(alice.Public(), sign.SignIn, sig, []byte("nonce")),
		"another key":     sign.Verify(mallory.Public(), sign.SignIn, sig, []byte("noncecounter")),
		"a flipped bit":   sign.Verify(alice.Public(), sign.SignIn, tampered, []byte("noncecounter")),
		"no signature":    sign.Verify(alice.Public(), sign.SignIn, nil, []byte("noncecounter")),
		"no key":          sign.Verify(nil, sign.SignIn, sig, []byte("noncecounter")),
	} {
		if !errors.Is(err, sign.ErrBad) {
			t.Errorf("%s: %v, want ErrBad", name, err)
		}
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	k, err := sign.KeyFromSeed([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
		if got := fmt.Sprintf(verb, k); strings.Contains(got, "0123") || strings.Contains(got, "30313233") {
			t.Errorf("%s prints the seed: %s", verb, got)
		}
	}
	if _, err := sign.KeyFromSeed([]byte("short")); err == nil {
		t.Error("a short seed was taken")
	}
}
