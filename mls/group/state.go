package group

import (
	"bytes"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/change"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// Versions of the saved forms. A reader of a newer form refuses; an older form
// is read as long as a release that wrote it may exist.
const (
	epochVersion   = 1
	ratchetVersion = 1
	pendingVersion = 1
)

// EpochState returns the part of the saved form that changes at commits alone:
// context, tree, epoch secrets and private keys. Store it, sealed, after Create,
// Join, Merge and Confirm, together with the [Group.RatchetState].
func (g *Group) EpochState() secret.Bytes { return g.epochState() }

//	struct {
//	    uint8 version; CipherSuite suite; opaque group_id<V>; uint64 epoch;
//	    GroupContext context; opaque confirmation_tag<V>; opaque interim<V>;
//	    opaque ratchet_tree<V>;  // as in the extension
//	    opaque secrets<V>;       // schedule
//	    opaque private<V>;       // tree; empty for a past epoch
//	} EpochState;
func (e *epoch) epochState() secret.Bytes {
	b := e.appendHead(make([]byte, 0, 4096), epochVersion)
	b = e.context.Append(b)
	b = syntax.AppendVector(b, e.tag)
	b = syntax.AppendVector(b, e.interim)
	b = syntax.AppendVectorFunc(b, e.tree.Append)
	b = syntax.AppendVectorFunc(b, e.secrets.AppendState)
	b = syntax.AppendUint32(b, uint32(e.private.Self()))
	return secret.New(syntax.AppendVectorFunc(b, func(b []byte) []byte {
		if !e.private.Leaf().Valid() {
			return b
		}
		return e.private.Append(b)
	}))
}

// RatchetState returns the part of the saved form that changes with messages:
// the message keys' ratchets and the proposals of this epoch. Store it, sealed,
// after each Open, and with what Commit and the Propose calls made, before that
// is sent.
func (g *Group) RatchetState() secret.Bytes { return g.ratchetState(g.proposals) }

// Reserve allows at least the next n Seals, n at most [schedule.MaxReserve], and
// returns the RatchetState to store before the first of them. That state begins
// after them: if it comes back after a crash, none is used twice.
func (g *Group) Reserve(n int) (secret.Bytes, error) {
	if g.closed {
		return secret.Bytes{}, ErrClosed
	}
	if n < 1 || n > schedule.MaxReserve {
		return secret.Bytes{}, fmt.Errorf("reserve %d generations: 1 to %d", n, schedule.MaxReserve)
	}
	if _, err := g.secrets.Tree.Reserve(schedule.Application, uint32(n)); err != nil {
		return secret.Bytes{}, err
	}
	return g.RatchetState(), nil
}

//	struct {
//	    uint8 version; CipherSuite suite; opaque group_id<V>; uint64 epoch;
//	    opaque secret_tree<V>;   // schedule
//	    struct {
//	        uint32 sender; opaque ref<V>; opaque proposal<V>; opaque private_key<V>;
//	    } proposals<V>;
//	} RatchetState;
func (e *epoch) ratchetState(proposals []change.Proposal) secret.Bytes {
	b := e.appendHead(make([]byte, 0, 1024), ratchetVersion)
	b = syntax.AppendVectorFunc(b, e.secrets.Tree.AppendState)
	return secret.New(syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, p := range proposals {
			b = syntax.AppendUint32(b, uint32(p.Sender))
			b = syntax.AppendVector(b, p.Ref)
			b = syntax.AppendVectorFunc(b, func(b []byte) []byte { return framing.AppendProposal(b, p.Value) })
			b = syntax.AppendVector(b, p.Key.Bytes().Reveal())
		}
		return b
	}))
}

// RestoreOptions gives a restored group what its state does not hold.
type RestoreOptions struct {
	Signer    ciphersuite.SigningKey // the key of one's own leaf
	Validator Validator
	Outside   Outside // what is taken from outside; zero: nothing
}

// Restore brings a group back from its two states. A message that was opened
// before the ratchet state was stored can't be opened again, and a generation
// that was reserved before is not used again.
func Restore(epoch, ratchet secret.Bytes, o RestoreOptions) (*Group, error) {
	e, proposals, err := restore(epoch, ratchet)
	if err != nil {
		return nil, fmt.Errorf("restore group: %w", err)
	}
	if err := e.fits(o.Signer); err != nil {
		return nil, fmt.Errorf("restore group: %w", err)
	}
	return &Group{epoch: e, signer: o.Signer, validator: o.Validator, outside: o.Outside, proposals: proposals}, nil
}

// fits checks that e can act for the owner of signer.
func (e *epoch) fits(signer ciphersuite.SigningKey) error {
	own := e.tree.Leaf(e.Self())
	switch {
	case own == nil || !e.private.Leaf().Valid():
		return fmt.Errorf("%w: not of a member", ErrState)
	case !bytes.Equal(own.SignatureKey, signer.Public()):
		return fmt.Errorf("%w: the signer is not that of our leaf", ErrState)
	}
	return nil
}

func restore(epochState, ratchetState secret.Bytes) (*epoch, []change.Proposal, error) {
	e, err := readEpochState(bytes.Clone(epochState.Reveal()))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	r := syntax.NewReader(bytes.Clone(ratchetState.Reveal()))
	e.readHead(r, ratchetVersion)
	t := r.Sub()
	secretTree := schedule.ReadSecretTree(t)
	if err := t.Done(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	e.secrets.Tree = secretTree
	proposals := e.readProposals(r.Sub())
	if err := r.Done(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	return e, proposals, nil
}

// readHead checks that r is of e's group and epoch.
func (e *epoch) readHead(r *syntax.Reader, version uint8) {
	before := r.Rest()
	if v := r.Uint8(); v != version {
		r.Fail(fmt.Errorf("version %d", v))
	}
	r.Uint16()
	r.Vector()
	r.Uint64()
	if !bytes.Equal(r.Since(before), e.appendHead(nil, version)) {
		r.Fail(fmt.Errorf("not of epoch %d of this group", e.context.Epoch))
	}
}

func readEpochState(b []byte) (*epoch, error) {
	r := syntax.NewReader(b)
	if v := r.Uint8(); v != epochVersion {
		return nil, fmt.Errorf("version %d", v)
	}
	s, err := ciphersuite.Lookup(ciphersuite.ID(r.Uint16()))
	if err != nil {
		return nil, err
	}
	e := &epoch{suite: s}
	groupID, number := r.Vector(), r.Uint64()
	e.setContext(framing.ReadGroupContext(r))
	e.tag, e.interim = r.Vector(), r.Vector()
	rawTree := r.Vector()
	in := r.Sub()
	e.secrets = schedule.ReadEpoch(in)
	if err := in.Done(); err != nil {
		return nil, err
	}
	self := LeafIndex(r.Uint32())
	if in = r.Sub(); in.Empty() {
		e.private = tree.NewPrivate(self, ciphersuite.PrivateKey{})
	} else {
		e.private = tree.ReadPrivate(s, in)
	}
	if err := in.Done(); err != nil {
		return nil, err
	}
	if err := r.Done(); err != nil {
		return nil, err
	}
	if !bytes.Equal(groupID, e.context.GroupID) || number != e.context.Epoch || e.context.Suite != s.ID() || e.private.Self() != self {
		return nil, fmt.Errorf("its parts differ")
	}
	if e.tree, err = tree.Parse(s, rawTree); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *epoch) readProposals(r *syntax.Reader) []change.Proposal {
	var list []change.Proposal
	for !r.Empty() {
		p := change.Proposal{Sender: LeafIndex(r.Uint32()), Ref: r.Vector()}
		raw, key := r.Vector(), r.Vector()
		var err error
		if p.Value, err = framing.ParseProposal(raw); err == nil && len(key) > 0 {
			p.Key, err = e.suite.ParsePrivateKey(secret.New(key))
		}
		if err != nil {
			r.Fail(err)
		}
		list = append(list, p)
	}
	return list
}
