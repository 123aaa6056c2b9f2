package sealer_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/sealer"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
)

// TestPlain holds Plain to the contract of [sealer.Sealer]; one that takes its
// place has to pass it as well.
func TestPlain(t *testing.T) {
	keys, err := atrest.New(secret.New([]byte(strings.Repeat("k", atrest.RootSize))))
	if err != nil {
		t.Fatal(err)
	}
	var s sealer.Sealer = sealer.NewPlain(keys)
	db := memstore.New()
	bob, carol := sealer.Owner{1}, sealer.Owner{2}
	key := atrest.Key(atrest.Mailbox, []byte("place"))
	sealed, err := s.Seal(bob, key, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	open := func(owner sealer.Owner, handle uint64, key, ciphertext []byte) (plain []byte, err error) {
		_ = db.View(t.Context(), func(r store.Reader) error {
			plain, err = s.Open(r, owner, handle, key, ciphertext)
			return nil
		})
		return plain, err
	}
	if _, err := open(bob, sealed.Handle, key, sealed.Ciphertext); !errors.Is(err, sealer.ErrForgotten) {
		t.Errorf("before its key is stored: %v", err)
	}
	var b store.Batch
	for _, kv := range sealed.Beside {
		if bytes.Contains(kv.Val, []byte("hello")) || bytes.Contains(sealed.Ciphertext, []byte("hello")) {
			t.Error("it is stored in plain")
		}
		b.Set(kv.Key, kv.Val)
	}
	if err := db.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if got, err := open(bob, sealed.Handle, key, sealed.Ciphertext); err != nil || string(got) != "hello" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if _, err := open(carol, sealed.Handle, key, sealed.Ciphertext); !errors.Is(err, sealer.ErrForgotten) {
		t.Errorf("with another owner: %v", err)
	}
	if _, err := open(bob, sealed.Handle, append(key, 1), sealed.Ciphertext); !errors.Is(err, atrest.ErrDamaged) {
		t.Errorf("in another place: %v", err)
	}
	again, err := s.Seal(bob, key, []byte("hello"))
	if err != nil || again.Handle == sealed.Handle || bytes.Equal(again.Ciphertext, sealed.Ciphertext) {
		t.Errorf("sealed twice, %v: it is the same", err)
	}
	for range 2 { // again is harmless
		b.Reset()
		for _, k := range s.Forget(bob, []uint64{sealed.Handle}) {
			b.Delete(k)
		}
		if err := db.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open(bob, sealed.Handle, key, sealed.Ciphertext); !errors.Is(err, sealer.ErrForgotten) {
		t.Errorf("after it was forgotten: %v", err)
	}
}
