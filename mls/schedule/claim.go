package schedule

import (
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
)

// Claim is the key of one received message, derived beside the tree. The tree
// is as it was until [Claim.Consume]; [Claim.Drop] forgets the claim.
type Claim struct {
	tree       *SecretTree
	leaf       uint32
	kind       Kind
	generation uint32
	version    uint64 // of the tree when the claim was made
	key        MessageKey

	kept   bool           // the key is one of the ratchet's skipped keys
	fresh  *descent       // of a sender not heard before
	first  uint64         // generation of chain[0]
	chain  []secret.Bytes // ratchet secrets of first..generation, the newest MaxSkipped+1
	active bool
}

// Claim derives the key of a message of leaf. It costs at most [Forward]
// derivations and two for each level of the tree, and changes nothing.
//
// Errors: [ErrConsumed] for a generation used or evicted, [ErrTooFar] beyond
// that, [ErrOwn] for the own leaf, whose ratchets are for sending alone,
// [ErrNoLeaf], and [ErrErased] after [SecretTree.Wipe].
func (t *SecretTree) Claim(leaf uint32, k Kind, generation uint32) (*Claim, error) {
	switch {
	case leaf == t.own: // V-621
		return nil, ErrOwn
	case leaf >= t.size || k >= kinds:
		return nil, fmt.Errorf("%w: %d of %d", ErrNoLeaf, leaf, t.size)
	}
	c := &Claim{tree: t, leaf: leaf, kind: k, generation: generation, version: t.version, active: true}
	s := t.senders[leaf]
	if s == nil {
		if uint64(generation) > Forward(t.suite) { // V-623
			return nil, ErrTooFar
		}
		d, err := t.descend(leaf)
		if err != nil {
			return nil, err
		}
		c.fresh, s = d, &d.sender
	}
	if err := c.fromRatchet(&s[k]); err != nil {
		c.Drop()
		return nil, err
	}
	return c, nil
}

// fromRatchet derives c's key from r without changing r.
func (c *Claim) fromRatchet(r *ratchet) error {
	g := uint64(c.generation)
	if g < r.next {
		i, ok := r.find(c.generation)
		if !ok { // V-622
			return ErrConsumed
		}
		c.key, c.kept = r.skipped[i].key, true
		return nil
	}
	if g-r.next > Forward(c.tree.suite) { // V-623
		return ErrTooFar
	}
	if r.secret.Len() == 0 {
		return ErrErased
	}
	s := c.tree.suite
	c.first = max(r.next, g-min(g, MaxSkipped)) // older ones would be evicted at once
	c.chain = make([]secret.Bytes, 0, g-c.first+1)
	at := r.secret.Clone()
	for n := r.next; n < g; n++ {
		if n >= c.first {
			c.chain = append(c.chain, at)
			at = at.Clone()
		}
		s.StepRatchet(at.Reveal(), uint32(n)) //nolint:gosec // n < g, which is a uint32
	}
	c.chain = append(c.chain, at)
	c.key = messageKey(s, at, c.generation)
	return nil
}

// Key returns the message's key. It is good until Consume or Drop.
func (c *Claim) Key() MessageKey { return c.key }

// Consume changes the tree as the message demands: its key is gone for good,
// the ratchet moves on, and the keys it skipped are kept. Call it once the
// message has opened and its signature held. It returns [ErrConsumed] if another
// claim took the generation meanwhile.
func (c *Claim) Consume() error {
	if !c.active {
		return ErrConsumed
	}
	t := c.tree
	if c.version != t.version {
		// The tree moved on since: derive again from what it is now.
		again, err := t.Claim(c.leaf, c.kind, c.generation)
		c.Drop()
		if err != nil {
			return err
		}
		return again.Consume()
	}
	c.active = false
	s := t.senders[c.leaf]
	if c.fresh != nil {
		s = t.install(c.leaf, c.fresh)
	}
	r := &s[c.kind]
	t.version++
	if c.kept {
		i, _ := r.find(c.generation)
		r.drop(i)
		return nil
	}
	last := len(c.chain) - 1
	for i, sec := range c.chain[:last] {
		g := uint32(c.first) + uint32(i) //nolint:gosec // below c.generation, which is a uint32
		r.keep(skipped{g, messageKey(t.suite, sec, g)})
		sec.Wipe()
	}
	r.secret.Wipe()
	r.secret, r.next = c.chain[last], uint64(c.generation)
	r.step(t.suite)
	c.key.Wipe()
	return nil
}

// Drop erases what the claim derived and leaves the tree as it is. After
// Consume it does nothing.
func (c *Claim) Drop() {
	if !c.active {
		return
	}
	c.active = false
	for _, s := range c.chain {
		s.Wipe()
	}
	if c.fresh != nil {
		c.fresh.wipe()
	}
	if !c.kept {
		c.key.Wipe()
	}
}
