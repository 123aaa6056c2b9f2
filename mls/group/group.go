package group

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/change"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/member"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// Group is one device's membership in one group. Any method that returns an
// error leaves it as it was. It is not safe for concurrent use.
type Group struct {
	*epoch
	signer    ciphersuite.SigningKey
	validator Validator
	outside   Outside
	proposals []change.Proposal // received or made in this epoch, by reference
	closed    bool
}

// epoch is the group at one time. What a commit leads to is another epoch beside
// this one, which Merge swaps in; only its secret tree and its caches change.
type epoch struct {
	suite   ciphersuite.Suite
	context framing.GroupContext
	encoded []byte // context
	tree    *tree.Tree
	private *tree.Private
	secrets *schedule.Epoch
	interim []byte // interim transcript hash
	tag     []byte // confirmation tag

	founding bool // the one epoch of a branch in which its parent's key goes in
}

// Member implements [framing.Signers] for the members.
func (e *signers) Member(i LeafIndex) ([]byte, bool) {
	if l := e.tree.Leaf(i); l != nil {
		return l.SignatureKey, true
	}
	return nil, false
}

// External implements [framing.Signers] for the external_senders extension.
func (e *signers) External(i uint32) ([]byte, bool) {
	list, err := e.extensions.ExternalSenders()
	if err != nil || int64(i) >= int64(len(list)) {
		return nil, false
	}
	return list[i].SignatureKey, true
}

type signers struct {
	tree       *tree.Tree
	extensions Extensions
}

func (e *epoch) receiver() *framing.Receiver {
	return &framing.Receiver{
		Epoch: e.secrets, Signers: &signers{e.tree, e.context.Extensions}, GroupID: e.context.GroupID,
		Number: e.context.Epoch, GroupContext: e.encoded,
	}
}

// wipe erases everything secret.
func (e *epoch) wipe() {
	e.private.Wipe()
	e.secrets.Wipe()
}

// CreateOptions says how a group begins.
type CreateOptions struct {
	Suite           ciphersuite.ID // zero: ciphersuite.Default
	GroupID         []byte         // nil: 32 random bytes
	Identity        []byte         // of one's own basic credential
	Signer          ciphersuite.SigningKey
	LeafExtensions  Extensions
	GroupExtensions Extensions      // of the group context, opaque
	Supports        []ExtensionType // further types the application handles
	NotBefore       time.Time       // lifetime of one's own leaf
	NotAfter        time.Time
	Validator       Validator
	Outside         Outside // what is taken from outside; zero: nothing
}

// Create begins a group of one (RFC 9420 11). Its first epoch comes from fresh
// randomness, so that the public state of the group tells nothing of it.
func Create(o CreateOptions) (*Group, error) {
	if o.Suite == 0 {
		o.Suite = ciphersuite.Default
	}
	s, err := ciphersuite.Lookup(o.Suite)
	if err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	if o.GroupID == nil {
		o.GroupID = ciphersuite.Random(32).Reveal()
	}
	leaf, err := member.NewLeaf(member.LeafContent{
		Identity: o.Identity, Extensions: o.LeafExtensions, Supports: o.Supports, Group: o.GroupExtensions,
	})
	if err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	key, pub, err := s.GenerateKeyPair()
	if err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	leaf.EncryptionKey, leaf.SignatureKey, leaf.Source = pub, o.Signer.Public(), tree.SourceKeyPackage
	leaf.Lifetime = member.Lifetime(o.NotBefore, o.NotAfter)
	if err := leaf.Sign(s, o.Signer, nil, 0); err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	e := &epoch{suite: s, tree: tree.New(s, &leaf), private: tree.NewPrivate(0, key)}
	e.setContext(framing.GroupContext{
		Version: framing.Version, Suite: s.ID(), GroupID: slices.Clone(o.GroupID),
		TreeHash: e.tree.Hash(), Extensions: o.GroupExtensions,
	})
	if e.secrets, err = schedule.Found(s); err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	e.tag = e.secrets.ConfirmationTag(nil)
	e.interim = schedule.InterimHash(s, nil, e.tag)
	if err := e.checkAll(o.Validator); err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	return &Group{epoch: e, signer: o.Signer, validator: o.Validator, outside: o.Outside}, nil
}

// setContext sets the context and its encoding.
func (e *epoch) setContext(c framing.GroupContext) {
	e.context, e.encoded = c, c.Append(nil)
}

// checkAll checks a tree that is new to us: capabilities and identities.
func (e *epoch) checkAll(v Validator) error {
	if err := change.CheckExtensions(e.context.Extensions); err != nil {
		return err
	}
	if err := e.tree.CheckCapabilities(e.context.Extensions); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for i, l := range e.tree.Leaves {
		if err := v.Check(Claim{Member: member.Of(i, l), Group: e.context.Extensions}); err != nil {
			return fmt.Errorf("%w: %v: %w", ErrInvalid, i, err)
		}
	}
	return nil
}

// ID returns the group's id.
func (e *epoch) ID() []byte { return e.context.GroupID }

// Epoch returns the number of the epoch.
func (e *epoch) Epoch() uint64 { return e.context.Epoch }

// Suite returns the cipher suite.
func (e *epoch) Suite() ciphersuite.ID { return e.suite.ID() }

// Self returns one's own place.
func (e *epoch) Self() LeafIndex { return e.private.Self() }

// Size returns the number of members.
func (e *epoch) Size() int { return e.tree.Size() }

// Members returns all members from the left.
func (e *epoch) Members() iter.Seq[Member] {
	return func(yield func(Member) bool) {
		for i, l := range e.tree.Leaves {
			if !yield(member.Of(i, l)) {
				return
			}
		}
	}
}

// Member returns the member at i.
func (e *epoch) Member(i LeafIndex) (Member, bool) {
	if l := e.tree.Leaf(i); l != nil {
		return member.Of(i, l), true
	}
	return Member{}, false
}

// Extensions returns the extensions of the group context. They must not be
// changed.
func (e *epoch) Extensions() Extensions { return e.context.Extensions }

// Tree returns the ratchet tree for a joiner out of band ([JoinOptions]).
func (e *epoch) Tree() []byte { return e.tree.Append(nil) }

// EpochAuthenticator returns what members compare to see that they agree on the
// whole history of the group (RFC 9420 8.7).
func (e *epoch) EpochAuthenticator() []byte {
	return slices.Clone(e.secrets.Authenticator.Reveal())
}

// Export derives n bytes that only members of this epoch know (RFC 9420 8.5).
func (e *epoch) Export(label string, context []byte, n int) (secret.Bytes, error) {
	return e.secrets.Export(label, context, n)
}

// ResumptionPSK returns a copy of the key by which another group or a later
// epoch can be tied to this epoch (RFC 9420 8.6).
func (e *epoch) ResumptionPSK() secret.Bytes { return e.secrets.Resumption.Clone() }

// Closed reports whether this member was removed.
func (g *Group) Closed() bool { return g.closed }

// groupInfo describes e for joiners, signed (RFC 9420 12.4.3).
func (e *epoch) groupInfo(signer ciphersuite.SigningKey, withTree bool, extra ...Extension) (*framing.GroupInfo, error) {
	info := &framing.GroupInfo{Context: e.context, ConfirmationTag: e.tag, Signer: e.private.Self()}
	if withTree {
		extra = append(extra, Extension{Type: tree.ExtRatchetTree, Data: e.tree.Append(nil)})
	}
	info.Extensions = extra
	if err := info.Sign(e.suite, signer); err != nil {
		return nil, fmt.Errorf("group info: %w", err)
	}
	return info, nil
}

// width returns the size of the secret tree.
func (e *epoch) width() uint32 { return uint32(e.tree.Width()) } //nolint:gosec // <= tree.MaxLeaves

// appendHead appends what both parts of a state begin with.
func (e *epoch) appendHead(b []byte, version uint8) []byte {
	b = syntax.AppendUint8(b, version)
	b = syntax.AppendUint16(b, uint16(e.suite.ID()))
	b = syntax.AppendVector(b, e.context.GroupID)
	return syntax.AppendUint64(b, e.context.Epoch)
}
