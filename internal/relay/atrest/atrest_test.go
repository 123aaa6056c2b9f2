package atrest_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/secret"
)

func keys(t *testing.T, root string) *atrest.Keys {
	t.Helper()
	k, err := atrest.New(secret.New([]byte(strings.Repeat(root, atrest.RootSize))))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestARecordOpensInItsPlaceAlone(t *testing.T) {
	k := keys(t, "k")
	alice, bob := k.Tag(atrest.Account, []byte("alice")), k.Tag(atrest.Account, []byte("bob"))
	at := atrest.Key(atrest.Account, alice[:])
	sealed := k.Seal(at, []byte("alice's"))
	if got, err := k.Open(at, sealed); err != nil || string(got) != "alice's" {
		t.Fatalf("Open = %q, %v", got, err)
	}
	if len(sealed) != len("alice's")+atrest.Overhead {
		t.Errorf("%d bytes", len(sealed))
	}
	if bytes.Equal(sealed, k.Seal(at, []byte("alice's"))) {
		t.Error("the same value looks the same twice")
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for what, try := range map[string]func() ([]byte, error){
		"bob's place":      func() ([]byte, error) { return k.Open(atrest.Key(atrest.Account, bob[:]), sealed) },
		"another kind":     func() ([]byte, error) { return k.Open(atrest.Key(atrest.Device, alice[:]), sealed) },
		"a longer key":     func() ([]byte, error) { return k.Open(atrest.Key(atrest.Account, alice[:], []byte{0}), sealed) },
		"another root key": func() ([]byte, error) { return keys(t, "x").Open(at, sealed) },
		"a changed byte":   func() ([]byte, error) { return k.Open(at, changed) },
		"nothing":          func() ([]byte, error) { return k.Open(at, nil) },
	} {
		if _, err := try(); !errors.Is(err, atrest.ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", what, err)
		}
	}
}

func TestTags(t *testing.T) {
	k := keys(t, "k")
	first := k.Tag(atrest.Name, []byte("alice"))
	if again := keys(t, "k").Tag(atrest.Name, []byte("alice")); again != first {
		t.Error("a tag changes with the next start")
	}
	seen := map[[atrest.TagSize]byte]string{}
	for _, c := range []struct {
		k    *atrest.Keys
		kind atrest.Kind
		id   string
	}{{k, atrest.Name, "alice"}, {k, atrest.Name, "bob"}, {k, atrest.Account, "alice"}, {keys(t, "x"), atrest.Name, "alice"}} {
		tag := c.k.Tag(c.kind, []byte(c.id))
		if was, ok := seen[tag]; ok {
			t.Errorf("%s has the tag of %s", c.id, was)
		}
		seen[tag] = c.id
	}
}

func TestRootKeySize(t *testing.T) {
	if _, err := atrest.New(secret.New([]byte("short"))); err == nil {
		t.Error("a short root key was taken")
	}
}
