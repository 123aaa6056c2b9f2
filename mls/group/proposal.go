package group

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/member"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// proposal is one proposal and who made it.
type proposal struct {
	sender LeafIndex
	ref    []byte // nil for one that stands in the commit itself
	value  framing.Proposal
	key    ciphersuite.PrivateKey // of one's own Update
}

// change is what a list of proposals makes of an epoch.
type change struct {
	tree       *tree.Tree
	extensions Extensions
	replaced   bool // extensions
	added      []LeafIndex
	joiners    []*framing.KeyPackage
	removed    []Member
	updated    []Update
	psks       []schedule.PreSharedKeyID
	needsPath  bool
	ownKey     ciphersuite.PrivateKey // of one's own Update
}

// apply checks a list of proposals that committer committed and applies it to a
// copy of the tree, in the order of RFC 9420 12.3.
func (e *epoch) apply(list []proposal, committer LeafIndex, v Validator) (*change, error) {
	if err := e.checkList(list, committer); err != nil {
		return nil, err
	}
	e.tree.Hash() // into the cache that the copy takes over
	c := &change{tree: e.tree.Clone(), extensions: e.context.Extensions, needsPath: len(list) == 0}
	for _, step := range []func(*change, proposal) error{
		e.applyExtensions, e.applyUpdate, e.applyRemove, e.applyAdd, e.applyPSK,
	} {
		for _, p := range list {
			if err := step(c, p); err != nil {
				return nil, err
			}
		}
	}
	if err := c.check(v); err != nil {
		return nil, err
	}
	return c, nil
}

// checkList verifies what RFC 9420 12.2 asks of the list as a whole.
func (e *epoch) checkList(list []proposal, committer LeafIndex) error {
	extensions := false
	touched := map[LeafIndex]bool{} // by Update or Remove
	psks := map[string]bool{}
	for _, p := range list {
		target := p.sender
		switch v := p.value.(type) {
		case framing.Update:
			if p.sender == committer { // V-211
				return fmt.Errorf("%w: update of the committer", ErrInvalid)
			}
		case framing.Remove:
			target = v.Leaf
			if target == committer { // V-212
				return fmt.Errorf("%w: the committer removes itself", ErrInvalid)
			}
		case framing.SelfRemove:
			if p.sender == committer || p.ref == nil { // V-213
				return fmt.Errorf("%w: the committer removes itself", ErrInvalid)
			}
		case framing.GroupContextExtensions:
			if extensions { // V-214
				return fmt.Errorf("%w: two replacements of the extensions", ErrInvalid)
			}
			extensions = true
			continue
		case framing.PreSharedKey:
			name := string(v.ID.Append(nil))
			if psks[name] { // V-215
				return fmt.Errorf("%w: pre-shared key named twice", ErrInvalid)
			}
			psks[name] = true
			continue
		case framing.Add:
			continue
		case framing.ExternalInit: // V-216
			return fmt.Errorf("%w: external init by a member", ErrInvalid)
		case framing.ReInit:
			return fmt.Errorf("%w: reinit", ErrRefused)
		case framing.UnknownProposal: // V-217
			return fmt.Errorf("%w: proposal type 0x%04x", ErrInvalid, uint16(v.Number))
		}
		if touched[target] { // V-218
			return fmt.Errorf("%w: %v is updated or removed twice", ErrInvalid, target)
		}
		touched[target] = true
		if e.tree.Leaf(target) == nil { // V-219
			return fmt.Errorf("%w: %w: %v", ErrInvalid, tree.ErrNoMember, target)
		}
		if !e.tree.SupportsProposal(uint16(p.value.Type())) { // V-220
			return fmt.Errorf("%w: proposal type 0x%04x is not supported by all", ErrInvalid, uint16(p.value.Type()))
		}
	}
	return nil
}

func (e *epoch) applyExtensions(c *change, p proposal) error {
	if v, ok := p.value.(framing.GroupContextExtensions); ok {
		c.extensions, c.replaced, c.needsPath = v.Extensions, true, true
	}
	return nil
}

// applyUpdate: RFC 9420 12.1.2, 7.3.
func (e *epoch) applyUpdate(c *change, p proposal) error {
	v, ok := p.value.(framing.Update)
	if !ok {
		return nil
	}
	old := e.tree.Leaf(p.sender)
	if v.Leaf.Source != tree.SourceUpdate { // V-221
		return fmt.Errorf("%w: update with a leaf of source %d", ErrInvalid, v.Leaf.Source)
	}
	if bytes.Equal(old.EncryptionKey, v.Leaf.EncryptionKey) { // V-222
		return fmt.Errorf("%w: update keeps the old key", ErrInvalid)
	}
	if err := v.Leaf.Check(e.suite); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := v.Leaf.Verify(e.suite, e.context.GroupID, p.sender); err != nil { // V-223
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := c.tree.Update(p.sender, v.Leaf); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	c.updated = append(c.updated, Update{Before: member.Of(p.sender, old), After: member.Of(p.sender, v.Leaf)})
	c.needsPath = true
	if p.sender == e.Self() {
		c.ownKey = p.key
	}
	return nil
}

// applyRemove: RFC 9420 12.1.3, and SelfRemove.
func (e *epoch) applyRemove(c *change, p proposal) error {
	var i LeafIndex
	switch v := p.value.(type) {
	case framing.Remove:
		i = v.Leaf
	case framing.SelfRemove:
		i = p.sender
	default:
		return nil
	}
	c.removed = append(c.removed, member.Of(i, e.tree.Leaf(i)))
	c.needsPath = true
	return c.tree.Remove(i)
}

// applyAdd: RFC 9420 12.1.1.
func (e *epoch) applyAdd(c *change, p proposal) error {
	v, ok := p.value.(framing.Add)
	if !ok {
		return nil
	}
	if err := member.CheckKeyPackage(e.suite, v.KeyPackage); err != nil {
		return err
	}
	i, err := c.tree.Add(v.KeyPackage.Leaf)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	c.added, c.joiners = append(c.added, i), append(c.joiners, v.KeyPackage)
	return nil
}

// applyPSK: RFC 9420 12.1.4.
func (e *epoch) applyPSK(c *change, p proposal) error {
	v, ok := p.value.(framing.PreSharedKey)
	if !ok {
		return nil
	}
	if len(v.ID.Nonce) != e.suite.HashSize() { // V-224
		return fmt.Errorf("%w: nonce of a pre-shared key", ErrInvalid)
	}
	if v.ID.Type == schedule.PSKResumption && v.ID.Usage != schedule.PSKApplication { // V-225
		return fmt.Errorf("%w: usage of a pre-shared key", ErrInvalid)
	}
	c.psks = append(c.psks, v.ID)
	return nil
}

// check verifies the tree that the proposals make: its keys, its members'
// capabilities and their identities (RFC 9420 12.2).
func (c *change) check(v Validator) error {
	fresh := slices.Clone(c.added)
	for _, u := range c.updated {
		fresh = append(fresh, u.After.Leaf)
		if err := v.Check(Claim{Member: u.After, Previous: &u.Before, Group: c.extensions}); err != nil { // V-226
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	for _, i := range c.added {
		if err := v.Check(Claim{Member: member.Of(i, c.tree.Leaf(i)), Group: c.extensions}); err != nil { // V-227
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	if err := c.tree.CheckFresh(fresh); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := c.tree.CheckCapabilities(c.extensions); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// applyPath puts the committer's path into the changed tree.
func (e *epoch) applyPath(c *change, committer LeafIndex, u *tree.UpdatePath, v Validator) error {
	old := e.tree.Leaf(committer)
	if err := c.tree.ApplyPath(committer, u, e.context.GroupID, c.added); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return c.committed(committer, old, v)
}

// committed checks the committer's new leaf.
func (c *change) committed(committer LeafIndex, old *tree.LeafNode, v Validator) error {
	up := Update{Before: member.Of(committer, old), After: member.Of(committer, c.tree.Leaf(committer))}
	if err := v.Check(Claim{Member: up.After, Previous: &up.Before, Group: c.extensions}); err != nil { // V-301
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	c.updated = append(c.updated, up)
	if err := c.tree.CheckCapabilities(c.extensions); err != nil { // V-302
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func (c *change) removes(i LeafIndex) bool {
	return slices.ContainsFunc(c.removed, func(m Member) bool { return m.Leaf == i })
}
