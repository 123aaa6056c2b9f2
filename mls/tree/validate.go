package tree

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// Errors of validation. The text of what they wrap names the node.
var (
	ErrLeaf         = errors.New("invalid leaf")
	ErrUnmerged     = errors.New("invalid list of unmerged leaves")
	ErrParentHash   = errors.New("parent hash does not hold")
	ErrDuplicateKey = errors.New("key is not unique in the group")
	ErrCapabilities = errors.New("a member lacks a capability the group needs")
)

// Check verifies what RFC 9420 7.3 asks of a leaf by itself, its signature
// excepted. Whether its lifetime is current is for whoever claims a key package
// to decide: a member's answer must not depend on its clock.
func (l *LeafNode) Check(s ciphersuite.Suite) error {
	c := &l.Capabilities
	if err := s.CheckPublicKey(l.EncryptionKey); err != nil { // V-105
		return fmt.Errorf("%w: %w", ErrLeaf, err)
	}
	if err := s.CheckSignatureKey(l.SignatureKey); err != nil { // V-106
		return fmt.Errorf("%w: %w", ErrLeaf, err)
	}
	if !slices.Contains(c.Versions, ProtocolMLS10) || !slices.Contains(c.CipherSuites, uint16(s.ID())) { // V-107
		return fmt.Errorf("%w: version or cipher suite is not among its capabilities", ErrLeaf)
	}
	if !slices.Contains(c.Credentials, uint16(l.Credential.Type)) { // V-108
		return fmt.Errorf("%w: credential type %d is not among its capabilities", ErrLeaf, l.Credential.Type)
	}
	for _, e := range l.Extensions {
		if !c.supports(e.Type) { // V-109
			return fmt.Errorf("%w: extension 0x%04x is not among its capabilities", ErrLeaf, uint16(e.Type))
		}
	}
	return nil
}

func (c *Capabilities) supports(t ExtensionType) bool {
	return t.isDefault() || slices.Contains(c.Extensions, uint16(t))
}

// CheckCapabilities verifies that all members can handle the group context's
// extensions, what it requires, and each other's credentials (RFC 9420 7.2, 7.3,
// 11.1, 12.1.7).
func (t *Tree) CheckCapabilities(context Extensions) error {
	var required RequiredCapabilities
	if data, ok := context.Get(ExtRequiredCapabilities); ok {
		var err error
		if required, err = ParseRequiredCapabilities(data); err != nil {
			return err
		}
	}
	var used []uint16
	for _, l := range t.Leaves {
		if c := uint16(l.Credential.Type); !slices.Contains(used, c) {
			used = append(used, c)
		}
	}
	for i, l := range t.Leaves {
		c := &l.Capabilities
		if !containsAll(c.Credentials, used) { // V-110
			return fmt.Errorf("%w: %v: credential type", ErrCapabilities, i)
		}
		for _, e := range context {
			if !c.supports(e.Type) { // V-111
				return fmt.Errorf("%w: %v: extension 0x%04x", ErrCapabilities, i, uint16(e.Type))
			}
		}
		if !c.meets(required) { // V-112
			return fmt.Errorf("%w: %v: required_capabilities", ErrCapabilities, i)
		}
	}
	return nil
}

func (c *Capabilities) meets(r RequiredCapabilities) bool {
	for _, e := range r.Extensions {
		if !c.supports(ExtensionType(e)) {
			return false
		}
	}
	for _, p := range r.Proposals {
		if defaultProposal := p >= 1 && p <= 7; !defaultProposal && !slices.Contains(c.Proposals, p) {
			return false
		}
	}
	return containsAll(c.Credentials, r.Credentials)
}

func containsAll(have, want []uint16) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}

// Validate checks a tree received with a Welcome (RFC 9420 12.4.3.1, 7.3, 7.9.2)
// except its tree hash and [Tree.CheckCapabilities]: leaves and signatures,
// unmerged leaves, parent hashes, and that no key is there twice.
func (t *Tree) Validate(groupID []byte) error {
	if err := t.checkLeaves(groupID); err != nil {
		return err
	}
	if err := t.checkUnmerged(); err != nil {
		return err
	}
	if err := t.checkParentHashes(); err != nil {
		return err
	}
	return t.checkUnique()
}

// checkLeaves verifies all leaves, on all processors when they are many.
func (t *Tree) checkLeaves(groupID []byte) error {
	check := func(i LeafIndex, l *LeafNode) error {
		err := l.Check(t.suite)
		if err == nil {
			err = l.Verify(t.suite, groupID, i)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", i, err)
		}
		return nil
	}
	var members []LeafIndex
	for i := range t.Leaves {
		members = append(members, i)
	}
	return parallel(len(members), func(k int) error { return check(members[k], t.Leaf(members[k])) })
}

// parallel calls f for 0..n-1 on all processors and returns one of the errors.
func parallel(n int, f func(int) error) error {
	workers := min(runtime.GOMAXPROCS(0), n/8)
	if workers <= 1 {
		for i := range n {
			if err := f(i); err != nil {
				return err
			}
		}
		return nil
	}
	var next atomic.Int64
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[w] == nil; i = int(next.Add(1)) - 1 {
				errs[w] = f(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// checkUnmerged verifies RFC 9420 7.1 and 12.4.3.1: an unmerged leaf is a member
// below the node, listed once, in order, and listed in every node between.
func (t *Tree) checkUnmerged() error {
	for x, p := range t.parents {
		for k, i := range p.UnmergedLeaves {
			switch {
			case k > 0 && p.UnmergedLeaves[k-1] >= i: // V-113
				return fmt.Errorf("%w: node %d: not in order", ErrUnmerged, x)
			case !x.covers(i) || t.Leaf(i) == nil: // V-114
				return fmt.Errorf("%w: node %d: %v is no member below", ErrUnmerged, x, i)
			}
		}
	}
	for x, p := range t.parents { // all lists are in order now and can be searched
		for _, i := range p.UnmergedLeaves {
			for y := i.Node().parent(); y != x; y = y.parent() {
				q := t.nodes[y].parent
				if q == nil {
					continue
				}
				if _, listed := slices.BinarySearch(q.UnmergedLeaves, i); !listed { // V-115
					return fmt.Errorf("%w: node %d lists %v, node %d below does not", ErrUnmerged, x, i, y)
				}
			}
		}
	}
	return nil
}

// parents calls yield for each parent that is not blank.
func (t *Tree) parents(yield func(NodeIndex, *ParentNode) bool) {
	for x := NodeIndex(1); int(x) < len(t.nodes); x += 2 {
		if p := t.nodes[x].parent; p != nil && !yield(x, p) {
			return
		}
	}
}

// checkParentHashes verifies that each parent was set by a member below it
// (RFC 9420 7.9.2).
func (t *Tree) checkParentHashes() error {
	for x, p := range t.parents {
		if !t.vouches(p, x.left(), x.right()) && !t.vouches(p, x.right(), x.left()) { // V-116
			return fmt.Errorf("%w: node %d", ErrParentHash, x)
		}
	}
	return nil
}

// vouches reports whether some node in the resolution of child carries p's
// parent hash, while the rest of that resolution is what was added since.
func (t *Tree) vouches(p *ParentNode, child, sibling NodeIndex) bool {
	first, last := child.leaves()
	added := 0
	for _, i := range p.UnmergedLeaves {
		if first <= i && i <= last {
			added++
		}
	}
	res := t.resolution(nil, child)
	if len(res) != added+1 {
		return false
	}
	var want []byte
	for _, d := range res {
		var got []byte
		if n := &t.nodes[d]; n.leaf != nil {
			got = n.leaf.ParentHash
		} else {
			got = n.parent.ParentHash
		}
		if len(got) == 0 {
			continue
		}
		if want == nil {
			want = t.parentHash(p, sibling)
		}
		if bytes.Equal(got, want) && othersAdded(res, d, p.UnmergedLeaves) {
			return true
		}
	}
	return false
}

// othersAdded reports whether all of res but d are leaves in unmerged.
func othersAdded(res []NodeIndex, d NodeIndex, unmerged []LeafIndex) bool {
	for _, y := range res {
		if y == d {
			continue
		}
		if !y.isLeaf() {
			return false
		}
		if _, in := slices.BinarySearch(unmerged, y.leaf()); !in {
			return false
		}
	}
	return true
}

func (t *Tree) checkUnique() error {
	keys := make(map[string]struct{}, len(t.nodes))
	signers := make(map[string]struct{}, t.Width())
	for x := range t.nodes {
		n := &t.nodes[x]
		if n.blank() {
			continue
		}
		if _, twice := keys[string(n.key())]; twice { // V-117
			return fmt.Errorf("%w: encryption key of node %d", ErrDuplicateKey, x)
		}
		keys[string(n.key())] = struct{}{}
		if n.leaf == nil {
			continue
		}
		if _, twice := signers[string(n.leaf.SignatureKey)]; twice { // V-118
			return fmt.Errorf("%w: signature key of node %d", ErrDuplicateKey, x)
		}
		signers[string(n.leaf.SignatureKey)] = struct{}{}
	}
	return nil
}

// CheckFresh verifies that the keys of the given members occur nowhere else in
// the tree (RFC 9420 7.3). It costs one look at each node, whatever their number.
func (t *Tree) CheckFresh(leaves []LeafIndex) error {
	if len(leaves) == 0 {
		return nil
	}
	keys, signers := make(map[string]int, len(leaves)), make(map[string]int, len(leaves))
	for _, i := range leaves {
		l := t.Leaf(i)
		if l == nil {
			return fmt.Errorf("%w: %v", ErrNoMember, i)
		}
		keys[string(l.EncryptionKey)] = 0
		signers[string(l.SignatureKey)] = 0
	}
	for x := range t.nodes {
		n := &t.nodes[x]
		if c, in := keys[string(n.key())]; in {
			if c > 0 { // V-117
				return fmt.Errorf("%w: encryption key of node %d", ErrDuplicateKey, x)
			}
			keys[string(n.key())]++
		}
		if n.leaf == nil {
			continue
		}
		if c, in := signers[string(n.leaf.SignatureKey)]; in {
			if c > 0 { // V-118
				return fmt.Errorf("%w: signature key of node %d", ErrDuplicateKey, x)
			}
			signers[string(n.leaf.SignatureKey)]++
		}
	}
	return nil
}
