package home

import (
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/store/storetest"
)

// TestThePowerGoesAtTheHeader takes the power while a home gets a second key and
// while a value is kept: the passphrase opens it still, and it has the old state
// or the new one.
func TestThePowerGoesAtTheHeader(t *testing.T) {
	for fault, done := range map[storetest.Fault]bool{
		storetest.FailBefore: false, storetest.FailAfter: true, storetest.CrashBefore: false, storetest.CrashAfter: true,
	} {
		disk := &memstore.Disk{}
		open := func() *storetest.Faulty {
			t.Helper()
			s, err := disk.Open()
			if err != nil {
				t.Fatal(err)
			}
			return storetest.NewFaulty(s, func() { disk.Crash(0) })
		}
		o := Options{Passphrase: says("cow"), Cost: WeakCostForTests()}
		s := open()
		create(t, s, o)
		s.Plan(1, fault)
		if err := AddKey(t.Context(), s, says("cow"), secret.New(make([]byte, rootSize))); err == nil {
			t.Fatal("no commit failed")
		}
		disk.Crash(0)
		s = open()
		if has, err := HasKey(t.Context(), s); err != nil || has != done {
			t.Errorf("fault %d: another key opens the home: %v, %v", fault, has, err)
		}
		h, err := Open(t.Context(), s, o)
		if err != nil {
			t.Fatalf("fault %d: %v", fault, err)
		}
		s.Plan(1, fault)
		if err := h.SetLocalValue(t.Context(), "draft", []byte("moo")); err == nil {
			t.Fatal("no commit failed")
		}
		disk.Crash(0)
		s = open()
		if h, err = Open(t.Context(), s, o); err != nil {
			t.Fatalf("fault %d: %v", fault, err)
		}
		if v, err := h.LocalValue(t.Context(), "draft"); err != nil || (string(v) == "moo") != done {
			t.Errorf("fault %d: the value is %q, %v", fault, v, err)
		}
	}
}
