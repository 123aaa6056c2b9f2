package interop

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
	"github.com/byre-messenger/byre/mls/outsider"
	"github.com/byre-messenger/byre/mls/schedule"
)

const suiteID = ciphersuite.X25519_AES128GCM_SHA256_Ed25519

// kept is how many left epochs a member keeps, as ts-mls does.
const kept = 4

// byre is a client of this repository.
type byre struct {
	name     string
	signer   ciphersuite.SigningKey
	own      *group.OwnKeyPackage
	group    *group.Group
	pending  *group.Pending
	entrance *group.Entrance
	past     map[uint64]*group.PastEpoch // by epoch
}

func newByre(name string) (*byre, error) {
	s, err := ciphersuite.Lookup(suiteID)
	if err != nil {
		return nil, err
	}
	signer, err := s.GenerateSigningKey()
	return &byre{name: name, signer: signer, past: map[uint64]*group.PastEpoch{}}, err
}

func (c *byre) do(r request) (reply, error) {
	operations := map[string]func(request) (reply, error){
		"keypackage": c.keypackage, "create": c.create, "join": c.join,
		"send": c.send, "propose": c.propose, "commit": c.commit,
		"groupinfo": c.groupinfo, "external": c.external, "knock": c.knock, "branch": c.branch, "joinbranch": c.joinBranch,
		"confirm": c.confirm, "discard": c.discard, "process": c.process, "describe": c.describe,
	}
	f, ok := operations[r.Op]
	if !ok {
		return reply{}, errors.New("byre: no operation " + r.Op)
	}
	a, err := f(r)
	if err != nil {
		return reply{}, fmt.Errorf("byre: %s: %w", r.Op, err)
	}
	return a, nil
}

// outside is what our members take from outside.
const outside = group.ExternalCommits | group.ExternalProposals

// crash loses all but the stored states.
func (c *byre) crash() error {
	if c.group == nil || c.entrance != nil { // nothing is stored yet
		return nil
	}
	g, err := group.Restore(c.group.EpochState(), c.group.RatchetState(), group.RestoreOptions{Signer: c.signer, Outside: outside})
	if err != nil {
		return err
	}
	c.group = g
	if c.pending != nil {
		if c.pending, err = group.RestorePending(c.pending.State()); err != nil {
			return err
		}
	}
	for i, p := range c.past {
		if c.past[i], err = group.RestorePast(p.EpochState(), p.RatchetState()); err != nil {
			return err
		}
	}
	return nil
}

func (c *byre) keypackage(r request) (reply, error) {
	var err error
	c.own, err = group.NewKeyPackage(group.KeyPackageOptions{
		Suite: suiteID, Identity: []byte(c.name), Signer: c.signer, Supports: types(r.Supports),
		NotBefore: time.Unix(r.NotBefore, 0), NotAfter: time.Unix(r.NotAfter, 0),
	})
	if err != nil {
		return reply{}, err
	}
	return reply{Message: c.own.Public()}, nil
}

func types(numbers []uint16) []group.ExtensionType {
	list := make([]group.ExtensionType, len(numbers))
	for i, n := range numbers {
		list[i] = group.ExtensionType(n)
	}
	return list
}

func extensionsOf(r request) group.Extensions {
	list := make(group.Extensions, len(r.Extensions))
	for i, e := range r.Extensions {
		list[i] = group.Extension{Type: group.ExtensionType(e.Type), Data: e.Data}
	}
	return list
}

func (c *byre) create(r request) (reply, error) {
	g, err := group.Create(group.CreateOptions{
		Suite: suiteID, GroupID: r.GroupID, Identity: []byte(c.name), Signer: c.signer,
		GroupExtensions: extensionsOf(r), Supports: types(r.Supports),
		NotBefore: time.Unix(r.NotBefore, 0), NotAfter: time.Unix(r.NotAfter, 0), Outside: outside,
	})
	if err != nil {
		return reply{}, err
	}
	c.group = g
	return c.describe(r)
}

func (c *byre) join(r request) (reply, error) {
	g, err := group.Join(r.Message, c.own, group.JoinOptions{Signer: c.signer, Tree: r.Tree, PSK: c.keys(r), Outside: outside})
	if err != nil {
		return reply{}, err
	}
	c.group = g
	return c.describe(r)
}

func (c *byre) send(r request) (reply, error) {
	if _, err := c.group.Reserve(1); err != nil {
		return reply{}, err
	}
	msg, err := c.group.Seal(r.Plaintext, r.AuthenticatedData, 128)
	return reply{Message: msg}, err
}

func (c *byre) propose(r request) (reply, error) {
	var msg []byte
	var ref group.ProposalRef
	var err error
	switch r.Kind {
	case "add":
		var k []*group.KeyPackage
		if k, err = parse(r.KeyPackages); err == nil {
			msg, ref, err = c.group.ProposeAdd(k[0])
		}
	case "remove":
		msg, ref, err = c.group.ProposeRemove(group.LeafIndex(r.Remove[0]))
	case "update":
		msg, ref, err = c.group.ProposeUpdate(nil)
	case "psk":
		msg, ref, err = c.group.ProposePSK(r.PSKs[0].ID)
	case "extensions":
		msg, ref, err = c.group.ProposeGroupExtensions(extensionsOf(r))
	default:
		err = errors.New("no proposal of kind " + r.Kind)
	}
	return reply{Message: msg, Ref: ref}, err
}

func parse(messages [][]byte) ([]*group.KeyPackage, error) {
	list := make([]*group.KeyPackage, len(messages))
	for i, m := range messages {
		k, err := group.ParseKeyPackage(m)
		if err == nil {
			err = k.Validate(now, suiteID)
		}
		if err != nil {
			return nil, err
		}
		list[i] = k
	}
	return list, nil
}

func (c *byre) commit(r request) (reply, error) {
	adds, err := parse(r.KeyPackages)
	if err != nil {
		return reply{}, err
	}
	o := group.CommitOptions{
		Add: adds, Update: r.Path, Public: r.Public, TreeOutOfBand: r.TreeOutOfBand, AuthenticatedData: r.AuthenticatedData,
		PSK: c.keys(r),
	}
	for _, i := range r.Remove {
		o.Remove = append(o.Remove, group.LeafIndex(i))
	}
	for _, ref := range r.Refs {
		o.Proposals = append(o.Proposals, ref)
	}
	for _, p := range r.PSKs {
		if len(p.ID) == 0 {
			o.PastEpochs = append(o.PastEpochs, c.past[p.Epoch])
			continue
		}
		key, err := c.keys(r)(group.PSKID{Type: schedule.PSKExternal, ID: p.ID})
		if err != nil {
			return reply{}, err
		}
		o.PSKs = append(o.PSKs, group.PSK{ID: p.ID, Key: key})
	}
	if r.SetExtensions {
		o.GroupExtensions = extensionsOf(r)
	}
	if c.pending, err = c.group.Commit(o); err != nil {
		return reply{}, err
	}
	return reply{Message: c.pending.Commit(), Welcome: c.pending.Welcome()}, nil
}

func (c *byre) groupinfo(r request) (reply, error) {
	msg, err := c.group.Info(group.InfoOptions{External: true, TreeOutOfBand: r.TreeOutOfBand})
	return reply{Message: msg}, err
}

func (c *byre) external(r request) (reply, error) {
	var err error
	c.entrance, err = group.Enter(r.Message, group.ExternalOptions{
		Identity: []byte(c.name), Signer: c.signer, Supports: types(r.Supports), Tree: r.Tree, Outside: outside,
	})
	if err != nil {
		return reply{}, err
	}
	return reply{Message: c.entrance.Commit()}, nil
}

func (c *byre) knock(r request) (reply, error) {
	msg, err := outsider.ProposeSelf(r.GroupID, r.Epoch, c.own, c.signer)
	return reply{Message: msg}, err
}

func (c *byre) confirm(r request) (reply, error) {
	if c.entrance != nil {
		g, err := c.entrance.Confirm()
		if err != nil {
			return reply{}, err
		}
		c.group, c.entrance = g, nil
		clear(c.past)
		return c.describe(r)
	}
	epoch := c.group.Epoch()
	past, err := c.group.Confirm(c.pending)
	if err != nil {
		return reply{}, err
	}
	c.pending = nil
	c.leave(epoch, past)
	return c.describe(r)
}

// leave keeps what is left of an epoch.
func (c *byre) leave(epoch uint64, past *group.PastEpoch) {
	c.past[epoch] = past
	if old, ok := c.past[epoch-kept]; ok {
		old.Wipe()
		delete(c.past, epoch-kept)
	}
}

func (c *byre) discard(request) (reply, error) {
	if c.entrance != nil {
		c.entrance.Discard()
		c.entrance = nil
		return reply{}, nil
	}
	c.pending.Discard()
	c.pending = nil
	return reply{}, nil
}

func (c *byre) process(r request) (reply, error) {
	h, err := group.Peek(r.Message)
	if err != nil {
		return reply{}, err
	}
	switch h.Kind {
	case group.KindApplication:
		return c.open(h.Epoch, r.Message)
	case group.KindProposal:
		p, err := c.group.Receive(r.Message)
		return reply{Kind: "proposal", Ref: p.Ref}, err
	case group.KindCommit:
		return c.follow(r)
	case group.KindWelcome, group.KindGroupInfo, group.KindKeyPackage:
	}
	return reply{}, fmt.Errorf("unexpected message of kind %d", h.Kind)
}

func (c *byre) open(epoch uint64, msg []byte) (reply, error) {
	open := c.group.Open
	if epoch != c.group.Epoch() {
		past, ok := c.past[epoch]
		if !ok {
			return reply{}, group.ErrEpoch
		}
		open = past.Open
	}
	m, err := open(msg)
	return reply{Kind: "application", Plaintext: m.Plaintext}, err
}

func (c *byre) follow(r request) (reply, error) {
	staged, err := c.group.Stage(r.Message, group.StageOptions{PSK: c.keys(r)})
	if err != nil {
		return reply{}, err
	}
	epoch := c.group.Epoch()
	past, err := c.group.Merge(staged)
	if err != nil {
		return reply{}, err
	}
	c.leave(epoch, past)
	a, err := c.describe(r)
	a.Kind = "commit"
	return a, err
}

func (c *byre) branch(r request) (reply, error) {
	adds, err := parse(r.KeyPackages)
	if err != nil {
		return reply{}, err
	}
	g, welcome, err := c.group.Branch(group.BranchOptions{
		GroupID: r.Branch, Add: adds, Supports: types(r.Supports),
		NotBefore: time.Unix(r.NotBefore, 0), NotAfter: time.Unix(r.NotAfter, 0),
	})
	if err != nil {
		return reply{}, err
	}
	a, err := describe(g, r)
	a.Welcome = welcome
	return a, err
}

func (c *byre) joinBranch(r request) (reply, error) {
	g, err := group.Join(r.Message, c.own, group.JoinOptions{Signer: c.signer, Tree: r.Tree, BranchOf: c.group})
	if err != nil {
		return reply{}, err
	}
	return describe(g, r)
}

func (c *byre) describe(r request) (reply, error) { return describe(c.group, r) }

func describe(g *group.Group, r request) (reply, error) {
	if g.Closed() {
		return reply{Removed: true}, nil
	}
	exported, err := g.Export("interop", r.GroupID, 32)
	return reply{state: state{
		Epoch: g.Epoch(), Self: uint32(g.Self()), Authenticator: g.EpochAuthenticator(),
		Exporter: exported.Reveal(), Resumption: g.ResumptionPSK().Reveal(), Tree: g.Tree(),
	}}, err
}

// keys finds pre-shared keys: those of the request and of epochs left.
func (c *byre) keys(r request) group.PSKFunc {
	return group.FindPast(slices.Collect(maps.Values(c.past)), func(id group.PSKID) (secret.Bytes, error) {
		for _, k := range r.Keys {
			if id.Type == schedule.PSKExternal && string(k.ID) == string(id.ID) {
				return secret.New(k.Key), nil
			}
		}
		return secret.Bytes{}, errors.New("pre-shared key is not known")
	})
}
