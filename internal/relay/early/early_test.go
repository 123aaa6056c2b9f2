package early

import (
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/work"
)

// TestANameCostsWork: 16 bits at least, for this name on this connection alone,
// and five names in all.
func TestANameCostsWork(t *testing.T) {
	alice, err := ident.ParseName("alice")
	if err != nil {
		t.Fatal(err)
	}
	bob, err := ident.ParseName("bob")
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 32)
	pays := func(bits int) uint64 {
		t.Helper()
		n, err := work.Find(t.Context(), nonce, work.Name(alice.Key()), bits, nil)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var a Asked
	if n := pays(16); a.Name(false, nonce, alice, n, 0) != nil {
		t.Error("16 bits do not do")
	}
	little := uint64(0)
	for work.Proves(nonce, work.Name(alice.Key()), little, 16) {
		little++
	}
	if !errors.Is(a.Name(false, nonce, alice, little, 0), ErrWork) {
		t.Error("no work does")
	}
	if n := pays(16); !errors.Is(a.Name(false, nonce, bob, n, 0), ErrWork) || !errors.Is(a.Name(false, append(nonce, 1), alice, n, 0), ErrWork) {
		t.Error("the work serves for another name, or on another connection")
	}
	if n := pays(18); a.Name(false, nonce, alice, n, 18) != nil {
		t.Error("what an account costs does not do")
	}
	if !errors.Is(a.Name(false, nonce, alice, pays(16), 0), ErrNames) {
		t.Error("a sixth name is looked up")
	}
	if a.Name(true, nonce, alice, 0, 26) != nil || a.Costs(true) >= a.Costs(false) {
		t.Error("who has signed in pays")
	}
}
