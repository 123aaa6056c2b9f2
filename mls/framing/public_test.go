package framing

import (
	"bytes"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

func TestAlicePublishesACommit(t *testing.T) {
	for _, s := range ciphersuite.All() {
		w := newWorld(t, s.ID())
		b := w.seal(alice, w.at(alice).Epoch, WirePublicMessage, w.commits(ProposalOrRef{Proposal: Remove{bob}}))
		v, err := receive(w.at(bob), b)
		if err != nil {
			t.Fatal(err)
		}
		c := v.Content()
		if c.Commit == nil || len(c.Commit.Proposals) != 1 || c.Commit.Proposals[0].Proposal != (Remove{bob}) || len(v.ConfirmationTag()) == 0 {
			t.Errorf("%v: got %+v", s.ID(), c)
		}
		if err := v.Consume(); err != nil {
			t.Errorf("consume: %v", err)
		}
	}
}

// V-603: who is no member, or changes a byte, has no membership tag.
func TestAPublicMessageNeedsItsMembershipTag(t *testing.T) {
	w := newWorld(t, suite1)
	good := w.seal(alice, w.at(alice).Epoch, WirePublicMessage, w.proposes(alice, Remove{bob}))
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x40
		if _, err := receive(w.at(bob), bad); err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
	}
	// alice's old signature key, but not in this group: the tag is of other keys.
	outside := newWorld(t, suite1)
	outside.keys = w.keys
	refuse(t, "no member", w.at(bob), outside.seal(alice, outside.at(alice).Epoch, WirePublicMessage, w.proposes(alice, Remove{bob})), ErrMembership)
	// V-607: mallory has the membership key and not alice's signature key.
	refuse(t, "mallory", w.at(bob), w.seal(mallory, w.at(mallory).Epoch, WirePublicMessage, w.proposes(alice, Remove{bob})), ErrSignature)
	// V-604
	c := w.proposes(carol, Remove{bob})
	refuse(t, "blank leaf", w.at(bob), w.seal(mallory, w.at(mallory).Epoch, WirePublicMessage, c), ErrSender)
	// A retired epoch takes no handshake.
	late := w.at(bob)
	late.Epoch.Retire()
	refuse(t, "retired", late, good, ErrMembership)
	if _, err := w.sign(w.keys[bob], WirePublicMessage, w.proposes(bob, SelfRemove{})).SealPublic(late.Epoch); !errors.Is(err, schedule.ErrErased) {
		t.Errorf("a retired epoch sends: %v", err)
	}
}

// V-608: application data in the clear is refused, sent or received.
func TestApplicationDataIsNeverPublic(t *testing.T) {
	w := newWorld(t, suite1)
	c := w.says(alice, "in the clear")
	if _, err := Sign(w.suite, w.keys[alice], WirePublicMessage, c, w.encoded); !errors.Is(err, ErrUnsuited) {
		t.Errorf("sign: %v", err)
	}
	refuse(t, "received", w.at(bob), w.seal(alice, w.at(alice).Epoch, WirePublicMessage, c), ErrUnsuited)
}

// V-609, V-610, V-611: what those outside may say.
func TestWhatOutsidersMaySay(t *testing.T) {
	w := newWorld(t, suite1)
	k, carols, _ := w.keyPackage()
	path := &tree.UpdatePath{Leaf: w.leaf(carols)}
	from := func(s Sender, c Content) Content { c.Sender = s; return c }
	withPath := w.commits()
	withPath.Commit.Path = path
	external, newProposal, newCommit := Sender{SenderExternal, 0}, Sender{Type: SenderNewMemberProposal}, Sender{Type: SenderNewMemberCommit}
	for _, tc := range []struct {
		what string
		key  ciphersuite.SigningKey
		c    Content
		want error
	}{
		{"external add", w.operator, from(external, w.proposes(0, Add{k})), nil},
		{"external remove", w.operator, from(external, w.proposes(0, Remove{bob})), nil},
		{"external update", w.operator, from(external, w.proposes(0, Update{w.leaf(carols)})), ErrSender},
		{"external external init", w.operator, from(external, w.proposes(0, ExternalInit{[]byte("x")})), ErrSender},
		{"external self remove", w.operator, from(external, w.proposes(0, SelfRemove{})), ErrSender},
		{"external commit by value", w.operator, from(external, w.commits()), ErrSender},
		{"external application", w.operator, from(external, w.says(0, "buy now")), ErrSender},
		{"external, second place", w.operator, from(Sender{SenderExternal, 1}, w.proposes(0, Add{k})), ErrSender},
		{"external, wrong key", carols, from(external, w.proposes(0, Add{k})), ErrSignature},
		{"new member adds itself", carols, from(newProposal, w.proposes(0, Add{k})), nil},
		{"new member, another's key package", w.keys[mallory], from(newProposal, w.proposes(0, Add{k})), ErrSignature},
		{"new member removes", carols, from(newProposal, w.proposes(0, Remove{bob})), ErrSender},
		{"new member speaks", carols, from(newProposal, w.says(0, "hi")), ErrSender},
		{"new member commits", carols, from(newCommit, withPath), nil},
		{"new member commits for another", w.keys[mallory], from(newCommit, withPath), ErrSignature},
		{"new member commits without path", carols, from(newCommit, w.commits()), ErrSender},
		{"new committer proposes", carols, from(newCommit, w.proposes(0, Add{k})), ErrSender},
	} {
		m := w.sign(tc.key, WirePublicMessage, tc.c)
		b, err := m.SealPublic(w.at(alice).Epoch)
		if err != nil {
			t.Fatalf("%s: %v", tc.what, err)
		}
		if _, err := receive(w.at(bob), b); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.what, err, tc.want)
		}
	}
	if _, err := w.sign(w.operator, WirePrivateMessage, from(external, w.proposes(0, Add{k}))).SealPrivate(w.at(alice).Epoch, 0); !errors.Is(err, ErrSender) {
		t.Errorf("an outsider encrypts: %v", err)
	}
}

func TestAProposalHasOneRef(t *testing.T) {
	w := newWorld(t, suite1)
	m := w.sign(w.keys[alice], WirePublicMessage, w.proposes(alice, Remove{bob}))
	b, err := m.SealPublic(w.at(alice).Epoch)
	if err != nil {
		t.Fatal(err)
	}
	v, err := receive(w.at(bob), b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(v.Ref(w.suite), m.Ref(w.suite)) {
		t.Error("sender and receiver name the proposal differently")
	}
	if other := w.sign(w.keys[alice], WirePublicMessage, w.proposes(alice, Remove{mallory})); bytes.Equal(other.Ref(w.suite), m.Ref(w.suite)) {
		t.Error("two proposals have one name")
	}
}

func TestAMessageWithoutContentDoesNotOpen(t *testing.T) {
	w := newWorld(t, suite1)
	k, _, _ := w.keyPackage()
	refuse(t, "key package", w.at(bob), k.Bytes(), ErrUnknown)
}
