package change

import (
	"bytes"
	"fmt"

	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/member"
	"github.com/byre-messenger/byre/mls/tree"
)

// ApplyExternal checks the proposals of an external commit, applies them and
// makes room for the committer: the leftmost blank leaf (RFC 9420 12.4.3.2).
func (e Base) ApplyExternal(list []Proposal) (*Change, error) {
	removes := 0
	var kem []byte
	psks := map[string]bool{}
	for _, p := range list {
		switch v := p.Value.(type) {
		case framing.ExternalInit:
			if kem != nil { // V-503
				return nil, fmt.Errorf("%w: two external inits", member.ErrInvalid)
			}
			kem = append([]byte{}, v.KEMOutput...)
		case framing.Remove:
			if removes++; removes > 1 { // V-504
				return nil, fmt.Errorf("%w: external commit removes two members", member.ErrInvalid)
			}
			if e.Tree.Leaf(v.Leaf) == nil {
				return nil, fmt.Errorf("%w: %w: %v", member.ErrInvalid, tree.ErrNoMember, v.Leaf)
			}
		case framing.PreSharedKey:
			name := string(v.ID.Append(nil))
			if psks[name] {
				return nil, fmt.Errorf("%w: pre-shared key named twice", member.ErrInvalid)
			}
			psks[name] = true
		case framing.Add, framing.Update, framing.ReInit, framing.GroupContextExtensions, framing.SelfRemove, framing.UnknownProposal: // V-505
			return nil, fmt.Errorf("%w: proposal type 0x%04x in an external commit", member.ErrInvalid, uint16(v.Type()))
		}
	}
	if kem == nil { // V-503
		return nil, fmt.Errorf("%w: external commit without external init", member.ErrInvalid)
	}
	c, err := e.applyAll(list)
	if err != nil {
		return nil, err
	}
	c.External, c.KEMOutput = true, kem
	if c.Entered, err = c.Tree.Add(&tree.LeafNode{}); err != nil { // the path brings the leaf
		return nil, fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	return c, nil
}

// Entry checks the leaf by which the committer of an external commit enters. Who
// it replaces must have been itself: the same identity and signature key, so that
// nobody can push out another (rule 3).
func (c *Change) Entry(v member.Validator) error {
	claim := member.Claim{Member: member.Of(c.Entered, c.Tree.Leaf(c.Entered)), Group: c.Extensions}
	if len(c.Removed) > 0 {
		old := c.Removed[0]
		if !bytes.Equal(old.SignatureKey, claim.SignatureKey) || !bytes.Equal(old.Identity, claim.Identity) { // V-506
			return fmt.Errorf("%w: external commit removes somebody else", member.ErrInvalid)
		}
		claim.Previous = &old
	}
	if err := v.Check(claim); err != nil { // V-507
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	if err := c.Tree.CheckFresh([]tree.LeafIndex{c.Entered}); err != nil {
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	if err := c.Tree.CheckCapabilities(c.Extensions); err != nil {
		return fmt.Errorf("%w: %w", member.ErrInvalid, err)
	}
	return nil
}
