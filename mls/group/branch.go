package group

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/schedule"
)

// Parent is the epoch of a group that another branches off: a [Group] or a
// [PastEpoch].
type Parent interface{ parent() *epoch }

func (e *epoch) parent() *epoch     { return e }
func (p *PastEpoch) parent() *epoch { return p.e }

// BranchOptions says how a branch begins. Suite, identity, leaf extensions and
// signer are those of the parent.
type BranchOptions struct {
	GroupID         []byte        // nil: 32 random bytes
	Add             []*KeyPackage // validated; of members of the parent alone
	GroupExtensions Extensions
	Supports        []ExtensionType
	NotBefore       time.Time // lifetime of one's own leaf
	NotAfter        time.Time
}

// Branch founds another group with members of this one (RFC 9420 11.3): only who
// was in g at its present epoch can join it, since g's resumption key goes into
// its secrets. It returns the new group, at epoch 1, and the Welcome for the
// others, who give g, or what they kept of that epoch, as [JoinOptions].BranchOf.
// g itself does not change.
func (g *Group) Branch(o BranchOptions) (*Group, []byte, error) {
	if g.closed {
		return nil, nil, ErrClosed
	}
	b, welcome, err := g.branch(o)
	if err != nil {
		return nil, nil, fmt.Errorf("branch: %w", err)
	}
	return b, welcome, nil
}

func (g *Group) branch(o BranchOptions) (*Group, []byte, error) {
	me, _ := g.Member(g.Self())
	for _, k := range o.Add {
		if k == nil || k.Suite() != g.Suite() || !g.hasIdentity(k.Leaf().Identity) { // V-532
			return nil, nil, fmt.Errorf("%w: added is no member of the parent, or of another suite", ErrInvalid)
		}
	}
	b, err := Create(CreateOptions{
		Suite: g.Suite(), GroupID: o.GroupID, Identity: me.Identity, Signer: g.signer,
		LeafExtensions: me.Extensions, GroupExtensions: o.GroupExtensions, Supports: o.Supports,
		NotBefore: o.NotBefore, NotAfter: o.NotAfter, Validator: g.validator, Outside: g.outside,
	})
	if err != nil {
		return nil, nil, err
	}
	b.founding = true
	// Nobody else is in b: the commit that adds them can't lose.
	p, err := b.Commit(CommitOptions{Add: o.Add, parent: g.epoch})
	if err != nil {
		b.wipe()
		return nil, nil, err
	}
	old, err := b.Confirm(p)
	if err != nil {
		return nil, nil, err
	}
	old.Wipe()
	return b, p.Welcome(), nil
}

func (e *epoch) hasIdentity(id []byte) bool {
	for _, l := range e.tree.Leaves {
		if bytes.Equal(l.Credential.Content, id) {
			return true
		}
	}
	return false
}

// psks folds the pre-shared keys of a Welcome. One of a branch is good for a
// joiner that asked for it; one of a reinit for nobody.
func (j *joiner) psks(ids []PSKID) (secret.Bytes, error) {
	branches := 0
	for _, id := range ids {
		if id.Type == schedule.PSKResumption && id.Usage == schedule.PSKReInit {
			return secret.Bytes{}, fmt.Errorf("%w: reinit", ErrRefused)
		}
		if id.Type == schedule.PSKResumption && id.Usage == schedule.PSKBranch {
			branches++
			if j.options.BranchOf == nil || !j.options.BranchOf.parent().names(id) { // V-531
				return secret.Bytes{}, fmt.Errorf("%w: branch of another group", ErrRefused)
			}
		}
		if len(id.Nonce) != j.suite.HashSize() { // V-224
			return secret.Bytes{}, fmt.Errorf("%w: nonce of a pre-shared key", ErrInvalid)
		}
	}
	if want := j.options.BranchOf != nil; branches > 1 || want != (branches == 1) { // V-531
		return secret.Bytes{}, fmt.Errorf("%w: not a branch of that group", ErrRefused)
	}
	return foldPSKs(j.suite, ids, func(id PSKID) (secret.Bytes, error) {
		if id.Type == schedule.PSKResumption && id.Usage == schedule.PSKBranch {
			return j.options.BranchOf.parent().secrets.Resumption, nil
		}
		if j.options.PSK == nil {
			return secret.Bytes{}, fmt.Errorf("%w: pre-shared keys", ErrRefused)
		}
		return j.options.PSK(id)
	})
}

// checkBranch verifies what RFC 9420 11.3 asks of a branch: the suite of the
// parent, the first epoch, and no member whom the parent did not have.
func (j *joiner) checkBranch(info *framing.GroupInfo) error {
	if j.options.BranchOf == nil {
		return nil
	}
	p := j.options.BranchOf.parent()
	if info.Context.Suite != p.suite.ID() || info.Context.Epoch != 1 { // V-533
		return fmt.Errorf("%w: branch of another suite or past its first epoch", ErrInvalid)
	}
	var known []string
	for _, l := range p.tree.Leaves {
		known = append(known, string(l.Credential.Content))
	}
	slices.Sort(known)
	for i, l := range j.tree.Leaves {
		if _, ok := slices.BinarySearch(known, string(l.Credential.Content)); !ok { // V-532
			return fmt.Errorf("%w: %v was not in the parent group", ErrInvalid, i)
		}
	}
	return nil
}
