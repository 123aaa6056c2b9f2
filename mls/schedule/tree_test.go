package schedule

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

const (
	alice = uint32(0)
	bob   = uint32(1)
)

func suite1(tb testing.TB) ciphersuite.Suite {
	tb.Helper()
	s, err := ciphersuite.Lookup(ciphersuite.X25519_AES128GCM_SHA256_Ed25519)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// pair returns the trees of alice, who sends, and bob, who receives.
func pair(tb testing.TB) (sending, receiving *SecretTree) {
	tb.Helper()
	s := suite1(tb)
	root := ciphersuite.Random(s.HashSize())
	sending, err := NewSecretTree(s, root.Clone(), 2, alice)
	if err != nil {
		tb.Fatal(err)
	}
	receiving, err = NewSecretTree(s, root, 2, bob)
	if err != nil {
		tb.Fatal(err)
	}
	return sending, receiving
}

func save(t *SecretTree) []byte { return t.AppendState(nil) }

func restore(tb testing.TB, state []byte) *SecretTree {
	tb.Helper()
	r := syntax.NewReader(state)
	t := ReadSecretTree(r)
	if err := r.Done(); err != nil {
		tb.Fatal(err)
	}
	return t
}

func claim(tb testing.TB, t *SecretTree, leaf, generation uint32) *Claim {
	tb.Helper()
	c, err := t.Claim(leaf, Application, generation)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func consume(tb testing.TB, t *SecretTree, leaf, generation uint32) {
	tb.Helper()
	if err := claim(tb, t, leaf, generation).Consume(); err != nil {
		tb.Fatal(err)
	}
}

func refused(tb testing.TB, t *SecretTree, leaf, generation uint32, want error) {
	tb.Helper()
	if _, err := t.Claim(leaf, Application, generation); !errors.Is(err, want) {
		tb.Errorf("leaf %d, generation %d: got %v, want %v", leaf, generation, err, want)
	}
}

// Both sides derive the same keys, in and out of order.
func TestBobFollowsAlice(t *testing.T) {
	sending, receiving := pair(t)
	if _, err := sending.Reserve(Application, 10); err != nil {
		t.Fatal(err)
	}
	var sent []MessageKey
	for i := range uint32(10) {
		g, k, err := sending.Next(Application)
		if err != nil || g != i {
			t.Fatalf("generation %d: got %d, %v", i, g, err)
		}
		sent = append(sent, k)
	}
	for _, g := range []uint32{3, 0, 9, 1, 2, 4, 8, 7, 6, 5} {
		c := claim(t, receiving, alice, g)
		if !c.Key().Key.Equal(sent[g].Key) || !c.Key().Nonce.Equal(sent[g].Nonce) {
			t.Errorf("generation %d: keys differ", g)
		}
		if err := c.Consume(); err != nil {
			t.Fatal(err)
		}
	}
}

// Rule 6: a generation is accepted once, before and after a restart.
func TestAGenerationIsAcceptedOnce(t *testing.T) {
	_, tree := pair(t)
	consume(t, tree, alice, 5)
	consume(t, tree, alice, 2) // one that 5 had skipped
	for _, tree := range []*SecretTree{tree, restore(t, save(tree))} {
		refused(t, tree, alice, 5, ErrConsumed)
		refused(t, tree, alice, 2, ErrConsumed)
		consume(t, tree, alice, 3) // a skipped key survives the restart
		refused(t, tree, alice, 3, ErrConsumed)
	}
}

// Rule 6, with two claims of one generation open at once.
func TestTwoClaimsOfOneGeneration(t *testing.T) {
	_, tree := pair(t)
	first, second := claim(t, tree, alice, 4), claim(t, tree, alice, 4)
	if err := first.Consume(); err != nil {
		t.Fatal(err)
	}
	if err := second.Consume(); !errors.Is(err, ErrConsumed) {
		t.Errorf("second claim: %v", err)
	}
	if err := first.Consume(); !errors.Is(err, ErrConsumed) {
		t.Errorf("the first one again: %v", err)
	}
}

// A claim that others overtook still consumes what the tree has become.
func TestAStaleClaimFollowsTheTree(t *testing.T) {
	_, tree := pair(t)
	early := claim(t, tree, alice, 1)
	key := early.Key().Key.Clone()
	consume(t, tree, alice, 7)
	if err := early.Consume(); err != nil {
		t.Fatal(err)
	}
	refused(t, tree, alice, 1, ErrConsumed)
	refused(t, tree, alice, 7, ErrConsumed)
	if k := claim(t, tree, alice, 2).Key().Key; k.Equal(key) {
		t.Error("generations 1 and 2 share a key")
	}
}

// Rule 7: a forged message leaves no trace, however far ahead it points.
func TestAForgeryChangesNothing(t *testing.T) {
	for _, heard := range []bool{false, true} {
		_, tree := pair(t)
		if heard {
			consume(t, tree, alice, 0)
			consume(t, tree, alice, 3)
		}
		before := save(tree)
		for _, g := range []uint32{1, 2, 4, MaxForward} {
			claim(t, tree, alice, g).Drop() // its AEAD did not open
		}
		refused(t, tree, alice, MaxForward+5, ErrTooFar)
		refused(t, tree, alice, math.MaxUint32, ErrTooFar)
		if !bytes.Equal(before, save(tree)) {
			t.Errorf("heard before: %v: the state changed", heard)
		}
		consume(t, tree, alice, 4)
	}
}

// Rule 7: the forward distance is bounded, and counts from the ratchet.
func TestForwardDistanceIsBounded(t *testing.T) {
	_, tree := pair(t)
	refused(t, tree, alice, MaxForward+1, ErrTooFar)
	consume(t, tree, alice, MaxForward)
	refused(t, tree, alice, 2*MaxForward+2, ErrTooFar)
	consume(t, tree, alice, 2*MaxForward+1)
	// SHA-384 is dearer: there it is less.
	pq, err := ciphersuite.Lookup(ciphersuite.Default)
	if err != nil {
		t.Fatal(err)
	}
	tree = newTree(t, pq, 2)
	refused(t, tree, alice, maxForward384+1, ErrTooFar)
	consume(t, tree, alice, maxForward384)
	refused(t, tree, alice, 2*maxForward384+2, ErrTooFar)
}

// Rule 7: the window of skipped keys is bounded and evicts the oldest, within
// one jump and over several.
func TestSkippedKeysAreEvicted(t *testing.T) {
	_, tree := pair(t)
	consume(t, tree, alice, MaxForward)
	r := &tree.senders[alice][Application]
	if len(r.skipped) != MaxSkipped {
		t.Fatalf("%d skipped keys", len(r.skipped))
	}
	refused(t, tree, alice, MaxForward-MaxSkipped-1, ErrConsumed)
	consume(t, tree, alice, MaxForward-MaxSkipped)
	for g := uint32(MaxForward + 2); g < MaxForward+2*MaxSkipped+10; g += 2 {
		consume(t, tree, alice, g)
		if len(r.skipped) > MaxSkipped {
			t.Fatalf("%d skipped keys", len(r.skipped))
		}
	}
	refused(t, tree, alice, MaxForward-1, ErrConsumed)
	consume(t, tree, alice, MaxForward+2*MaxSkipped+7)
}

// Rule 5: what was used is overwritten in memory and absent from the state.
func TestSecretsAreErasedOnUse(t *testing.T) {
	s := suite1(t)
	encryption := ciphersuite.Random(s.HashSize())
	tree, err := NewSecretTree(s, encryption, 8, NoLeaf)
	if err != nil {
		t.Fatal(err)
	}
	gone := map[string]secret.Bytes{"encryption secret": encryption}
	copies := map[string][]byte{"encryption secret": bytes.Clone(encryption.Reveal())}
	watch := func(name string, s secret.Bytes) {
		gone[name], copies[name] = s, bytes.Clone(s.Reveal())
	}
	consume(t, tree, 0, 0)
	watch("node over leaf 5", tree.nodes[3]) // covers leaves 4..7
	consume(t, tree, 5, 0)
	watch("ratchet secret", tree.senders[5][Application].secret.Clone())
	c := claim(t, tree, 5, 2)
	watch("message key", c.Key().Key)
	if err := c.Consume(); err != nil {
		t.Fatal(err)
	}
	watch("skipped key", tree.senders[5][Application].skipped[0].key.Key)
	consume(t, tree, 5, 1)

	state := save(tree)
	for name, was := range copies {
		if bytes.Contains(state, was) {
			t.Errorf("%s is in the saved state", name)
		}
		if name != "ratchet secret" && !bytes.Equal(gone[name].Reveal(), make([]byte, len(was))) {
			t.Errorf("%s is not overwritten", name)
		}
	}
}

// A state saved after reading opens nothing that was read (rule 5), whatever the
// order of reading was.
func TestNoStateOpensWhatWasRead(t *testing.T) {
	_, tree := pair(t)
	read := map[uint32]bool{}
	for _, g := range []uint32{4, 1, 9, 0, 2, 300, 299, 301} {
		consume(t, tree, alice, g)
		read[g] = true
		again := restore(t, save(tree))
		for g := range read {
			refused(t, again, alice, g, ErrConsumed)
		}
	}
}

// The frontier covers exactly who was not heard: memory grows with senders, not
// with the group.
func TestMemoryGrowsWithSendersHeard(t *testing.T) {
	s := suite1(t)
	tree := newTree(t, s, 5000)
	consume(t, tree, 4321, 0)
	if n := len(tree.nodes) + len(tree.senders); n > 14 {
		t.Errorf("%d secrets after one sender of 5,000", n)
	}
	size := len(save(tree))
	for g := uint32(1); g < 100; g++ {
		consume(t, tree, 4321, g)
	}
	if got := len(save(tree)); got != size {
		t.Errorf("state grew from %d to %d bytes with one sender", size, got)
	}
}

// Every leaf has its own keys, and the order of hearing does not matter.
func TestLeavesInAnyOrder(t *testing.T) {
	s := suite1(t)
	root := ciphersuite.Random(s.HashSize())
	keys := map[string]bool{}
	for _, order := range [][]uint32{{0, 1, 2, 3, 4}, {4, 2, 0, 3, 1}} {
		tree, err := NewSecretTree(s, root.Clone(), 5, NoLeaf)
		if err != nil {
			t.Fatal(err)
		}
		for _, leaf := range order {
			c := claim(t, tree, leaf, 1)
			keys[string(c.Key().Key.Reveal())] = true
			if err := c.Consume(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(keys) != 5 {
		t.Errorf("%d different keys of 5 leaves in two orders", len(keys))
	}
}

func TestClaimsThatCannotBe(t *testing.T) {
	_, tree := pair(t)
	refused(t, tree, bob, 0, ErrOwn) // mallory, a member, knows bob's ratchet too
	refused(t, tree, 2, 0, ErrNoLeaf)
	if _, err := tree.Claim(alice, kinds, 0); !errors.Is(err, ErrNoLeaf) {
		t.Errorf("third ratchet: %v", err)
	}
	tree.Wipe()
	refused(t, tree, alice, 0, ErrErased)
	for _, size := range []uint32{0, maxSize + 1, math.MaxUint32} {
		if _, err := NewSecretTree(suite1(t), Zero(suite1(t)), size, NoLeaf); err == nil {
			t.Errorf("a tree of %d leaves", size)
		}
	}
	if _, err := NewSecretTree(suite1(t), Zero(suite1(t)), 2, 2); !errors.Is(err, ErrNoLeaf) {
		t.Errorf("own leaf outside: %v", err)
	}
}

// The last generation of a ratchet is used and nothing follows it.
func TestTheLastGeneration(t *testing.T) {
	sending, receiving := pair(t)
	for _, tree := range []*SecretTree{sending, receiving} {
		d, err := tree.descend(alice)
		if err != nil {
			t.Fatal(err)
		}
		tree.install(alice, d)[Application].next = generations - 1
	}
	if _, err := sending.Reserve(Application, 5); err != nil {
		t.Fatal(err)
	}
	if g, _, err := sending.Next(Application); err != nil || g != math.MaxUint32 {
		t.Fatalf("got %d, %v", g, err)
	}
	if _, _, err := sending.Next(Application); !errors.Is(err, ErrErased) {
		t.Errorf("after the last: %v", err)
	}
	consume(t, receiving, alice, math.MaxUint32)
	refused(t, receiving, alice, math.MaxUint32, ErrConsumed)
	refused(t, restore(t, save(receiving)), alice, math.MaxUint32, ErrConsumed)
}

// Rule 10.
func TestNothingPrintsASecret(t *testing.T) {
	s := suite1(t)
	e, err := Found(s)
	if err != nil {
		t.Fatal(err)
	}
	e.SenderData = secret.New([]byte("k1k2k3k4k1k2k3k4k1k2k3k4k1k2k3k4"))
	e.Tree.nodes[root] = secret.New([]byte("k1k2k3k4k1k2k3k4k1k2k3k4k1k2k3k4"))
	psk := PSK{Key: secret.New([]byte("k1k2k3k4"))}
	c := &Claim{key: MessageKey{Key: psk.Key, Nonce: psk.Key}, chain: []secret.Bytes{psk.Key}}
	for _, v := range []any{e, *e, e.Tree, *e.Tree, psk, c, *c, c.key} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%q"} {
			got := fmt.Sprintf(verb, v)
			for _, leak := range []string{"k1k2", "6b316b32", "107 49", "0x6b, 0x31"} {
				if strings.Contains(got, leak) {
					t.Errorf("Sprintf(%q, %T) leaks", verb, v)
				}
			}
		}
	}
}
