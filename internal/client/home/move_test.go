package home

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/wire"
)

// old puts the home of version 1 that is kept as test data onto a disk: that of
// alice, who wrote with bob; "alice's passphrase" opens it.
func old(t *testing.T, disk *memstore.Disk) {
	t.Helper()
	data, err := os.ReadFile("testdata/v1.home")
	if err != nil {
		t.Fatal(err)
	}
	take := func() []byte {
		n, used := binary.Uvarint(data)
		out := data[used : used+int(n)]
		data = data[used+int(n):]
		return out
	}
	var b store.Batch
	for len(data) > 0 {
		b.Set(take(), take())
	}
	s, err := disk.Open()
	if err == nil {
		err = errors.Join(s.Commit(t.Context(), &b), s.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAHomeOfVersion1MovesForward opens it while a commit fails, each in turn
// and in each way, and then again: all of it is there, in the present form.
func TestAHomeOfVersion1MovesForward(t *testing.T) {
	o := Options{Passphrase: says("alice's passphrase"), Cost: WeakCostForTests()}
	for _, fault := range []storetest.Fault{storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter} {
		for n := 1; ; n++ {
			disk := &memstore.Disk{}
			old(t, disk)
			open := func() *storetest.Faulty {
				s, err := disk.Open()
				if err != nil {
					t.Fatal(err)
				}
				return storetest.NewFaulty(s, func() { disk.Crash(0) })
			}
			s := open()
			s.Plan(n, fault)
			_, failed := Open(t.Context(), s, o)
			disk.Crash(0)
			s = open()
			h, err := Open(t.Context(), s, o)
			if err != nil {
				t.Fatalf("commit %d, fault %d: %v", n, fault, err)
			}
			if header, err := readHeader(t.Context(), s); err != nil || header.Version != version || len(header.Moved) > 0 {
				t.Fatalf("commit %d: the header is %+v, %v", n, header, err)
			}
			checkAlice(t, h)
			if err := h.Shred(t.Context()); err != nil {
				t.Fatal(err)
			}
			if h, err = Open(t.Context(), s, o); err != nil {
				t.Fatal(err)
			}
			checkAlice(t, h)
			if failed == nil {
				if n < 2 {
					t.Fatalf("%d commits failed: this test looks at the wrong place", n)
				}
				break
			}
		}
	}
}

func checkAlice(t *testing.T, h *Home) {
	t.Helper()
	var texts [][]byte
	for k := Device; k < kinds; k++ {
		for it, err := range h.All(t.Context(), k) {
			if err != nil {
				t.Fatalf("kind %d: %v", k, err)
			}
			if k == Message {
				var rec wire.MessageRecord
				if err := rec.Parse(it.Record); err != nil {
					t.Fatal(err)
				}
				texts = append(texts, rec.Content)
			}
		}
	}
	all := bytes.Join(texts, nil)
	for _, want := range []string{"the cow is in the byre", "외양간은 잠겼다", "good night", "this one waits in the outbox"} {
		if !bytes.Contains(all, []byte(want)) {
			t.Errorf("%q is lost", want)
		}
	}
	var dev wire.DeviceRecord
	if ok, err := h.Get(t.Context(), h.Key(Device), &dev); !ok || err != nil || dev.Name != "alice" {
		t.Errorf("the device is %q, %v, %v", dev.Name, ok, err)
	}
}

// stubborn is a vault whose calls fail from the n-th on, before or after their
// effect.
type stubborn struct {
	Vault
	n     int
	after bool
}

func (s *stubborn) may(do func() error) error {
	if s.n--; s.n >= 0 {
		return do()
	}
	if s.after && s.n == -1 {
		_ = do()
	}
	return errors.New("no vault")
}

func (s *stubborn) Write(ctx context.Context, slot Slot) error {
	return s.may(func() error { return s.Vault.Write(ctx, slot) })
}

func (s *stubborn) Erase(ctx context.Context, generation uint64) error {
	return s.may(func() error { return s.Vault.Erase(ctx, generation) })
}

// TestAWipeFromAnyPoint interrupts a wipe at each of its steps: as soon as the
// slots are gone nothing opens, with the passphrase and all that was ever written.
func TestAWipeFromAnyPoint(t *testing.T) {
	for _, fault := range []storetest.Fault{0, storetest.FailBefore, storetest.CrashAfter} {
		v, err := found(bugs{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := v.change(func(tx *Tx, next map[place]*wire.MessageRecord) { v.write(tx, next, 0, 1, false) }); err != nil {
				t.Fatal(err)
			}
		}
		root := v.home.root.Clone()
		if fault != 0 {
			v.store.Plan(1, fault)
		}
		if err := v.home.Wipe(t.Context(), drawer{}); (err == nil) != (fault == 0) {
			t.Errorf("fault %d: %v", fault, err)
		}
		if tx := v.home.Begin(); true {
			tx.PutBytes(v.home.Key(Local), []byte("x"))
			if err := tx.Commit(t.Context()); !errors.Is(err, ErrGone) {
				t.Errorf("written after the wipe: %v", err)
			}
		}
		slots, _ := v.vault.Slots(t.Context())
		if opens := (detective{*v.tape.all, slots, root, v.home.ring}).opens(v.ever); len(opens) > 0 {
			t.Errorf("fault %d: after the wipe opens %v", fault, opens)
		}
		if err := v.reopen(); !errors.Is(err, ErrGone) && !errors.Is(err, ErrNone) {
			t.Errorf("fault %d: the home opens: %v", fault, err)
		}
		if err := Wipe(t.Context(), v.store, v.vault, nil); err != nil {
			t.Errorf("wiped again: %v", err)
		}
		if err := v.reopen(); !errors.Is(err, ErrNone) {
			t.Errorf("after a whole wipe: %v", err)
		}
	}
	// A vault that fails is told, and the wipe can be repeated.
	v, err := found(bugs{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Wipe(t.Context(), v.store, &stubborn{Vault: v.vault}, nil); err == nil {
		t.Error("a vault that erases nothing was not told")
	}
}

// TestAVaultThatFails takes the power at each call of the vault while keys are
// destroyed: what lives is read afterwards, and the next time what was deleted
// dies.
func TestAVaultThatFails(t *testing.T) {
	for n := range 4 {
		for _, after := range []bool{false, true} {
			v, err := found(bugs{})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := v.change(func(tx *Tx, next map[place]*wire.MessageRecord) { v.write(tx, next, 0, 1, false) }); err != nil {
					t.Fatal(err)
				}
			}
			if err := v.change(func(tx *Tx, next map[place]*wire.MessageRecord) { v.remove(tx, next, place{0, 2}) }); err != nil {
				t.Fatal(err)
			}
			v.home.vault = &stubborn{v.vault, n, after}
			_ = v.home.Shred(t.Context())
			if err := v.reopen(); err != nil {
				t.Fatalf("call %d: %v", n, err)
			}
			if err := v.home.Shred(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(v.same(v.live), v.search()); err != nil {
				t.Errorf("call %d, after %v: %v", n, after, err)
			}
		}
	}
}
