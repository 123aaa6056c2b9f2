package group

import (
	"bytes"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/change"
	"github.com/byre-messenger/byre/mls/outsider"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// openDoors is a party whose group takes what comes from outside.
func (w world) openDoors(names ...string) []*person {
	w.tb.Helper()
	all := w.party(names...)
	for _, p := range all {
		p.outside = ExternalCommits | ExternalProposals
	}
	return all
}

func (p *person) shows() []byte {
	p.tb.Helper()
	return must2(p.Info(InfoOptions{External: true}))(p.tb)
}

func (p *person) asks() ExternalOptions {
	return ExternalOptions{Identity: []byte(p.name), Signer: p.signer, Outside: ExternalCommits}
}

func TestEnter(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.openDoors("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		psk := PSK{[]byte("door"), secret.New([]byte("knock knock"))}
		find := StageOptions{PSK: func(PSKID) (secret.Bytes, error) { return psk.Key, nil }}
		dave := w.person("dave")
		o := dave.asks()
		o.PSKs, o.AuthenticatedData = []PSK{psk}, []byte("hello")
		n := must2(Enter(alice.shows(), o))(t)
		for _, p := range all {
			s := must2(p.Stage(n.Commit(), find))(t)
			if !s.External() || string(s.Sender().Identity) != "dave" || len(s.Added()) != 1 ||
				len(s.Removed()) != 0 || string(s.AuthenticatedData()) != "hello" {
				t.Errorf("%s is told %+v", p.name, s)
			}
			must2(p.Merge(s))(t).Wipe()
		}
		dave.Group = must2(n.Confirm())(t)
		if _, err := n.Confirm(); !errors.Is(err, ErrStale) {
			t.Errorf("confirmed twice: %v", err)
		}
		agree(t, alice, bob, carol, dave)
		dave.Group = reload(t, dave.Group)
		if got := bob.reads(dave.says("here")); got != "here" {
			t.Error(got)
		}
		if got := dave.reads(carol.says("welcome")); got != "welcome" {
			t.Error(got)
		}
		c := dave.commits(CommitOptions{Update: true})
		alice.follows(c.Commit())
		agree(t, alice, dave)
	})
}

// A device that lost its state enters again and takes its old leaf out; what is
// left of the old device learns that it is out.
func TestEnterReplacesOwnLeaf(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.openDoors("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		info := must2(alice.Info(InfoOptions{External: true, TreeOutOfBand: true}))(t)
		o := bob.asks()
		if _, err := Enter(info, o); !errors.Is(err, ErrNoTree) {
			t.Errorf("without a tree: %v", err)
		}
		o.Tree = alice.Tree()
		must2(Enter(info, o))(t).Discard()
		n := must2(Enter(info, o))(t)
		s := must2(bob.Stage(n.Commit(), StageOptions{}))(t)
		if !s.SelfRemoved() {
			t.Error("the old bob is not told")
		}
		again := must2(n.Confirm())(t)
		alice.follows(n.Commit())
		carol.follows(n.Commit())
		bob.Group = again
		agree(t, alice, bob, carol)
		if bob.Size() != 3 {
			t.Errorf("%d members", bob.Size())
		}
	})
}

// mallory forges an external commit: list takes the place of what an honest
// joiner proposes, if it is not nil.
func (p *person) breaksIn(g *person, list func(init framing.ExternalInit) []framing.Proposal) []byte {
	p.tb.Helper()
	u := must2(framing.ParseMessage(g.shows()))(p.tb).GroupInfo
	info, tr, err := checkInfo(p.suite, u, nil)
	must2(0, err)(p.tb)
	e := &epoch{suite: p.suite, tree: tr}
	e.setContext(info.Context)
	e.setTag(info.ConfirmationTag)
	pub := must2(g.secrets.ExternalPub())(p.tb)
	kem, init, err := schedule.ExternalInit(p.suite, pub)
	must2(0, err)(p.tb)
	o := p.asks()
	d := &entering{epoch: e, options: &o, init: init}
	c := &change.Change{Tree: tr.Clone(), Extensions: info.Context.Extensions, External: true, KEMOutput: kem}
	for _, v := range list(framing.ExternalInit{KEMOutput: kem}) {
		d.propose(v)
		if r, ok := v.(framing.Remove); ok && c.Tree.Leaf(r.Leaf) != nil {
			must2(0, c.Tree.Remove(r.Leaf))(p.tb)
		}
	}
	c.Entered = must2(c.Tree.Add(&tree.LeafNode{}))(p.tb)
	leaf := *p.offers().Content().Leaf
	private := tree.NewPrivate(c.Entered, ciphersuite.PrivateKey{})
	path := must2(c.Tree.NewPath(private, leaf, p.signer, e.context.GroupID))(p.tb)
	d.commit.Path = must2(path.Encrypt(e.provisional(c), nil))(p.tb)
	_, msg, err := d.complete(c, private, path.CommitSecret())
	must2(0, err)(p.tb)
	return msg
}

// Rule 3: an external commit removes nobody but the joiner's own old leaf, and
// does nothing else that a member's commit may do.
func TestInvalidExternalCommits(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.openDoors("alice", "bob", "carol")
		alice, bob := all[0], all[1]
		mallory := w.person("mallory")
		type list = []framing.Proposal
		before := everything(alice.Group)
		for name, build := range map[string]func(framing.ExternalInit) list{
			"V-503 none":      func(framing.ExternalInit) list { return nil },
			"V-503 two":       func(i framing.ExternalInit) list { return list{i, i} },
			"V-504 two":       func(i framing.ExternalInit) list { return list{i, framing.Remove{Leaf: 1}, framing.Remove{Leaf: 2}} },
			"V-219 nobody":    func(i framing.ExternalInit) list { return list{i, framing.Remove{Leaf: 77}} },
			"V-506 bob":       func(i framing.ExternalInit) list { return list{i, framing.Remove{Leaf: bob.Self()}} },
			"V-505 extension": func(i framing.ExternalInit) list { return list{i, framing.GroupContextExtensions{}} },
			"V-505 add": func(i framing.ExternalInit) list {
				return list{i, framing.Add{KeyPackage: w.person("eve").offers().Content()}}
			},
			"V-509 kem": func(i framing.ExternalInit) list {
				return list{framing.ExternalInit{KEMOutput: i.KEMOutput[1:]}}
			},
			"V-306 kem of another": func(i framing.ExternalInit) list {
				other, _, err := schedule.ExternalInit(w.suite, must2(alice.secrets.ExternalPub())(t))
				must2(0, err)(t)
				return list{framing.ExternalInit{KEMOutput: other}}
			},
		} {
			if _, err := alice.Stage(mallory.breaksIn(alice, build), StageOptions{}); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		honest := mallory.breaksIn(alice, func(i framing.ExternalInit) list { return list{i} })
		if !bytes.Equal(everything(alice.Group), before) {
			t.Error("alice changed")
		}
		alice.validator = func(c Claim) error {
			if string(c.Identity) == "mallory" {
				return errors.New("unwelcome")
			}
			return nil
		}
		if _, err := alice.Stage(honest, StageOptions{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("V-507 unwelcome: got %v", err)
		}
		alice.outside = 0
		if _, err := alice.Stage(honest, StageOptions{}); !errors.Is(err, ErrRefused) {
			t.Errorf("V-501 closed doors: got %v", err)
		}
		bob.follows(honest) // and it was good but for that
	})
}

// Who would enter is as careful as who joins by Welcome.
func TestInvalidGroupInfos(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.openDoors("alice", "bob")
		alice, zoe := all[0], w.person("zoe")
		plain := must2(alice.Info(InfoOptions{}))(t)
		if _, err := Enter(plain, zoe.asks()); !errors.Is(err, ErrRefused) {
			t.Errorf("V-508 no key: got %v", err)
		}
		forged := bytes.Clone(alice.shows())
		forged[len(forged)-1] ^= 1
		if _, err := Enter(forged, zoe.asks()); !errors.Is(err, framing.ErrSignature) {
			t.Errorf("V-406 signature: got %v", err)
		}
		o := zoe.asks()
		o.Validator = func(Claim) error { return errors.New("no") }
		if _, err := Enter(alice.shows(), o); !errors.Is(err, ErrInvalid) {
			t.Errorf("V-411 identity: got %v", err)
		}
		o = w.person("not bob").asks()
		o.Signer = all[1].signer
		if _, err := Enter(alice.shows(), o); !errors.Is(err, ErrInvalid) {
			t.Errorf("V-506 bob's key, another name: got %v", err)
		}
		if _, err := Enter(alice.says("hi"), zoe.asks()); !errors.Is(err, ErrKind) {
			t.Errorf("a message as group info: %v", err)
		}
	})
}

func TestExternalCommitByReference(t *testing.T) {
	w := newWorld(t, ciphersuite.X25519_AES128GCM_SHA256_Ed25519)
	alice := w.openDoors("alice", "bob")[0]
	msg := must2(framing.ParseMessage(externalCommit(t, alice)))(t)
	v := must2(alice.receiver().Open(msg))(t)
	v.Content().Commit.Proposals[0] = framing.ProposalOrRef{Ref: []byte("ref")}
	if _, err := alice.stageExternal(v, StageOptions{}); !errors.Is(err, ErrInvalid) { // V-502
		t.Errorf("got %v", err)
	}
}

func TestProposalsFromOutside(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.openDoors("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		operator := must2(w.suite.GenerateSigningKey())(t)
		listed := tree.ExternalSenders(
			tree.ExternalSender{SignatureKey: []byte("another"), Credential: tree.Credential{Type: tree.CredentialBasic}},
			tree.ExternalSender{SignatureKey: operator.Public(), Credential: tree.Credential{Type: tree.CredentialBasic}},
		)
		c := alice.commits(CommitOptions{GroupExtensions: Extensions{listed}})
		bob.follows(c.Commit())
		carol.follows(c.Commit())
		from := outsider.Sender{Suite: w.suite.ID(), GroupID: alice.ID(), Index: 1, Signer: operator}
		remove := must2(from.ProposeRemove(alice.Epoch(), carol.Self()))(t)
		zoe := w.person("zoe")
		k := zoe.offers()
		knock := must2(outsider.ProposeSelf(alice.ID(), alice.Epoch(), k, zoe.signer))(t)
		var refs []ProposalRef
		for _, msg := range [][]byte{remove, knock} {
			p := must2(alice.Receive(msg))(t)
			if !p.Outside || p.Sender.Identity != nil {
				t.Errorf("told as %+v", p)
			}
			refs = append(refs, p.Ref)
			must2(bob.Receive(msg))(t)
		}
		bob.Group = reload(t, bob.Group)
		won := alice.commits(CommitOptions{Proposals: refs})
		bob.follows(won.Commit())
		zoe.joins(won.Welcome(), k)
		agree(t, alice, bob, zoe)

		from.Index = 0
		wrong := must2(from.ProposeRemove(alice.Epoch(), bob.Self()))(t)
		if _, err := alice.Receive(wrong); !errors.Is(err, framing.ErrSignature) {
			t.Errorf("V-607 another's place: got %v", err)
		}
		from.Index = 2
		wrong = must2(from.ProposeRemove(alice.Epoch(), bob.Self()))(t)
		if _, err := alice.Receive(wrong); !errors.Is(err, framing.ErrSender) {
			t.Errorf("V-604 no such place: got %v", err)
		}
		if _, err := from.Propose(alice.Epoch(), framing.ExternalInit{}); !errors.Is(err, framing.ErrSender) {
			t.Errorf("V-609 external init: got %v", err)
		}
		from.Index = 1
		wrong = must2(from.ProposeRemove(alice.Epoch(), bob.Self()))(t)
		alice.outside = ExternalCommits
		if _, err := alice.Receive(wrong); !errors.Is(err, ErrRefused) {
			t.Errorf("V-522 closed doors: got %v", err)
		}
		damaged := Extensions{{Type: tree.ExtExternalSenders, Data: []byte{9}}}
		if _, err := alice.Commit(CommitOptions{GroupExtensions: damaged}); !errors.Is(err, ErrInvalid) {
			t.Errorf("V-521 damaged extension: got %v", err)
		}
	})
}
