package home

import (
	"bytes"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
)

// TestAKeyOpensTheHomeAgain: a browser's tabs hold the key that opened the home,
// and the one that takes over asks nobody.
func TestAKeyOpensTheHomeAgain(t *testing.T) {
	s := memstore.New()
	var made, opened secret.Bytes
	create(t, s, Options{Passphrase: says("x"), Opened: func(k secret.Bytes) { made = k }})
	if _, err := Open(t.Context(), s, Options{Passphrase: says("x"), Opened: func(k secret.Bytes) { opened = k }}); err != nil {
		t.Fatal(err)
	}
	if made.Len() != rootSize || !made.Equal(opened) {
		t.Error("the key that made the home is not the one that opens it")
	}
	if _, err := Open(t.Context(), s, Options{Passphrase: asksNobody(t), Key: opened}); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), s, Options{Passphrase: says("y"), Key: random(rootSize)}); !errors.Is(err, ErrPassphrase) {
		t.Errorf("another key: %v", err)
	}
	if _, err := Open(t.Context(), s, Options{Passphrase: says("x"), Key: random(rootSize)}); err != nil {
		t.Errorf("another key and the passphrase: %v", err)
	}
}

func TestAKeyIsAddedAndRemoved(t *testing.T) {
	s := memstore.New()
	h := create(t, s, Options{Passphrase: says("x")})
	if err := h.SetLocalValue(t.Context(), "draft", []byte("canary")); err != nil {
		t.Fatal(err)
	}
	key := random(rootSize)
	if err := AddKey(t.Context(), s, says("y"), key); !errors.Is(err, ErrPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if has, err := HasKey(t.Context(), s); has || err != nil {
		t.Errorf("before: %v, %v", has, err)
	}
	if err := AddKey(t.Context(), s, says("x"), key); err != nil {
		t.Fatal(err)
	}
	if has, err := HasKey(t.Context(), s); !has || err != nil {
		t.Errorf("after: %v, %v", has, err)
	}
	h, err := Open(t.Context(), s, Options{Passphrase: asksNobody(t), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.LocalValue(t.Context(), "draft"); string(got) != "canary" || err != nil {
		t.Errorf("the home that the key opens holds %q, %v", got, err)
	}
	if _, err := Open(t.Context(), s, Options{Passphrase: says("x")}); err != nil {
		t.Errorf("the passphrase: %v", err)
	}
	if err := h.CheckKey(t.Context(), key); err != nil {
		t.Errorf("the key proves nothing: %v", err)
	}
	for _, other := range []secret.Bytes{random(rootSize), {}} {
		if err := h.CheckKey(t.Context(), other); !errors.Is(err, ErrPassphrase) {
			t.Errorf("another key proves: %v", err)
		}
	}
	if err := RemoveKey(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := h.CheckKey(t.Context(), key); err == nil {
		t.Error("the key that was removed proves")
	}
	if _, err := Open(t.Context(), s, Options{Passphrase: says(""), Key: key}); !errors.Is(err, ErrPassphrase) {
		t.Errorf("the key that was removed: %v", err)
	}
}

func TestLocalValuesAreSealed(t *testing.T) {
	s := memstore.New()
	h := create(t, s, Options{Passphrase: says("x")})
	if got, err := h.LocalValue(t.Context(), "a"); got != nil || err != nil {
		t.Errorf("nothing: %q, %v", got, err)
	}
	if err := h.SetLocalValue(t.Context(), "a", []byte("the canary sings")); err != nil {
		t.Fatal(err)
	}
	if err := s.View(t.Context(), func(r store.Reader) error {
		for kv, err := range r.Scan(nil, nil, 0) {
			if err != nil {
				return err
			}
			if bytes.Contains(kv.Val, []byte("canary")) {
				t.Error("a value stands in plain")
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := h.SetLocalValue(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	if got, err := h.LocalValue(t.Context(), "a"); got != nil || err != nil {
		t.Errorf("removed: %q, %v", got, err)
	}
}
