package group

import (
	"bytes"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/change"
	"github.com/byre-messenger/byre/mls/member"
	"github.com/byre-messenger/byre/mls/schedule"
)

// Staged is a commit that is in order and was not merged: what it does, and the
// epoch it leads to. The group it was made from is unchanged.
type Staged struct {
	base          uint64 // epoch of the group
	group         []byte
	next          *epoch // nil when it removes this member
	sender        Member // as before the commit
	added         []Member
	removed       []Member
	updated       []Update
	extensions    Extensions
	replaced      bool
	authenticated []byte
	external      bool
	message       *framing.Verified // whose key Merge consumes; nil for one's own
}

func (e *epoch) staged(c *change.Change, next *epoch, sender LeafIndex, authenticated []byte) *Staged {
	s := &Staged{
		base: e.context.Epoch, group: e.context.GroupID, next: next,
		removed: c.Removed, updated: c.Updated,
		extensions: c.Extensions, replaced: c.Replaced, authenticated: authenticated,
	}
	s.sender, _ = e.Member(sender)
	for _, i := range c.Added {
		s.added = append(s.added, member.Of(i, c.Tree.Leaf(i)))
	}
	if s.external = c.External; c.External {
		s.sender = member.Of(sender, c.Tree.Leaf(sender))
		s.added = append(s.added, s.sender)
	}
	return s
}

// External reports whether the committer came in by this very commit: it is
// among Added then, and its old leaf, if it had one, among Removed.
func (s *Staged) External() bool { return s.external }

// Epoch returns the number of the epoch the commit leads to.
func (s *Staged) Epoch() uint64 { return s.base + 1 }

// Sender returns the committer as it was before.
func (s *Staged) Sender() Member { return s.sender }

// Added returns the new members.
func (s *Staged) Added() []Member { return s.added }

// Removed returns who goes.
func (s *Staged) Removed() []Member { return s.removed }

// Updated returns the members whose leaf changed, the committer among them if
// the commit has a path.
func (s *Staged) Updated() []Update { return s.updated }

// GroupExtensions returns the extensions of the group afterwards, and whether
// the commit replaces them.
func (s *Staged) GroupExtensions() (Extensions, bool) { return s.extensions, s.replaced }

// AuthenticatedData returns what the committer sent along in the clear.
func (s *Staged) AuthenticatedData() []byte { return s.authenticated }

// SelfRemoved reports whether the commit removes this member: merging it closes
// the group.
func (s *Staged) SelfRemoved() bool { return s.next == nil }

// Export is [Group.Export] in the epoch that the commit leads to.
func (s *Staged) Export(label string, context []byte, n int) (secret.Bytes, error) {
	if s.next == nil {
		return secret.Bytes{}, ErrClosed
	}
	return s.next.Export(label, context, n)
}

// Drop erases the secrets of a commit that is not to be merged.
func (s *Staged) Drop() {
	if s.message != nil {
		s.message.Drop()
	}
	if s.next != nil {
		s.next.wipe()
	}
}

// StageOptions helps to process a commit.
type StageOptions struct {
	PSK PSKFunc // nil: commits with pre-shared keys are refused
}

// Stage checks somebody else's commit (RFC 9420 12.4.2) and derives the epoch it
// leads to. It changes nothing in g.
//
// Errors: [ErrEpoch] for a commit of another epoch; [ErrOwn] for one's own, which
// is confirmed instead; [ErrOwnPath] when all is well but our secret;
// [ErrMissingProposal]; anything else means the commit is not good, for anybody.
func (g *Group) Stage(msg []byte, o StageOptions) (*Staged, error) {
	if g.closed {
		return nil, ErrClosed
	}
	s, err := g.stage(msg, o)
	if err != nil {
		return nil, fmt.Errorf("stage commit: %w", err)
	}
	return s, nil
}

func (g *Group) stage(msg []byte, o StageOptions) (*Staged, error) {
	v, err := g.verify(msg, framing.ContentCommit)
	if err != nil {
		return nil, err
	}
	var s *Staged
	if v.Content().Sender.Type == framing.SenderNewMemberCommit {
		s, err = g.stageExternal(v, o)
	} else {
		s, err = g.stageMember(v, o)
	}
	if err != nil {
		v.Drop()
		return nil, err
	}
	s.message = v
	return s, nil
}

// stageMember is stage for the commit of a member.
func (g *Group) stageMember(v *framing.Verified, o StageOptions) (*Staged, error) {
	content := v.Content()
	sender := LeafIndex(content.Sender.Index)
	if sender == g.Self() {
		return nil, ErrOwn
	}
	list, err := g.resolve(content.Commit, sender)
	if err != nil {
		return nil, err
	}
	c, err := g.apply(list, sender, g.validator)
	if err != nil {
		return nil, err
	}
	path := content.Commit.Path
	if path == nil && c.NeedsPath { // V-303
		return nil, fmt.Errorf("%w: commit without a path", ErrInvalid)
	}
	if path != nil {
		if err := g.base().ApplyPath(c, sender, path, g.validator); err != nil {
			return nil, err
		}
	}
	staged := g.staged(c, nil, sender, content.AuthenticatedData)
	if c.Removes(g.Self()) {
		return staged, nil
	}
	staged.next, err = g.follow(c, v, sender, o.PSK)
	if err != nil {
		return nil, err
	}
	return staged, nil
}

// verify parses and authenticates a handshake message of type t.
func (g *Group) verify(msg []byte, t framing.ContentType) (*framing.Verified, error) {
	m, err := framing.ParseMessage(bytes.Clone(msg)) // the tree will keep views of it
	if err != nil {
		return nil, err
	}
	if m.Public == nil && m.Private == nil ||
		m.Public != nil && m.Public.ContentType() != t ||
		m.Private != nil && m.Private.ContentType() != t {
		return nil, ErrKind
	}
	return g.receiver().Open(m)
}

// resolve lists the proposals of a commit (RFC 9420 12.4.2).
func (g *Group) resolve(c *framing.Commit, sender LeafIndex) ([]change.Proposal, error) {
	byRef := make(map[string]change.Proposal, len(g.proposals))
	for _, p := range g.proposals {
		byRef[string(p.Ref)] = p
	}
	list := make([]change.Proposal, 0, len(c.Proposals))
	for _, p := range c.Proposals {
		if p.Proposal != nil {
			list = append(list, change.Proposal{Sender: sender, Value: p.Proposal})
			continue
		}
		known, ok := byRef[string(p.Ref)]
		if !ok {
			return nil, ErrMissingProposal // V-304
		}
		list = append(list, known)
	}
	return list, nil
}

// follow derives the epoch that an authentic commit with change c leads to.
func (g *Group) follow(c *change.Change, v *framing.Verified, sender LeafIndex, find PSKFunc) (next *epoch, err error) {
	content := v.Content()
	private := g.private.Clone()
	defer func() {
		if next == nil {
			private.Wipe()
		}
	}()
	if c.OwnKey.Valid() {
		private.SetLeaf(c.OwnKey.Clone())
	}
	private.Prune(c.Tree)
	commit := schedule.Zero(g.suite)
	if path := content.Commit.Path; path != nil {
		if commit, err = c.Tree.DecryptPath(private, sender, path, g.provisional(c), c.Added); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOwnPath, err) // V-305
		}
	}
	defer commit.Wipe()
	psk, err := g.pskSecret(c.PSKs, find)
	if err != nil {
		return nil, err
	}
	defer psk.Wipe()
	confirmed := schedule.ConfirmedHash(g.suite, g.interim, v.TranscriptInput())
	e, joiner, err := g.advance(c, private, secret.Bytes{}, commit, psk, confirmed)
	if err != nil {
		return nil, err
	}
	joiner.Wipe()
	if !e.secrets.VerifyConfirmationTag(confirmed, v.ConfirmationTag()) { // V-306
		e.wipe()
		return nil, fmt.Errorf("%w: confirmation tag does not hold", ErrInvalid)
	}
	e.setTag(v.ConfirmationTag())
	return e, nil
}

// Merge takes the group into the epoch of a staged commit and returns the one
// left behind. After it s is used up. If the commit removes this member the group
// is closed ([Group.Closed]) and stays at its last epoch: delete its states.
func (g *Group) Merge(s *Staged) (*PastEpoch, error) {
	if g.closed {
		return nil, ErrClosed
	}
	if s.base != g.context.Epoch || !bytes.Equal(s.group, g.context.GroupID) {
		return nil, fmt.Errorf("merge: %w: %d, the group is at %d", ErrStale, s.base, g.context.Epoch)
	}
	if s.next != nil && s.next.secrets.Init.Len() == 0 { // merged or dropped before
		return nil, fmt.Errorf("merge: %w", ErrStale)
	}
	old := g.epoch
	for _, p := range g.proposals {
		p.Key.Wipe()
	}
	g.proposals = nil
	if s.next == nil {
		g.closed = true
		// The accessors stay: they tell the last epoch.
	} else {
		g.epoch, s.next = s.next, nil
	}
	s.base = ^uint64(0) // no second time
	if s.message != nil {
		// Rule 5: the past epoch can't derive the commit's key again. An error says
		// that it was gone already.
		_ = s.message.Consume()
	}
	old.private.Wipe()
	old.secrets.Retire()
	return &PastEpoch{old}, nil
}

// Confirm takes the group into the epoch of one's own commit, which won.
func (g *Group) Confirm(p *Pending) (*PastEpoch, error) { return g.Merge(p.Staged) }
