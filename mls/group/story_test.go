package group

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/schedule"
)

// hears lets all receive a proposal.
func hears(t *testing.T, msg []byte, all ...*person) {
	t.Helper()
	for _, p := range all {
		must2(p.Receive(msg))(t)
	}
}

// refs returns the references of all proposals p has.
func (p *person) refs() (refs []ProposalRef) {
	for _, x := range p.Proposals() {
		refs = append(refs, x.Ref)
	}
	return refs
}

// Bob proposes to renew himself and to add dave, carol that alice goes; alice's
// own keys are among those that bob's commit can't take up.
func TestProposalsAreTakenUp(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		dave := w.person("dave")
		k := dave.offers()
		update, _, err := bob.ProposeUpdate(&LeafOptions{Extensions: Extensions{{Type: 0xf111, Data: []byte("new")}}})
		must2(0, err)(t)
		add, _, err := bob.ProposeAdd(claimed(t, k))
		must2(0, err)(t)
		hears(t, update, alice, carol)
		hears(t, add, alice, carol)
		if _, err := bob.Receive(update); !errors.Is(err, ErrOwn) {
			t.Errorf("one's own proposal: %v", err)
		}
		if _, err := alice.Receive(update); !errors.Is(err, ErrReplayed) {
			t.Errorf("twice: %v", err)
		}
		bob.crashes(bob.EpochState(), bob.RatchetState()) // with the key of his update
		if _, err := bob.Commit(CommitOptions{Proposals: bob.refs()}); !errors.Is(err, ErrInvalid) {
			t.Errorf("bob commits his own update: %v", err)
		}
		p := must2(alice.Commit(CommitOptions{Proposals: alice.refs()}))(t)
		if len(p.Updated()) != 2 || len(p.Added()) != 1 || string(p.Sender().Identity) != "alice" {
			t.Errorf("updated %d, added %d", len(p.Updated()), len(p.Added()))
		}
		bob.follows(p.Commit())
		carol.follows(p.Commit())
		must2(alice.Confirm(p))(t)
		dave.joins(p.Welcome(), k)
		agree(t, alice, bob, carol, dave)
		if m, _ := dave.Member(bob.Self()); len(m.Extensions) != 1 || string(m.Extensions[0].Data) != "new" {
			t.Errorf("bob's leaf says %v", m.Extensions)
		}
		if len(alice.Proposals()) != 0 {
			t.Error("proposals outlive their epoch")
		}
		bob.follows(alice.commits(CommitOptions{}).Commit()) // with the key that waited
	})
}

func TestLeaving(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		leave, _, err := carol.ProposeLeave()
		must2(0, err)(t)
		hears(t, leave, alice, bob)
		for _, p := range all { // what is said now would still reach carol
			must2(p.Reserve(1))(t)
			if _, err := p.Seal([]byte("carol must not read this"), nil, 0); !errors.Is(err, ErrCommitFirst) {
				t.Errorf("%s speaks before the commit: %v", p.name, err)
			}
		}
		if _, err := carol.Commit(CommitOptions{Proposals: carol.refs()}); !errors.Is(err, ErrInvalid) {
			t.Errorf("carol commits her own leaving: %v", err)
		}
		p := must2(bob.Commit(CommitOptions{Proposals: bob.refs()}))(t)
		if r := p.Removed(); len(r) != 1 || string(r[0].Identity) != "carol" {
			t.Fatalf("removed %v", r)
		}
		alice.follows(p.Commit())
		must2(bob.Confirm(p))(t)
		agree(t, alice, bob)
		bob.reads(alice.says("carol is gone"))
		carol.follows(p.Commit())
		for name, err := range map[string]error{
			"seal":   second(carol.Seal(nil, nil, 0)),
			"open":   second(carol.Open(alice.says("x"))),
			"commit": second(carol.Commit(CommitOptions{})),
			"stage":  second(carol.Stage(alice.commits(CommitOptions{}).Commit(), StageOptions{})),
		} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("carol is gone; %s: %v", name, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

// A removed member can't read on, nor with all it ever stored.
func TestRemovedReadsNothingMore(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "mallory")
		alice, bob, mallory := all[0], all[1], all[2]
		p := must2(alice.Commit(CommitOptions{Remove: []LeafIndex{mallory.Self()}}))(t)
		bob.follows(p.Commit())
		must2(alice.Confirm(p))(t)
		if _, err := mallory.Open(alice.says("without mallory")); !errors.Is(err, ErrEpoch) {
			t.Errorf("got %v", err)
		}
		if s := must2(mallory.Stage(p.Commit(), StageOptions{}))(t); !s.SelfRemoved() {
			t.Error("mallory is not told")
		}
		// It follows the commit as if it had stayed: there is nothing for it in the path.
		v := must2(mallory.verify(p.Commit(), framing.ContentCommit))(t)
		list := must2(mallory.resolve(v.Content().Commit, alice.Self()))(t)
		c := must2(mallory.apply(list, alice.Self(), nil))(t)
		must2(0, mallory.base().ApplyPath(c, alice.Self(), v.Content().Commit.Path, nil))(t)
		if _, err := mallory.follow(c, v, alice.Self(), nil); !errors.Is(err, ErrOwnPath) {
			t.Errorf("followed: %v", err)
		}
	})
}

func TestPreSharedKeys(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		dave := w.person("dave")
		k := dave.offers()
		find := func(key string) PSKFunc {
			return func(PSKID) (secret.Bytes, error) { return secret.New([]byte(key)), nil }
		}
		p := must2(alice.Commit(CommitOptions{
			Add: []*KeyPackage{claimed(t, k)}, PSKs: []PSK{{[]byte("id"), secret.New([]byte("shared"))}},
		}))(t)
		if _, err := bob.Stage(p.Commit(), StageOptions{}); !errors.Is(err, ErrRefused) {
			t.Errorf("without keys: %v", err)
		}
		if _, err := carol.Stage(p.Commit(), StageOptions{PSK: find("guessed")}); !errors.Is(err, ErrInvalid) {
			t.Errorf("with another key: %v", err)
		}
		must2(bob.Merge(must2(bob.Stage(p.Commit(), StageOptions{PSK: find("shared")}))(t)))(t)
		must2(alice.Confirm(p))(t)
		if _, err := Join(p.Welcome(), k, JoinOptions{Signer: dave.signer, PSK: find("guessed")}); err == nil {
			t.Error("joined with another key")
		}
		dave.Group = must2(Join(p.Welcome(), k, JoinOptions{Signer: dave.signer, PSK: find("shared")}))(t)
		agree(t, alice, bob, dave)
	})
}

func TestGroupExtensionsAreOpaque(t *testing.T) {
	w := newWorld(t, ciphersuite.Default)
	alice, bob := w.person("alice"), w.person("bob")
	ext := func(data string) Extensions { return Extensions{{Type: 0xf001, Data: []byte(data)}} }
	alice.Group = must2(Create(CreateOptions{
		Identity: []byte("alice"), Signer: alice.signer, GroupExtensions: ext("room"), GroupID: []byte("id"),
	}))(t)
	plain := bob.offers()
	if _, err := alice.Commit(CommitOptions{Add: []*KeyPackage{claimed(t, plain)}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("bob does not know the extension: %v", err)
	}
	k := must2(NewKeyPackage(KeyPackageOptions{
		Identity: []byte("bob"), Signer: bob.signer, Supports: []ExtensionType{0xf001},
		NotBefore: notBefore, NotAfter: notAfter, LastResort: true,
	}))(t)
	bob.joins(alice.commits(CommitOptions{Add: []*KeyPackage{claimed(t, k)}}).Welcome(), k)
	if !k.InitKey().Valid() || !claimed(t, k).LastResort() {
		t.Error("a last resort is good for one use only")
	}
	s := must2(bob.Stage(alice.commits(CommitOptions{GroupExtensions: ext("renamed")}).Commit(), StageOptions{}))(t)
	if e, changed := s.GroupExtensions(); !changed || string(e[0].Data) != "renamed" {
		t.Errorf("staged: %v", e)
	}
	must2(bob.Merge(s))(t)
	agree(t, alice, bob)
	if string(bob.Extensions()[0].Data) != "renamed" || string(bob.ID()) != "id" {
		t.Error("not renamed")
	}
	a, b := must2(alice.Export("byre", []byte("c"), 40))(t), must2(bob.Export("byre", []byte("c"), 40))(t)
	if !a.Equal(b) || a.Equal(must2(alice.Export("byre", []byte("d"), 40))(t)) {
		t.Error("exports")
	}
}

// A device that lost its state is let in again at once: its old leaf goes and a
// new one comes, with the same signature key.
func TestRejoinIsOneCommit(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		k := bob.offers()
		if _, err := alice.Commit(CommitOptions{Add: []*KeyPackage{claimed(t, k)}}); !errors.Is(err, ErrInvalid) {
			t.Errorf("bob twice: %v", err)
		}
		p := alice.commits(CommitOptions{Add: []*KeyPackage{claimed(t, k)}, Remove: []LeafIndex{bob.Self()}})
		s := must2(carol.Stage(p.Commit(), StageOptions{}))(t)
		if len(s.Added()) != 1 || len(s.Removed()) != 1 || !bytes.Equal(s.Added()[0].SignatureKey, s.Removed()[0].SignatureKey) {
			t.Error("what the commit shows")
		}
		must2(carol.Merge(s))(t)
		bob.joins(p.Welcome(), k)
		agree(t, alice, bob, carol)
	})
}

func TestPaddingAndAuthenticatedData(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob")
		alice, bob := all[0], all[1]
		must2(alice.Reserve(2))(t)
		short := must2(alice.Seal([]byte("hi"), []byte("for the carrier"), 512))(t)
		long := must2(alice.Seal(bytes.Repeat([]byte("hi"), 100), []byte("for the carrier"), 512))(t)
		if len(short) != len(long) {
			t.Errorf("%d and %d bytes", len(short), len(long))
		}
		if m := must2(bob.Open(short))(t); string(m.AuthenticatedData) != "for the carrier" || string(m.Plaintext) != "hi" {
			t.Errorf("got %q, %q", m.Plaintext, m.AuthenticatedData)
		}
		h := must2(Peek(long))(t)
		if h.Kind != KindApplication || h.Epoch != 1 || !bytes.Equal(h.GroupID, alice.ID()) {
			t.Errorf("header %v", h)
		}
		c := must2(alice.Commit(CommitOptions{AuthenticatedData: []byte("about")}))(t)
		if s := must2(bob.Stage(c.Commit(), StageOptions{}))(t); string(s.AuthenticatedData()) != "about" {
			t.Errorf("commit carries %q", s.AuthenticatedData())
		}
	})
}

// Two commit at once. One wins; the other follows and throws its own away.
func TestLostRace(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		mine, theirs := must2(alice.Commit(CommitOptions{}))(t), must2(bob.Commit(CommitOptions{}))(t)
		must2(bob.Confirm(theirs))(t)
		alice.follows(theirs.Commit())
		if _, err := alice.Confirm(mine); !errors.Is(err, ErrStale) {
			t.Errorf("the loser confirms: %v", err)
		}
		mine.Discard()
		carol.follows(theirs.Commit())
		if _, err := carol.Stage(mine.Commit(), StageOptions{}); !errors.Is(err, ErrEpoch) {
			t.Errorf("the loser's commit: %v", err)
		}
		agree(t, alice, bob, carol)
		if names := slices.Collect(carol.Members()); len(names) != 3 {
			t.Errorf("%d members", len(names))
		}
	})
}

// Rule 5: what opened a commit is gone once it is merged, from the past epoch's
// saved state too, though its sender was not heard otherwise.
func TestRule05CommitsAreConsumed(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob := all[0], all[1]
		c := must2(alice.Commit(CommitOptions{}))(t)
		dropped := must2(bob.Stage(c.Commit(), StageOptions{}))(t)
		past := must2(bob.Merge(must2(bob.Stage(c.Commit(), StageOptions{}))(t)))(t)
		dropped.Drop()
		past = must2(RestorePast(past.EpochState(), past.RatchetState()))(t)
		for generation := range uint32(3) {
			if _, err := past.e.secrets.Tree.Claim(uint32(alice.Self()), schedule.Handshake, generation); err == nil {
				t.Errorf("the key of handshake %d can be derived again", generation)
			}
		}
		if got := string(must2(past.Open(alice.says("late")))(t).Plaintext); got != "late" {
			t.Error(got)
		}
	})
}
