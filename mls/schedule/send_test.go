package schedule

import (
	"errors"
	"testing"
)

// Rule 12: alice crashes at any moment around a save; no generation is ever
// used twice.
func TestACrashNeverRepeatsAGeneration(t *testing.T) {
	for sentBeforeCrash := range 5 {
		tree, _ := pair(t)
		used := map[uint32]bool{}
		for range 6 { // lives
			if _, err := tree.Reserve(Application, 4); err != nil {
				t.Fatal(err)
			}
			saved := save(tree) // durable before the first use
			for range sentBeforeCrash {
				g, _, err := tree.Next(Application)
				if errors.Is(err, ErrUnreserved) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if used[g] {
					t.Fatalf("%d sent a life: generation %d used twice", sentBeforeCrash, g)
				}
				used[g] = true
			}
			tree = restore(t, saved) // the crash: all that happened since is forgotten
		}
	}
}

// The attack on a state that is saved without a reservation: sending is refused.
func TestSendingNeedsAReservation(t *testing.T) {
	tree, _ := pair(t)
	if _, _, err := tree.Next(Application); !errors.Is(err, ErrUnreserved) {
		t.Fatalf("unreserved: %v", err)
	}
	if changed, err := tree.Reserve(Application, 2); err != nil || !changed {
		t.Fatalf("reserve: %v, %v", changed, err)
	}
	if changed, err := tree.Reserve(Application, 2); err != nil || changed {
		t.Fatalf("reserve again: changed %v, %v", changed, err)
	}
	if _, _, err := tree.Next(Handshake); !errors.Is(err, ErrUnreserved) {
		t.Errorf("the other ratchet: %v", err)
	}
	again := restore(t, save(tree))
	if _, _, err := again.Next(Application); !errors.Is(err, ErrUnreserved) {
		t.Errorf("after a restart: %v", err)
	}
	for range 2 {
		if _, _, err := tree.Next(Application); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := tree.Next(Application); !errors.Is(err, ErrUnreserved) {
		t.Errorf("reservation used up: %v", err)
	}
	if _, err := tree.Reserve(Application, MaxReserve+1); err == nil {
		t.Error("a reservation that receivers could not follow")
	}
}

// A state saved after sending holds no key of what was sent or may be sent.
func TestASavedStateStartsAfterTheReservation(t *testing.T) {
	tree, bobs := pair(t)
	if _, err := tree.Reserve(Application, 8); err != nil {
		t.Fatal(err)
	}
	again := restore(t, save(tree))
	if _, err := again.Reserve(Application, 1); err != nil {
		t.Fatal(err)
	}
	g, k, err := again.Next(Application)
	if err != nil || g != 8 {
		t.Fatalf("first generation after a restart: %d, %v", g, err)
	}
	c := claim(t, bobs, alice, 8)
	if !c.Key().Key.Equal(k.Key) {
		t.Error("bob derives another key")
	}
}

func TestWhoCannotSend(t *testing.T) {
	tree := newTree(t, suite1(t), 2)
	if _, _, err := tree.Next(Application); !errors.Is(err, ErrNoLeaf) {
		t.Errorf("no own leaf: %v", err)
	}
	tree, _ = pair(t)
	if _, err := tree.Reserve(Application, 3); err != nil {
		t.Fatal(err)
	}
	c, err := tree.Claim(bob, Handshake, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Consume(); err != nil { // the commit that ends the epoch
		t.Fatal(err)
	}
	(&Epoch{Suite: suite1(t), Tree: tree}).Retire()
	for _, tree := range []*SecretTree{tree, restore(t, save(tree))} {
		if _, _, err := tree.Next(Application); !errors.Is(err, ErrErased) {
			t.Errorf("a retired epoch sends: %v", err)
		}
		for generation, want := range []error{ErrConsumed, ErrErased} {
			if _, err := tree.Claim(bob, Handshake, uint32(generation)); !errors.Is(err, want) {
				t.Errorf("a retired epoch takes a handshake: %v", err)
			}
		}
		consume(t, tree, bob, 0) // but it reads what was on its way
	}
}
