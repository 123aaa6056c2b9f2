package vault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
)

func newFile(t *testing.T, dir string) *File {
	t.Helper()
	f, err := NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestVaults holds every vault, and the tape that stands for one in other tests,
// to the contract.
func TestVaults(t *testing.T) {
	for name, v := range map[string]Vault{"file": newFile(t, filepath.Join(t.TempDir(), "vault")), "memory": &Memory{}, "tape": &tape{}} {
		t.Run(name, func(t *testing.T) {
			has := func(want ...uint64) {
				t.Helper()
				slots, err := v.Slots()
				if err != nil {
					t.Fatal(err)
				}
				var got []uint64
				for _, s := range slots {
					got = append(got, s.Generation)
					if want := byte(s.Generation); s.Key.Len() != seal.KeySize || s.Key.Reveal()[0] != want {
						t.Errorf("the key of %d begins with %x", s.Generation, s.Key.Reveal())
					}
					s.Key.Wipe() // a copy
				}
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("slots %d, want %d", got, want)
				}
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			write := func(g uint64) {
				t.Helper()
				k := secret.New(slices.Repeat([]byte{byte(g)}, seal.KeySize))
				must(v.Write(Slot{g, k}))
				k.Wipe() // the vault has a copy
			}
			has()
			must(v.Erase(0))
			write(1)
			has(1)
			write(2)
			has(1, 2)
			must(v.Erase(1))
			must(v.Erase(1))
			has(2)
			write(3)
			must(v.Erase(1)) // its place is another's
			has(2, 3)
			write(4) // over 2
			has(3, 4)
		})
	}
}

// TestAnErasedSlotIsOverwritten: nothing of a key is left in the vault's files,
// and what is left of an interrupted writing is no slot.
func TestAnErasedSlotIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	v := newFile(t, dir)
	key := seal.NewKey()
	if err := v.Write(Slot{7, key}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "slot1")
	written, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(written, key.Reveal()) {
		t.Fatalf("the key is not where it is looked for: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || info.Size() != slotFile {
		t.Errorf("%v, %v", info, err)
	}
	if err := v.Erase(7); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadFile(path); err != nil || len(left) != slotFile || bytes.ContainsFunc(left, func(r rune) bool { return r != 0 }) {
		t.Errorf("something is left: %v", err)
	}
	for n := range slotSize {
		half := slices.Clone(written)
		clear(half[n:])
		if n < slotSize-1 {
			half[n] ^= 1
		}
		if err := os.WriteFile(path, half, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := newFile(t, dir).Slots(); err != nil || (len(got) > 0 && !bytes.Equal(half, written)) {
			t.Fatalf("cut at %d: %d slots, %v", n, len(got), err)
		}
	}
}

// TestOnFiles: the whole, on a disk, over a restart.
func TestOnFiles(t *testing.T) {
	dir := t.TempDir()
	c := Config{
		Vault: newFile(t, dir), Checkpoints: NewFiles(dir), Retention: seal.MaxRetention,
		Wall: time.Date(2014, 10, 1, 0, 0, 0, 0, time.UTC),
	}
	_, keys, _, err := Start(c, nothing)
	if err != nil {
		t.Fatal(err)
	}
	h, sealed, err := keys.Seal(seal.Owner{1}, place, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	held := func(yield func(seal.Held, error) bool) { yield(seal.Held{Owner: seal.Owner{1}, Handle: h}, nil) }
	for range 2 { // killed, then ended in order
		c.Vault = newFile(t, dir)
		var k *Keeper
		if k, keys, _, err = Start(c, held); err != nil {
			t.Fatal(err)
		}
		if got, err := keys.Open(seal.Owner{1}, h, place, sealed); err != nil || string(got) != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
		if err := k.Close(keys.Mark()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := keys.Seal(seal.Owner{1}, nil, nil); !errors.Is(err, seal.ErrTurn) {
			t.Errorf("sealing after the end: %v", err)
		}
	}
	// The engine holds it no more: the next start destroys its key.
	if _, _, _, err = Start(c, nothing); err != nil {
		t.Fatal(err)
	}
	if _, keys, _, err = Start(c, held); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Open(seal.Owner{1}, h, place, sealed); !errors.Is(err, seal.ErrForgotten) {
		t.Errorf("%v, want ErrForgotten", err)
	}
}

func nothing(func(seal.Held, error) bool) {}

// TestAWildClockDestroysNothing: a clock far ahead is asked about, and until it
// is answered nothing is written; one that is behind is told.
func TestAWildClockDestroysNothing(t *testing.T) {
	s := newScene(t, 1, noBug)
	r := s.seal(true)
	ops := s.tape.ops
	c := Config{Vault: s.tape, Checkpoints: places{s.tape}, Retention: seal.MaxRetention, Wall: s.now.Wall.Add(400 * 24 * time.Hour)}
	if _, _, _, err := Start(c, s.held()); !errors.Is(err, ErrClock) || s.tape.ops != ops {
		t.Fatalf("%v, %d writes; want ErrClock and none", err, s.tape.ops-ops)
	}
	s.start() // the clock is right again
	if r.gone {
		t.Error("a wild clock destroyed a record")
	}
	c.Confirmed = true
	_, keys, _, err := Start(c, s.held())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Open(r.owner, r.handle, place, r.ciphertext); !errors.Is(err, seal.ErrForgotten) {
		t.Errorf("after 400 days: %v", err)
	}
	c.Wall, c.Confirmed = s.now.Wall, false
	if _, _, behind, err := Start(c, s.held()); err != nil || !behind {
		t.Errorf("a clock that is behind: %v, %v", behind, err)
	}
}

// TestLostCheckpoints: a vault whose checkpoints are gone is no new vault.
func TestLostCheckpoints(t *testing.T) {
	s := newScene(t, 1, noBug)
	r := s.seal(true)
	s.checkpoint()
	for _, damage := range []func(){
		func() { s.tape.places[0][20] ^= 1; s.tape.places[1] = nil },
		func() { s.tape.places = [2][]byte{} },
	} {
		damage()
		c := Config{Vault: s.tape, Checkpoints: places{s.tape}, Retention: seal.MaxRetention, Wall: s.now.Wall}
		ops := s.tape.ops
		if _, _, _, err := Start(c, s.held()); !errors.Is(err, ErrLost) || s.tape.ops != ops {
			t.Fatalf("%v, %d writes; want ErrLost and none", err, s.tape.ops-ops)
		}
		c.Discard = true
		_, keys, _, err := Start(c, s.held())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(r.owner, r.handle, place, r.ciphertext); !errors.Is(err, seal.ErrForgotten) {
			t.Errorf("%v, want ErrForgotten", err)
		}
		h, _, err := keys.Seal(r.owner, place, nil)
		if err != nil || h == r.handle {
			t.Errorf("%v; the handle of what was given up: %v", err, h == r.handle)
		}
	}
}

// TestLostSlots: a vault that is empty although something waits, as one is that
// was not mounted, is no new vault. One that ends with the process is, each time.
func TestLostSlots(t *testing.T) {
	for name, lose := range map[string]func(tp *tape){
		"the slots alone":         func(tp *tape) { tp.slots = [2]Slot{} },
		"slots and checkpoints":   func(tp *tape) { tp.slots, tp.places = [2]Slot{}, [2][]byte{} },
		"all but a first attempt": func(tp *tape) { tp.slots, tp.places = [2]Slot{1: {1, seal.NewKey()}}, [2][]byte{} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, 1, noBug)
			r := s.seal(true)
			s.checkpoint()
			lose(s.tape)
			c := Config{Vault: s.tape, Checkpoints: places{s.tape}, Retention: seal.MaxRetention, Wall: s.now.Wall}
			ops := s.tape.ops
			if _, _, _, err := Start(c, s.held()); !errors.Is(err, ErrLost) || s.tape.ops != ops {
				t.Fatalf("%v, %d writes; want ErrLost and none", err, s.tape.ops-ops)
			}
			c.Discard = true
			_, keys, _, err := Start(c, s.held())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := keys.Open(r.owner, r.handle, place, r.ciphertext); !errors.Is(err, seal.ErrForgotten) {
				t.Errorf("%v, want ErrForgotten", err)
			}
			if h, _, err := keys.Seal(r.owner, place, nil); err != nil || h == r.handle {
				t.Errorf("%v; the handle of what was given up: %v", err, h == r.handle)
			}
			lose(s.tape)
			c.Discard = false
			if _, _, _, err := Start(c, nothing); err != nil {
				t.Errorf("where nothing waits: %v", err)
			}
			c.Vault, c.Checkpoints = &Memory{}, &Shelf{}
			if _, _, _, err := Start(c, s.held()); err != nil {
				t.Errorf("in memory: %v", err)
			}
		})
	}
}

// TestAFirstStartIsInterrupted: at whatever write, twice, the third succeeds.
func TestAFirstStartIsInterrupted(t *testing.T) {
	for first := 1; first <= 3; first++ {
		for second := range 4 {
			for _, f := range []fate{before, torn, after} {
				tp := &tape{}
				c := Config{Vault: tp, Checkpoints: places{tp}, Retention: seal.MaxRetention, Wall: time.Date(2014, 10, 1, 0, 0, 0, 0, time.UTC)}
				for _, n := range []int{first, second} {
					if tp.off = false; n > 0 {
						tp.plan(n, f, false)
						if _, _, _, err := Start(c, nothing); !errors.Is(err, errPower) {
							t.Fatalf("writes %d, %d, fate %d: %v", first, second, f, err)
						}
					}
				}
				tp.off = false
				if _, _, _, err := Start(c, nothing); err != nil {
					t.Errorf("writes %d, %d, fate %d: %v", first, second, f, err)
				}
			}
		}
	}
}
