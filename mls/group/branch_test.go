package group

import (
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/schedule"
)

// Re-founding: alice begins anew with bob, who was there; carol gave up her
// place. Mallory has a Welcome and was not in the parent.
func TestBranch(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob := all[0], all[1]
		k := bob.offers()
		b, welcome, err := alice.Branch(BranchOptions{Add: []*KeyPackage{claimed(t, k)}, NotBefore: notBefore, NotAfter: notAfter})
		if err != nil {
			t.Fatal(err)
		}
		own := k.State()
		for name, parent := range map[string]Parent{"V-531 no parent": nil, "V-531 another": w.person("bob").creates().Group} {
			if _, err := Join(welcome, k, JoinOptions{Signer: bob.signer, BranchOf: parent}); !errors.Is(err, ErrRefused) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		c := alice.commits(CommitOptions{Update: true}) // the parent goes on; bob keeps its epoch
		past := must2(bob.Merge(must2(bob.Stage(c.Commit(), StageOptions{}))(t)))(t)
		past = must2(RestorePast(past.EpochState(), past.RatchetState()))(t)
		newer, err := Join(welcome, k, JoinOptions{Signer: bob.signer, BranchOf: past})
		if err != nil {
			t.Fatal(err)
		}
		agree(t, &person{name: "alice", Group: b}, &person{name: "bob", Group: newer})
		if b.Epoch() != 1 || b.Size() != 2 || string(b.ID()) == string(alice.ID()) {
			t.Error("not a new group of two")
		}
		// Without the parent's key the Welcome opens for nobody.
		past.e.secrets.Resumption = secret.New(make([]byte, w.suite.HashSize()))
		if _, err := Join(welcome, must2(RestoreKeyPackage(own))(t), JoinOptions{Signer: bob.signer, BranchOf: past}); !errors.Is(err, framing.ErrDecrypt) {
			t.Errorf("V-620 another key: got %v", err)
		}
	})
}

func TestInvalidBranches(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "mallory")
		alice, bob, mallory := all[0], all[1], all[2]
		eve := claimed(t, w.person("eve").offers())
		if _, _, err := alice.Branch(BranchOptions{Add: []*KeyPackage{eve}}); !errors.Is(err, ErrInvalid) {
			t.Errorf("V-532 made with a stranger: got %v", err)
		}
		// mallory founds a branch without those checks.
		found := func(o CommitOptions, founding bool) ([]byte, *OwnKeyPackage) {
			m := w.person("mallory").creates()
			m.founding = founding
			k := bob.offers()
			o.Add = append(o.Add, claimed(t, k))
			return m.commits(o).Welcome(), k
		}
		join := func(welcome []byte, k *OwnKeyPackage) error {
			_, err := Join(welcome, k, JoinOptions{Signer: bob.signer, BranchOf: bob.Group})
			return err
		}
		if err := join(found(CommitOptions{parent: mallory.epoch, Add: []*KeyPackage{eve}}, true)); !errors.Is(err, ErrInvalid) {
			t.Errorf("V-532 with a stranger: got %v", err)
		}
		if err := join(found(CommitOptions{}, false)); !errors.Is(err, ErrRefused) {
			t.Errorf("V-531 no branch at all: got %v", err)
		}
		late := w.person("mallory").creates()
		late.commits(CommitOptions{})
		late.founding = true
		k := bob.offers()
		if err := join(late.commits(CommitOptions{parent: mallory.epoch, Add: []*KeyPackage{claimed(t, k)}}).Welcome(), k); !errors.Is(err, ErrInvalid) {
			t.Errorf("V-533 past the first epoch: got %v", err)
		}
		if _, err := mallory.Commit(CommitOptions{parent: mallory.epoch}); !errors.Is(err, ErrInvalid) {
			t.Errorf("V-225 branch within a group: got %v", err)
		}
	})
}

// A resumption key ties a commit to an epoch that a member must have seen.
func TestPastEpochsAreMixedIn(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		first := must2(alice.Commit(CommitOptions{}))(t)
		pastOf := func(p *person, c *Pending) *PastEpoch {
			if p == alice {
				return must2(p.Confirm(c))(t)
			}
			return must2(p.Merge(must2(p.Stage(c.Commit(), StageOptions{}))(t)))(t)
		}
		his := pastOf(bob, first)
		pastOf(carol, first).Wipe()
		hers := pastOf(alice, first)
		c := alice.commits(CommitOptions{PastEpochs: []*PastEpoch{hers}, PSKs: []PSK{{[]byte("x"), secret.New([]byte("y"))}}})
		external := func(id PSKID) (secret.Bytes, error) {
			if id.Type == schedule.PSKExternal && string(id.ID) == "x" {
				return secret.New([]byte("y")), nil
			}
			return secret.Bytes{}, ErrMissingPSK
		}
		must2(bob.Merge(must2(bob.Stage(c.Commit(), StageOptions{PSK: FindPast([]*PastEpoch{his}, external)}))(t)))(t)
		agree(t, alice, bob)
		if _, err := carol.Stage(c.Commit(), StageOptions{PSK: FindPast(nil, external)}); !errors.Is(err, ErrMissingPSK) {
			t.Errorf("without the past: got %v", err)
		}
		if _, err := carol.Stage(c.Commit(), StageOptions{PSK: FindPast(nil, nil)}); !errors.Is(err, ErrMissingPSK) {
			t.Errorf("without any: got %v", err)
		}
		msg, ref, err := alice.ProposePSK([]byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		must2(bob.Receive(msg))(t)
		o := CommitOptions{Proposals: []ProposalRef{ref}}
		if _, err := alice.Commit(o); !errors.Is(err, ErrMissingPSK) {
			t.Errorf("committed without the key: %v", err)
		}
		o.PSKs = nil
		msg, ref, err = alice.ProposeGroupExtensions(Extensions{{Type: 0xf001, Data: []byte("?")}})
		if !errors.Is(err, ErrInvalid) || msg != nil || ref != nil {
			t.Errorf("an extension nobody supports: %v", err)
		}
	})
}
