package group

import (
	"bytes"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/change"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/member"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// Outside says what a group takes from who is not a member. All members must
// use one value, as they use one [Validator], or they part ways.
type Outside uint8

// What may be taken from outside. The zero Outside takes nothing.
const (
	// ExternalCommits lets whoever has a GroupInfo enter by its own commit
	// (RFC 9420 12.4.3.2). The Validator alone decides who may.
	ExternalCommits Outside = 1 << iota
	// ExternalProposals lets newcomers propose themselves, and the senders of the
	// external_senders extension propose (RFC 9420 12.1.8). A member must still
	// commit what they propose.
	ExternalProposals
)

// InfoOptions says what [Group.Info] tells.
type InfoOptions struct {
	External      bool // a key by which the reader may enter; members must take [ExternalCommits]
	TreeOutOfBand bool // leave the tree out: it goes by [Group.Tree]
}

// Info returns the group's GroupInfo as an MLSMessage, signed (RFC 9420 12.4.3).
// It shows the group's members to whoever reads it.
func (g *Group) Info(o InfoOptions) ([]byte, error) {
	if g.closed {
		return nil, ErrClosed
	}
	var extra Extensions
	if o.External {
		pub, err := g.secrets.ExternalPub()
		if err != nil {
			return nil, fmt.Errorf("group info: %w", err)
		}
		extra = Extensions{{Type: tree.ExtExternalPub, Data: syntax.AppendVector(nil, pub)}}
	}
	info, err := g.groupInfo(g.signer, !o.TreeOutOfBand, extra...)
	if err != nil {
		return nil, err
	}
	return info.Bytes(), nil
}

// ExternalOptions says who enters a group by its own commit.
type ExternalOptions struct {
	Identity          []byte
	Signer            ciphersuite.SigningKey // of the old leaf, if there is one
	LeafExtensions    Extensions
	Supports          []ExtensionType
	Tree              []byte // out of band; nil: it must be in the GroupInfo
	PSKs              []PSK
	Validator         Validator
	Outside           Outside
	AuthenticatedData []byte
}

// Entrance is an external commit of one's own that was not accepted yet. It is
// not saved: after a crash enter anew, which replaces the leaf if it won.
type Entrance struct {
	group  *Group
	commit []byte
}

// Commit returns the MLSMessage to send to all members.
func (n *Entrance) Commit() []byte { return n.commit }

// Confirm returns the group that the commit, which won, has entered. A second
// call, or one after Discard, returns [ErrStale].
func (n *Entrance) Confirm() (*Group, error) {
	g := n.group
	if g == nil {
		return nil, fmt.Errorf("enter: %w", ErrStale)
	}
	n.group = nil
	return g, nil
}

// Discard erases the secrets of a commit that lost.
func (n *Entrance) Discard() {
	if n.group != nil {
		n.group.wipe()
		n.group = nil
	}
}

// Enter makes an external commit into the group of a GroupInfo
// (RFC 9420 12.4.3.2). All that [Join] checks of a tree is checked. If a leaf
// there has the signer's key it is one's own old one and is removed.
func Enter(info []byte, o ExternalOptions) (*Entrance, error) {
	m, err := framing.ParseMessage(bytes.Clone(info))
	if err != nil {
		return nil, fmt.Errorf("enter: %w", err)
	}
	if m.GroupInfo == nil {
		return nil, fmt.Errorf("enter: %w", ErrKind)
	}
	n, err := enter(m.GroupInfo, &o)
	if err != nil {
		return nil, fmt.Errorf("enter: %w", err)
	}
	return n, nil
}

func enter(u *framing.UnverifiedGroupInfo, o *ExternalOptions) (*Entrance, error) {
	s, err := ciphersuite.Lookup(u.Suite())
	if err != nil {
		return nil, err
	}
	info, t, err := checkInfo(s, u, o.Tree)
	if err != nil {
		return nil, err
	}
	data, ok := info.Extensions.Get(tree.ExtExternalPub)
	if !ok { // V-508
		return nil, fmt.Errorf("%w: the group info has no external key", ErrRefused)
	}
	r := syntax.NewReader(data)
	pub := r.Vector()
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("%w: external key: %w", ErrInvalid, err)
	}
	e := &epoch{suite: s, tree: t}
	e.setContext(info.Context)
	e.setTag(info.ConfirmationTag)
	if err := e.checkAll(o.Validator); err != nil {
		return nil, err
	}
	kem, init, err := schedule.ExternalInit(s, pub)
	if err != nil {
		return nil, fmt.Errorf("%w: external key: %w", ErrInvalid, err)
	}
	defer init.Wipe()
	d := &entering{epoch: e, options: o, init: init}
	d.propose(framing.ExternalInit{KEMOutput: kem})
	for i, l := range t.Leaves {
		if bytes.Equal(l.SignatureKey, o.Signer.Public()) {
			d.propose(framing.Remove{Leaf: i})
		}
	}
	for _, k := range o.PSKs {
		d.propose(framing.PreSharedKey{ID: PSKID{Type: schedule.PSKExternal, ID: k.ID, Nonce: e.nonce()}})
	}
	return d.finish()
}

// entering is an external commit in the making.
type entering struct {
	*epoch
	options *ExternalOptions
	init    secret.Bytes
	list    []change.Proposal
	commit  framing.Commit
}

func (d *entering) propose(v framing.Proposal) {
	d.list = append(d.list, change.Proposal{Sender: change.Nobody, Value: v})
	d.commit.Proposals = append(d.commit.Proposals, framing.ProposalOrRef{Proposal: v})
}

func (d *entering) finish() (*Entrance, error) {
	o := d.options
	c, err := d.base().ApplyExternal(d.list)
	if err != nil {
		return nil, err
	}
	leaf, err := member.NewLeaf(member.LeafContent{
		Identity: o.Identity, Extensions: o.LeafExtensions, Supports: o.Supports, Group: c.Extensions,
	})
	if err != nil {
		return nil, err
	}
	leaf.SignatureKey = o.Signer.Public()
	private := tree.NewPrivate(c.Entered, ciphersuite.PrivateKey{})
	path, err := c.Tree.NewPath(private, leaf, o.Signer, d.context.GroupID)
	if err != nil {
		return nil, err
	}
	defer path.Wipe()
	g := &Group{signer: o.Signer, validator: o.Validator, outside: o.Outside}
	if err = c.Entry(o.Validator); err == nil {
		d.commit.Path, err = path.Encrypt(d.provisional(c), nil)
	}
	var msg []byte
	if err == nil {
		g.epoch, msg, err = d.complete(c, private, path.CommitSecret())
	}
	if err != nil {
		private.Wipe()
		return nil, err
	}
	return &Entrance{g, msg}, nil
}

// complete signs the commit and derives the epoch it leads to.
func (d *entering) complete(c *change.Change, private *tree.Private, commitSecret secret.Bytes) (*epoch, []byte, error) {
	o := d.options
	m, err := framing.Sign(d.suite, o.Signer, framing.WirePublicMessage, framing.Content{
		GroupID: d.context.GroupID, Epoch: d.context.Epoch,
		Sender: framing.Sender{Type: framing.SenderNewMemberCommit}, AuthenticatedData: o.AuthenticatedData,
		Type: framing.ContentCommit, Commit: &d.commit,
	}, d.encoded)
	if err != nil {
		return nil, nil, err
	}
	draft := draft{options: &CommitOptions{PSKs: o.PSKs}}
	psk, err := foldPSKs(d.suite, c.PSKs, draft.lookup)
	if err != nil {
		return nil, nil, err
	}
	defer psk.Wipe()
	next, joiner, err := d.advance(c, private, d.init, commitSecret, psk, schedule.ConfirmedHash(d.suite, d.interim, m.TranscriptInput()))
	if err != nil {
		return nil, nil, err
	}
	joiner.Wipe()
	m.Confirm(next.confirm())
	msg, err := m.SealPublic(next.secrets)
	if err != nil {
		next.wipe()
		return nil, nil, err
	}
	return next, msg, nil
}

// stageExternal is stage for an external commit.
func (g *Group) stageExternal(v *framing.Verified, o StageOptions) (*Staged, error) {
	if g.outside&ExternalCommits == 0 { // V-501
		return nil, fmt.Errorf("%w: external commit", ErrRefused)
	}
	content := v.Content()
	list := make([]change.Proposal, len(content.Commit.Proposals))
	for i, p := range content.Commit.Proposals {
		if p.Proposal == nil { // V-502
			return nil, fmt.Errorf("%w: external commit with a proposal by reference", ErrInvalid)
		}
		list[i] = change.Proposal{Sender: change.Nobody, Value: p.Proposal}
	}
	c, err := g.base().ApplyExternal(list)
	if err != nil {
		return nil, err
	}
	if err := c.Tree.ApplyPath(c.Entered, content.Commit.Path, g.context.GroupID, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := c.Entry(g.validator); err != nil {
		return nil, err
	}
	staged := g.staged(c, nil, c.Entered, content.AuthenticatedData)
	if c.Removes(g.Self()) {
		return staged, nil
	}
	staged.next, err = g.follow(c, v, c.Entered, o.PSK)
	if err != nil {
		return nil, err
	}
	return staged, nil
}
