// Package change is what a list of proposals makes of an epoch (RFC 9420 12.2 to
// 12.4): a pure function of the public state and the list, so that all members
// come to one answer.
package change

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/member"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// ErrRefused is returned for what the protocol allows and this module does not do.
var ErrRefused = errors.New("not supported here")

// Base is the epoch that a list of proposals applies to.
type Base struct {
	Suite    ciphersuite.Suite
	Context  *framing.GroupContext
	Tree     *tree.Tree     // not changed but for its caches
	Self     tree.LeafIndex // of this member
	Founding bool           // a branch's first commit, which takes the parent's key
}

// Nobody is the committer of no commit, and who proposes from outside.
const Nobody = tree.LeafIndex(^uint32(0))

// Proposal is one proposal and who made it.
type Proposal struct {
	Sender tree.LeafIndex
	Ref    []byte // nil for one that stands in the commit itself
	Value  framing.Proposal
	Key    ciphersuite.PrivateKey // of one's own Update
}

// Change is what a list of proposals makes of an epoch.
type Change struct {
	Tree       *tree.Tree
	Extensions tree.Extensions
	Replaced   bool // Extensions
	Added      []tree.LeafIndex
	Joiners    []*framing.KeyPackage // in the order of Added
	Removed    []member.Member
	Updated    []member.Update
	PSKs       []schedule.PreSharedKeyID
	NeedsPath  bool                   // RFC 9420 12.4
	OwnKey     ciphersuite.PrivateKey // of one's own Update; it stays the proposal's

	External  bool           // an external commit
	Entered   tree.LeafIndex // where its committer stands
	KEMOutput []byte         // of its ExternalInit
}

// Apply checks a list of proposals that committer committed and applies it to a
// copy of the tree, in the order of RFC 9420 12.3.
func (e Base) Apply(list []Proposal, committer tree.LeafIndex, v member.Validator) (*Change, error) {
	if err := e.checkList(list, committer); err != nil {
		return nil, err
	}
	c, err := e.applyAll(list)
	if err != nil {
		return nil, err
	}
	if err := c.check(v); err != nil {
		return nil, err
	}
	return c, nil
}

func (e Base) applyAll(list []Proposal) (*Change, error) {
	e.Tree.Hash() // into the cache that the copy takes over
	c := &Change{Tree: e.Tree.Clone(), Extensions: e.Context.Extensions, NeedsPath: len(list) == 0}
	for _, step := range []func(*Change, Proposal) error{
		e.applyExtensions, e.applyUpdate, e.applyRemove, e.applyAdd, e.applyPSK,
	} {
		for _, p := range list {
			if err := step(c, p); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// checkList verifies what RFC 9420 12.2 asks of the list as a whole.
func (e Base) checkList(list []Proposal, committer tree.LeafIndex) error {
	extensions := false
	touched := map[tree.LeafIndex]bool{} // by Update or Remove
	psks := map[string]bool{}
	for _, p := range list {
		target := p.Sender
		switch v := p.Value.(type) {
		case framing.Update:
			if p.Sender == committer { // V-211
				return fmt.Errorf("%w: update of the committer", member.ErrInvalid)
			}
		case framing.Remove:
			target = v.Leaf
			if target == committer { // V-212
				return fmt.Errorf("%w: the committer removes itself", member.ErrInvalid)
			}
		case framing.SelfRemove:
			if p.Sender == committer || p.Ref == nil { // V-213
				return fmt.Errorf("%w: the committer removes itself", member.ErrInvalid)
			}
		case framing.GroupContextExtensions:
			if extensions { // V-214
				return fmt.Errorf("%w: two replacements of the extensions", member.ErrInvalid)
			}
			extensions = true
			continue
		case framing.PreSharedKey:
			name := string(v.ID.Append(nil))
			if psks[name] { // V-215
				return fmt.Errorf("%w: pre-shared key named twice", member.ErrInvalid)
			}
			psks[name] = true
			continue
		case framing.Add:
			continue
		case framing.ExternalInit: // V-216
			return fmt.Errorf("%w: external init by a member", member.ErrInvalid)
		case framing.ReInit:
			return fmt.Errorf("%w: reinit", ErrRefused)
		case framing.UnknownProposal: // V-217
			return fmt.Errorf("%w: proposal type 0x%04x", member.ErrInvalid, uint16(v.Number))
		}
		if touched[target] { // V-218
			return fmt.Errorf("%w: %v is updated or removed twice", member.ErrInvalid, target)
		}
		touched[target] = true
		if e.Tree.Leaf(target) == nil { // V-219
			return fmt.Errorf("%w: %w: %v", member.ErrInvalid, tree.ErrNoMember, target)
		}
		if !e.Tree.SupportsProposal(uint16(p.Value.Type())) { // V-220
			return fmt.Errorf("%w: proposal type 0x%04x is not supported by all", member.ErrInvalid, uint16(p.Value.Type()))
		}
	}
	return nil
}

func (e Base) applyExtensions(c *Change, p Proposal) error {
	if v, ok := p.Value.(framing.GroupContextExtensions); ok {
		if err := CheckExtensions(v.Extensions); err != nil {
			return err
		}
		c.Extensions, c.Replaced, c.NeedsPath = v.Extensions, true, true
	}
	return nil
}

// applyUpdate: RFC 9420 12.1.2, 7.3.
func (e Base) applyUpdate(c *Change, p Proposal) error {
	v, ok := p.Value.(framing.Update)
	if !ok {
		return nil
	}
	old := e.Tree.Leaf(p.Sender)
	if v.Leaf.Source != tree.SourceUpdate { // V-221
		return fmt.Errorf("%w: update with a leaf of source %d", member.ErrInvalid, v.Leaf.Source)
	}
	if bytes.Equal(old.EncryptionKey, v.Leaf.EncryptionKey) { // V-222
		return fmt.Errorf("%w: update keeps the old key", member.ErrInvalid)
	}
	if err := v.Leaf.Check(e.Suite); err != nil {
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	if err := v.Leaf.Verify(e.Suite, e.Context.GroupID, p.Sender); err != nil { // V-223
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	if err := c.Tree.Update(p.Sender, v.Leaf); err != nil {
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	c.Updated = append(c.Updated, member.Update{Before: member.Of(p.Sender, old), After: member.Of(p.Sender, v.Leaf)})
	c.NeedsPath = true
	if p.Sender == e.Self {
		c.OwnKey = p.Key
	}
	return nil
}

// applyRemove: RFC 9420 12.1.3, and SelfRemove.
func (e Base) applyRemove(c *Change, p Proposal) error {
	var i tree.LeafIndex
	switch v := p.Value.(type) {
	case framing.Remove:
		i = v.Leaf
	case framing.SelfRemove:
		i = p.Sender
	default:
		return nil
	}
	c.Removed = append(c.Removed, member.Of(i, e.Tree.Leaf(i)))
	c.NeedsPath = true
	return c.Tree.Remove(i)
}

// applyAdd: RFC 9420 12.1.1.
func (e Base) applyAdd(c *Change, p Proposal) error {
	v, ok := p.Value.(framing.Add)
	if !ok {
		return nil
	}
	if err := member.CheckKeyPackage(e.Suite, v.KeyPackage); err != nil {
		return err
	}
	i, err := c.Tree.Add(v.KeyPackage.Leaf)
	if err != nil {
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	c.Added, c.Joiners = append(c.Added, i), append(c.Joiners, v.KeyPackage)
	return nil
}

// applyPSK: RFC 9420 12.1.4.
func (e Base) applyPSK(c *Change, p Proposal) error {
	v, ok := p.Value.(framing.PreSharedKey)
	if !ok {
		return nil
	}
	if len(v.ID.Nonce) != e.Suite.HashSize() { // V-224
		return fmt.Errorf("%w: nonce of a pre-shared key", member.ErrInvalid)
	}
	branch := e.Founding && v.ID.Usage == schedule.PSKBranch
	if v.ID.Type == schedule.PSKResumption && v.ID.Usage != schedule.PSKApplication && !branch { // V-225
		return fmt.Errorf("%w: usage of a pre-shared key", member.ErrInvalid)
	}
	c.PSKs = append(c.PSKs, v.ID)
	return nil
}

// check verifies the tree that the proposals make: its keys, its members'
// capabilities and their identities (RFC 9420 12.2).
func (c *Change) check(v member.Validator) error {
	fresh := slices.Clone(c.Added)
	for _, u := range c.Updated {
		fresh = append(fresh, u.After.Leaf)
		if err := v.Check(member.Claim{Member: u.After, Previous: &u.Before, Group: c.Extensions}); err != nil { // V-226
			return fmt.Errorf("%w: %w", member.ErrInvalid, err)
		}
	}
	for _, i := range c.Added {
		if err := v.Check(member.Claim{Member: member.Of(i, c.Tree.Leaf(i)), Group: c.Extensions}); err != nil { // V-227
			return fmt.Errorf("%w: %w", member.ErrInvalid, err)
		}
	}
	if err := c.Tree.CheckFresh(fresh); err != nil {
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	if err := c.Tree.CheckCapabilities(c.Extensions); err != nil {
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	return nil
}

// ApplyPath puts the committer's path into the changed tree.
func (e Base) ApplyPath(c *Change, committer tree.LeafIndex, u *tree.UpdatePath, v member.Validator) error {
	old := e.Tree.Leaf(committer)
	if err := c.Tree.ApplyPath(committer, u, e.Context.GroupID, c.Added); err != nil {
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	return c.Committed(committer, old, v)
}

// Committed checks the committer's new leaf.
func (c *Change) Committed(committer tree.LeafIndex, old *tree.LeafNode, v member.Validator) error {
	up := member.Update{Before: member.Of(committer, old), After: member.Of(committer, c.Tree.Leaf(committer))}
	if err := v.Check(member.Claim{Member: up.After, Previous: &up.Before, Group: c.Extensions}); err != nil { // V-301
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	c.Updated = append(c.Updated, up)
	if err := c.Tree.CheckCapabilities(c.Extensions); err != nil { // V-302
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	return nil
}

// Removes reports whether the member at i goes.
func (c *Change) Removes(i tree.LeafIndex) bool {
	return slices.ContainsFunc(c.Removed, func(m member.Member) bool { return m.Leaf == i })
}

// CheckExtensions verifies the group context's extensions.
func CheckExtensions(x tree.Extensions) error {
	if err := x.Check(); err != nil {
		return err
	}
	if _, err := x.ExternalSenders(); err != nil { // V-521
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	return nil
}
