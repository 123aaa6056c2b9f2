package enroll_test

import (
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store/memstore"
)

// TestAJoinerBelievesNoOtherChain: alice's PC has agreed to be one of her
// devices. A chain of mallory's, and one of alice's own that does not list it,
// make nothing of it, and it goes on waiting: it can't register meanwhile, until its
// person gives up.
func TestAJoinerBelievesNoOtherChain(t *testing.T) {
	s, err := (&memstore.Disk{}).Open()
	if err != nil {
		t.Fatal(err)
	}
	cfg := enroll.Config{Store: s, Server: "https://byre.test", Home: home.Options{
		Cost: home.WeakCostForTests(), Passphrase: func() (secret.Bytes, error) { return secret.New([]byte("alice's")), nil },
	}}
	j, err := enroll.Join(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, alice, err := account.New(false)
	if err != nil {
		t.Fatal(err)
	}
	_, mallory, err := account.New(false)
	if err != nil {
		t.Fatal(err)
	}
	name, err := ident.ParseName("alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Keep(t.Context(), linking.Asked{Account: alice.ID(), Name: name, Length: alice.Len(), Head: alice.Head(), Device: j.Me.Device, Consent: []byte("consent")}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Become(t.Context(), mallory); !errors.Is(err, account.ErrChain) {
		t.Errorf("mallory's chain: %v", err)
	}
	if _, err := j.Become(t.Context(), alice); !errors.Is(err, account.ErrChain) {
		t.Errorf("a chain that does not list it: %v", err)
	}
	if _, _, err := enroll.Register(t.Context(), cfg, "bob"); !errors.Is(err, enroll.ErrWaits) {
		t.Errorf("it registers: %v", err)
	}
	for range 2 {
		if err := enroll.GiveUp(t.Context(), cfg); err != nil {
			t.Errorf("it gives up: %v", err)
		}
	}
}
