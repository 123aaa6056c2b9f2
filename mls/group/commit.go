package group

import (
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/change"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// CommitOptions says what a commit does. The zero value renews one's own keys.
type CommitOptions struct {
	Add             []*KeyPackage // validated ([KeyPackage.Validate])
	Remove          []LeafIndex
	GroupExtensions Extensions    // nil: unchanged; otherwise they replace all
	Leaf            *LeafOptions  // new content of one's own leaf; nil: unchanged
	PSKs            []PSK         // to be mixed in
	PastEpochs      []*PastEpoch  // their resumption keys are mixed in, too
	PSK             PSKFunc       // finds the keys that proposals among Proposals name
	Proposals       []ProposalRef // received ones to take up
	Update          bool          // renew one's own keys even where it is not needed
	// AuthenticatedData is readable by whoever carries the commit.
	AuthenticatedData []byte
	PadTo             int  // as in Seal
	TreeOutOfBand     bool // leave the tree out of the Welcome
	Public            bool // a PublicMessage, readable by all, instead of a PrivateMessage

	parent *epoch // of a branch
}

// LeafOptions is the content of a leaf of one's own.
type LeafOptions struct {
	Identity   []byte // nil: unchanged
	Extensions Extensions
	Supports   []ExtensionType
}

// Pending is a commit of one's own that was not accepted yet. It holds the epoch
// that the commit leads to.
type Pending struct {
	*Staged
	commit  []byte
	welcome []byte
}

// Commit returns the MLSMessage to send to all members.
func (p *Pending) Commit() []byte { return p.commit }

// Welcome returns the MLSMessage for the added members, nil without any.
func (p *Pending) Welcome() []byte { return p.welcome }

// Discard erases the secrets of a commit that lost.
func (p *Pending) Discard() { p.Drop() }

// Commit makes a commit (RFC 9420 12.4.1). It changes nothing in g but the
// generation the commit is encrypted with: store [Pending.State] and
// [Group.RatchetState] in one transaction before the commit is sent, and call
// [Group.Confirm] or [Pending.Discard] when it is known whether it won.
func (g *Group) Commit(o CommitOptions) (*Pending, error) {
	if g.closed {
		return nil, ErrClosed
	}
	list, err := g.collect(&o)
	if err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	c, err := g.apply(list, g.Self(), g.validator)
	if err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	d := &draft{Group: g, change: c, list: list, options: &o}
	defer d.wipe()
	p, err := d.finish()
	if err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return p, nil
}

// collect lists the proposals that o asks for.
func (g *Group) collect(o *CommitOptions) ([]change.Proposal, error) {
	var list []change.Proposal
	for _, ref := range o.Proposals {
		p, ok := g.find(ref)
		if !ok {
			return nil, ErrMissingProposal
		}
		list = append(list, p)
	}
	own := func(v framing.Proposal) { list = append(list, change.Proposal{Sender: g.Self(), Value: v}) }
	if o.GroupExtensions != nil {
		if err := o.GroupExtensions.Check(); err != nil {
			return nil, err
		}
		own(framing.GroupContextExtensions{Extensions: o.GroupExtensions})
	}
	for _, i := range o.Remove {
		own(framing.Remove{Leaf: i})
	}
	for _, k := range o.Add {
		if k == nil || k.Content() == nil {
			return nil, errors.New("add: no key package")
		}
		own(framing.Add{KeyPackage: k.Content()})
	}
	for _, k := range o.PSKs {
		own(framing.PreSharedKey{ID: PSKID{Type: schedule.PSKExternal, ID: k.ID, Nonce: g.nonce()}})
	}
	for _, p := range o.PastEpochs {
		own(framing.PreSharedKey{ID: p.e.resumption(schedule.PSKApplication, g.nonce())})
	}
	if o.parent != nil {
		own(framing.PreSharedKey{ID: o.parent.resumption(schedule.PSKBranch, g.nonce())})
	}
	return list, nil
}

// draft is a commit in the making.
type draft struct {
	*Group
	change  *change.Change
	list    []change.Proposal
	options *CommitOptions
	private *tree.Private
	path    *tree.Path // nil: none
	commit  framing.Commit
	psk     secret.Bytes
	next    *epoch
	joiner  secret.Bytes
}

// wipe erases what the commit itself no longer needs.
func (d *draft) wipe() {
	d.psk.Wipe()
	d.joiner.Wipe()
	if d.path != nil {
		d.path.Wipe()
	}
	if d.next == nil && d.private != nil {
		d.private.Wipe()
	}
}

func (d *draft) finish() (*Pending, error) {
	if err := d.prepare(); err != nil {
		return nil, err
	}
	return d.complete()
}

// prepare fills in the commit's content.
func (d *draft) prepare() error {
	d.private = d.Group.private.Clone()
	for _, p := range d.list {
		if p.Ref != nil {
			d.commit.Proposals = append(d.commit.Proposals, framing.ProposalOrRef{Ref: p.Ref})
		} else {
			d.commit.Proposals = append(d.commit.Proposals, framing.ProposalOrRef{Proposal: p.Value})
		}
	}
	// RFC 9420 12.4: a path where a member goes or a key is to heal, and on wish.
	if d.change.NeedsPath || d.options.Update || d.options.Leaf != nil {
		if err := d.makePath(); err != nil {
			return err
		}
	}
	d.private.Prune(d.change.Tree)
	var err error
	d.psk, err = d.pskSecret(d.change.PSKs, d.lookup)
	return err
}

// complete signs the content, derives the next epoch and seals the commit.
func (d *draft) complete() (*Pending, error) {
	wire := framing.WirePrivateMessage
	if d.options.Public {
		wire = framing.WirePublicMessage
	}
	signed, err := d.sign(wire, framing.Content{
		Type: framing.ContentCommit, Commit: &d.commit, AuthenticatedData: d.options.AuthenticatedData,
	})
	if err != nil {
		return nil, err
	}
	commitSecret := schedule.Zero(d.suite)
	if d.path != nil {
		commitSecret = d.path.CommitSecret()
	}
	confirmed := schedule.ConfirmedHash(d.suite, d.interim, signed.TranscriptInput())
	if d.next, d.joiner, err = d.advance(d.change, d.private, secret.Bytes{}, commitSecret, d.psk, confirmed); err != nil {
		return nil, err
	}
	signed.Confirm(d.next.confirm())
	p := &Pending{Staged: d.staged(d.change, d.next, d.Self(), d.options.AuthenticatedData)}
	if p.welcome, err = d.makeWelcome(); err == nil { // last, what uses up a generation
		p.commit, err = d.seal(signed, d.options.PadTo)
	}
	if err != nil {
		p.Drop()
		return nil, err
	}
	return p, nil
}

// makePath renews the path in the changed tree and encrypts it to the others.
func (d *draft) makePath() error {
	old := d.tree.Leaf(d.Self())
	leaf, err := d.ownLeaf(d.options.Leaf, d.change.Extensions)
	if err != nil {
		return err
	}
	if d.path, err = d.change.Tree.NewPath(d.private, leaf, d.signer, d.context.GroupID); err != nil {
		return err
	}
	if err := d.change.Committed(d.Self(), old, d.validator); err != nil {
		return err
	}
	d.commit.Path, err = d.path.Encrypt(d.provisional(d.change), d.change.Added)
	return err
}

// lookup finds the pre-shared keys of one's own commit.
func (d *draft) lookup(id PSKID) (secret.Bytes, error) {
	for _, k := range d.options.PSKs {
		if id.Type == schedule.PSKExternal && string(k.ID) == string(id.ID) {
			return k.Key, nil
		}
	}
	if o := d.options; o.parent != nil && o.parent.names(id) {
		return o.parent.secrets.Resumption, nil
	}
	return FindPast(d.options.PastEpochs, d.options.PSK)(id)
}

// makeWelcome returns the Welcome for the members that the commit adds.
func (d *draft) makeWelcome() ([]byte, error) {
	if len(d.change.Added) == 0 {
		return nil, nil
	}
	info, err := d.next.groupInfo(d.signer, !d.options.TreeOutOfBand)
	if err != nil {
		return nil, err
	}
	members := make([]framing.NewMember, len(d.change.Added))
	for n, i := range d.change.Added {
		members[n].KeyPackage = d.change.Joiners[n]
		if d.path != nil {
			members[n].Path = d.path.SecretFor(i)
			defer members[n].Path.Wipe()
		}
	}
	w, err := framing.NewWelcome(d.suite, info, d.joiner, d.psk, d.change.PSKs, members)
	if err != nil {
		return nil, err
	}
	return w.Bytes(), nil
}

// seal seals a handshake message.
func (g *Group) seal(m *framing.Signed, padTo int) ([]byte, error) {
	if m.Wire() == framing.WirePublicMessage {
		return m.SealPublic(g.secrets)
	}
	if _, err := g.secrets.Tree.Reserve(schedule.Handshake, 1); err != nil {
		return nil, err
	}
	return m.SealPrivate(g.secrets, padTo)
}

// base returns what proposals apply to.
func (e *epoch) base() change.Base {
	b := change.Base{Suite: e.suite, Context: &e.context, Tree: e.tree, Self: change.Nobody, Founding: e.founding}
	if e.private != nil {
		b.Self = e.Self()
	}
	return b
}

// apply is [change.Base.Apply] to e.
func (e *epoch) apply(list []change.Proposal, committer LeafIndex, v Validator) (*change.Change, error) {
	return e.base().Apply(list, committer, v)
}

// provisional encodes the context under which path secrets are encrypted: that
// of the next epoch, its transcript hash not known yet (RFC 9420 12.4.1).
func (e *epoch) provisional(c *change.Change) []byte {
	next := e.nextContext(c)
	return next.Append(nil)
}

func (e *epoch) nextContext(c *change.Change) framing.GroupContext {
	next := e.context
	next.Epoch++
	next.TreeHash = c.Tree.Hash()
	next.Extensions = c.Extensions
	return next
}

// advance derives the next epoch. It takes ownership of private. init is the
// init_secret that an external joiner made, empty for all others.
func (e *epoch) advance(c *change.Change, private *tree.Private, init, commit, psk secret.Bytes, confirmed []byte) (*epoch, secret.Bytes, error) {
	next := &epoch{suite: e.suite, tree: c.Tree, private: private}
	context := e.nextContext(c)
	context.ConfirmedTranscriptHash = confirmed
	next.setContext(context)
	own := uint32(private.Self())
	var joiner secret.Bytes
	var err error
	switch {
	case init.Len() > 0: // RFC 9420 8.3: the external joiner
		joiner = schedule.Joiner(e.suite, init, commit, next.encoded)
		next.secrets, err = schedule.FromJoiner(e.suite, joiner, psk, next.encoded, next.width(), own)
	case c.KEMOutput != nil: // and those that let it in
		next.secrets, err = e.secrets.NextExternal(c.KEMOutput, commit, psk, next.encoded, next.width(), own)
		if err != nil { // V-509
			err = fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	default:
		next.secrets, joiner, err = e.secrets.Next(commit, psk, next.encoded, next.width(), own)
	}
	if err != nil {
		return nil, secret.Bytes{}, err
	}
	return next, joiner, nil
}

// confirm computes the confirmation tag of e, and with it the interim hash.
func (e *epoch) confirm() []byte {
	e.setTag(e.secrets.ConfirmationTag(e.context.ConfirmedTranscriptHash))
	return e.tag
}

func (e *epoch) setTag(tag []byte) {
	e.tag = tag
	e.interim = schedule.InterimHash(e.suite, e.context.ConfirmedTranscriptHash, tag)
}
