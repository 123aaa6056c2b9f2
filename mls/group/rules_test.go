package group

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/change"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// Rule 1: a new group starts from fresh randomness. Mallory knows all that is
// public of the group and tries a beginning of zeros.
func TestRule01EpochZeroIsRandom(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		alice := w.person("alice").creates()
		zero := schedule.Zero(w.suite)
		guess := must2(schedule.FromJoiner(w.suite, zero, zero, alice.encoded, 1, 0))(t)
		if bytes.Equal(guess.Authenticator.Reveal(), alice.EpochAuthenticator()) {
			t.Error("epoch 0 from a joiner secret of zeros")
		}
		alice.commits(CommitOptions{Add: []*KeyPackage{claimed(t, w.person("bob").offers())}})
		joiner := schedule.Joiner(w.suite, zero, zero, alice.encoded)
		guess = must2(schedule.FromJoiner(w.suite, joiner, zero, alice.encoded, 2, 0))(t)
		if bytes.Equal(guess.Authenticator.Reveal(), alice.EpochAuthenticator()) {
			t.Error("epoch 1 follows from an init secret of zeros")
		}
		again := w.person("alice").creates()
		if bytes.Equal(again.EpochAuthenticator(), must2(Create(CreateOptions{
			Suite: w.suite.ID(), GroupID: again.ID(), Identity: []byte("alice"), Signer: again.signer,
		}))(t).EpochAuthenticator()) {
			t.Error("two beginnings are equal")
		}
	})
}

// Rule 2: adds alone carry no path; what must heal carries one, and a commit
// that should have one and has none is refused.
func TestRule02PathWhereItMustBe(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		kp := claimed(t, w.person("dave").offers())
		hasPath := func(o CommitOptions) bool {
			o.Public = true // so that its content can be looked at
			p := must2(alice.Commit(o))(t)
			defer p.Discard()
			v := must2(bob.verify(p.Commit(), framing.ContentCommit))(t)
			return v.Content().Commit.Path != nil
		}
		for name, tc := range map[string]struct {
			o    CommitOptions
			want bool
		}{
			"nothing":    {CommitOptions{}, true},
			"add":        {CommitOptions{Add: []*KeyPackage{kp}}, false},
			"psk":        {CommitOptions{PSKs: []PSK{{[]byte("id"), secret.New([]byte("key"))}}}, false},
			"remove":     {CommitOptions{Remove: []LeafIndex{carol.Self()}}, true},
			"extensions": {CommitOptions{GroupExtensions: Extensions{}}, true},
			"add+remove": {CommitOptions{Add: []*KeyPackage{kp}, Remove: []LeafIndex{carol.Self()}}, true},
			"add+update": {CommitOptions{Add: []*KeyPackage{kp}, Update: true}, true},
		} {
			if got := hasPath(tc.o); got != tc.want {
				t.Errorf("%s: path %v, want %v", name, got, tc.want)
			}
		}
		for name, list := range map[string][]change.Proposal{
			"V-303 nothing":    nil,
			"V-303 remove":     alice.by(framing.Remove{Leaf: carol.Self()}),
			"V-303 extensions": alice.by(framing.GroupContextExtensions{}),
		} {
			if _, err := bob.Stage(alice.forges(list, false, nil), StageOptions{}); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s without a path: got %v", name, err)
			}
		}
	})
}

// Rule 2, in bytes: an add in a group of many is small.
func TestRule02AddIsSmall(t *testing.T) {
	w := newWorld(t, ciphersuite.X25519_AES128GCM_SHA256_Ed25519)
	all := w.party("alice", "b", "c", "d", "e", "f", "g", "h", "i")
	p := must2(all[0].Commit(CommitOptions{Add: []*KeyPackage{claimed(t, w.person("zoe").offers())}}))(t)
	if len(p.Commit()) > 600 {
		t.Errorf("add commit of %d bytes, want at most 600", len(p.Commit()))
	}
}

// Rule 3: nobody removes itself in its own commit, and nobody comes in by an
// external commit unless the group says so (TestInvalidExternalCommits: nor
// pushes out another).
func TestRule03NoSelfRemoval(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob")
		alice, bob := all[0], all[1]
		if _, err := alice.Commit(CommitOptions{Remove: []LeafIndex{alice.Self()}}); !errors.Is(err, ErrInvalid) {
			t.Errorf("made: got %v", err)
		}
		forged := alice.forges(alice.by(framing.Remove{Leaf: alice.Self()}), true, nil)
		if _, err := bob.Stage(forged, StageOptions{}); !errors.Is(err, ErrInvalid) { // V-212
			t.Errorf("received: got %v", err)
		}
		forged = alice.forges(alice.by(framing.SelfRemove{}), true, nil)
		if _, err := bob.Stage(forged, StageOptions{}); !errors.Is(err, ErrInvalid) { // V-213
			t.Errorf("SelfRemove by value: got %v", err)
		}
		if _, err := bob.Stage(externalCommit(t, bob), StageOptions{}); err == nil { // V-501
			t.Error("an external commit was taken")
		}
	})
}

// externalCommit is signed by an outsider with the leaf it brings along.
func externalCommit(t *testing.T, g *person) []byte {
	t.Helper()
	mallory := g.person("mallory")
	leaf := *mallory.offers().Content().Leaf
	leaf.Source = tree.SourceCommit
	must2(0, leaf.Sign(g.suite, mallory.signer, g.ID(), 2))(t)
	m := must2(framing.Sign(g.suite, mallory.signer, framing.WirePublicMessage, framing.Content{
		GroupID: g.ID(), Epoch: g.Epoch(), Sender: framing.Sender{Type: framing.SenderNewMemberCommit},
		Type: framing.ContentCommit, Commit: &framing.Commit{
			Proposals: []framing.ProposalOrRef{{Proposal: framing.ExternalInit{KEMOutput: []byte("x")}}},
			Path:      &tree.UpdatePath{Leaf: &leaf},
		},
	}, g.encoded))(t)
	m.Confirm([]byte("tag"))
	return must2(m.SealPublic(g.secrets))(t)
}

// Rule 4: whatever fails leaves the group as it was, to the byte, and the good
// commit goes through afterwards.
func TestRule04ErrorsChangeNothing(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		before := everything(bob.Group)
		good := must2(alice.Commit(CommitOptions{Remove: []LeafIndex{carol.Self()}}))(t)
		bad := map[string][]byte{
			"confirmation tag": alice.forges(nil, true, func(d *draft) { d.psk = ciphersuite.Random(w.suite.HashSize()) }),
			"no such member":   alice.forges(alice.by(framing.Remove{Leaf: 77}), true, nil),
			"own path": alice.forges(nil, true, func(d *draft) {
				for _, n := range d.commit.Path.Nodes {
					for i := range n.Secrets {
						n.Secrets[i].Ciphertext = bytes.Clone(n.Secrets[i].Ciphertext)
						n.Secrets[i].Ciphertext[0] ^= 1
					}
				}
			}),
			"garbage": []byte("garbage"),
			"cut":     good.Commit()[:len(good.Commit())-1],
		}
		for name, msg := range bad {
			if _, err := bob.Stage(msg, StageOptions{}); err == nil {
				t.Errorf("%s: accepted", name)
			}
			if !bytes.Equal(everything(bob.Group), before) {
				t.Fatalf("%s: the group changed", name)
			}
		}
		if _, err := bob.Stage(bad["own path"], StageOptions{}); !errors.Is(err, ErrOwnPath) {
			t.Errorf("own path: got %v", err)
		}
		staged := must2(bob.Stage(good.Commit(), StageOptions{}))(t)
		if !bytes.Equal(everything(bob.Group), before) {
			t.Fatal("staging changed the group")
		}
		must2(alice.Confirm(good))(t)
		must2(bob.Merge(staged))(t)
		agree(t, alice, bob)
		if _, err := bob.Merge(staged); !errors.Is(err, ErrStale) {
			t.Errorf("merged twice: %v", err)
		}
	})
}

// Rule 5: what was used is gone from what is saved.
func TestRule05SecretsAreErased(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		alice, bob := w.person("alice").creates(), w.person("bob")
		k := bob.offers()
		initKey := k.InitKey().Bytes()
		welcome := alice.commits(CommitOptions{Add: []*KeyPackage{claimed(t, k)}}).Welcome()
		bob.joins(welcome, k)
		if _, err := Join(welcome, k, JoinOptions{Signer: bob.signer}); err == nil {
			t.Error("a Welcome was joined twice")
		}
		if bytes.Contains(everything(bob.Group), initKey.Reveal()) {
			t.Error("the init key is saved with the group")
		}

		msg := alice.says("once")
		bob.reads(msg)
		bob.crashes(bob.EpochState(), bob.RatchetState())
		if _, err := bob.Open(msg); !errors.Is(err, ErrReplayed) {
			t.Errorf("opened from a state saved after: %v", err)
		}

		initSecret, leafKey := bob.secrets.Init.Clone(), bob.Group.private.Leaf().Bytes()
		staged := must2(bob.Stage(alice.commits(CommitOptions{}).Commit(), StageOptions{}))(t)
		past := must2(bob.Merge(staged))(t)
		saved := append(past.EpochState().Reveal(), past.RatchetState().Reveal()...)
		for name, s := range map[string]secret.Bytes{"init_secret": initSecret, "leaf key": leafKey} {
			if bytes.Contains(saved, s.Reveal()) {
				t.Errorf("the past epoch saves its %s", name)
			}
		}
		if bytes.Contains(everything(bob.Group), initSecret.Reveal()) {
			t.Error("the next epoch saves the last one's init_secret")
		}
	})
}

// Rule 6: a message is accepted once, whatever its order and across restarts.
func TestRule06OnceOnly(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob")
		alice, bob := all[0], all[1]
		m0, m1, m2 := alice.says("0"), alice.says("1"), alice.says("2")
		bob.reads(m2) // 0 and 1 are skipped
		bob.crashes(bob.EpochState(), bob.RatchetState())
		if bob.reads(m0) != "0" {
			t.Error("a skipped message is lost over a restart")
		}
		bob.crashes(bob.EpochState(), bob.RatchetState())
		for _, m := range [][]byte{m0, m2} {
			if _, err := bob.Open(m); !errors.Is(err, ErrReplayed) {
				t.Errorf("replayed: got %v", err)
			}
		}
		pending := must2(alice.Commit(CommitOptions{}))(t)
		state := pending.State()
		alice.crashes(alice.EpochState(), alice.RatchetState())
		must2(alice.Confirm(must2(RestorePending(state))(t)))(t)
		past := must2(bob.Merge(must2(bob.Stage(pending.Commit(), StageOptions{}))(t)))(t)
		agree(t, alice, bob)
		if got := must2(past.Open(m1))(t); string(got.Plaintext) != "1" {
			t.Error("a late message is lost")
		}
		past = must2(RestorePast(past.EpochState(), past.RatchetState()))(t)
		if _, err := past.Open(m1); !errors.Is(err, ErrReplayed) {
			t.Errorf("replayed in a past epoch: got %v", err)
		}
	})
}

// Rule 7: a message far ahead costs nothing, and skipped keys are bounded.
func TestRule07DistanceIsBounded(t *testing.T) {
	w := newWorld(t, ciphersuite.X25519_AES128GCM_SHA256_Ed25519)
	all := w.party("alice", "bob")
	alice, bob := all[0], all[1]
	first := alice.says("first")
	var last []byte
	for range schedule.MaxForward + 1 {
		last = alice.says("x")
	}
	before := len(bob.RatchetState().Reveal())
	if _, err := bob.Open(last); !errors.Is(err, ErrTooFar) {
		t.Fatalf("%d ahead: got %v", schedule.MaxForward+1, err)
	}
	bob.reads(first)
	bob.reads(last) // now MaxForward ahead
	size := len(bob.RatchetState().Reveal()) - before
	if most := (schedule.MaxSkipped + 8) * 64; size > most {
		t.Errorf("skipped keys take %d bytes, want at most %d", size, most)
	}
}

// Rule 10: nothing secret in a %v of anything.
func TestRule10NothingSecretIsPrinted(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob")
		alice, bob := all[0], all[1]
		k := alice.offers()
		pending := must2(alice.Commit(CommitOptions{}))(t)
		staged := must2(bob.Stage(pending.Commit(), StageOptions{}))(t)
		secrets := map[string][]byte{
			"init_secret": alice.secrets.Init.Reveal(), "exporter": alice.secrets.Exporter.Reveal(),
			"leaf key": alice.Group.private.Leaf().Bytes().Reveal(), "init key": k.InitKey().Bytes().Reveal(),
			"next init": pending.next.secrets.Init.Reveal(), "signer": alice.signer.Bytes().Reveal(),
		}
		for _, v := range []any{alice.Group, *alice.Group, *alice.epoch, k, *k, pending, *pending, *pending.Staged, *staged, *staged.next, *staged.next.secrets, *bob.private} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
				got := fmt.Sprintf(verb, v)
				for name, s := range secrets {
					for _, leak := range []string{fmt.Sprintf("%x", s[:8]), strings.Trim(fmt.Sprintf("%d", s[:8]), "[]"), string(s[:8])} {
						if strings.Contains(got, leak) {
							t.Errorf("Sprintf(%q, %T) shows the %s", verb, v, name)
						}
					}
				}
			}
		}
	})
}

// Rule 12: after a crash no generation is used again, in no kind of message.
func TestRule12GenerationsAreReserved(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob")
		alice, bob := all[0], all[1]
		if _, err := alice.Seal([]byte("too early"), nil, 0); !errors.Is(err, ErrReserve) {
			t.Fatalf("without a reservation: got %v", err)
		}
		epoch, stored := alice.EpochState(), must2(alice.Reserve(5))(t)
		seen := map[uint32]bool{}
		read := func() {
			m := must2(bob.Open(must2(alice.Seal([]byte("x"), nil, 0))(t)))(t)
			if seen[m.Generation] {
				t.Fatalf("generation %d twice", m.Generation)
			}
			seen[m.Generation] = true
		}
		for range 3 {
			read()
		}
		alice.crashes(epoch, stored)
		if _, err := alice.Seal([]byte("unreserved"), nil, 0); !errors.Is(err, ErrReserve) {
			t.Fatalf("after the crash: got %v", err)
		}
		must2(alice.Reserve(5))(t)
		for range 5 {
			read()
		}
		if _, err := alice.Seal([]byte("the sixth"), nil, 0); !errors.Is(err, ErrReserve) {
			t.Fatalf("the sixth of five: got %v", err)
		}

		lost := must2(alice.Commit(CommitOptions{}))(t) // sent, and the answer never came
		alice.crashes(alice.EpochState(), alice.RatchetState())
		again := must2(alice.Commit(CommitOptions{}))(t)
		g := func(commit []byte) uint32 {
			v := must2(bob.verify(commit, framing.ContentCommit))(t)
			defer v.Drop()
			return v.Generation()
		}
		if g(lost.Commit()) == g(again.Commit()) {
			t.Error("two commits under one generation")
		}
	})
}

// Rule 13: states say their version; another one and parts that do not fit are
// refused.
func TestRule13StatesAreVersioned(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob")
		alice, bob := all[0], all[1]
		epoch, ratchet := alice.EpochState(), alice.RatchetState()
		alice.crashes(epoch, ratchet)
		tampered := func(s secret.Bytes, f func([]byte) []byte) secret.Bytes {
			return secret.New(f(bytes.Clone(s.Reveal())))
		}
		newer := func(b []byte) []byte { b[0] = 99; return b }
		cut := func(b []byte) []byte { return b[:len(b)-1] }
		other := w.party("alice", "bob")[0]
		for name, s := range map[string][2]secret.Bytes{
			"newer epoch state":   {tampered(epoch, newer), ratchet},
			"newer ratchet state": {epoch, tampered(ratchet, newer)},
			"cut epoch state":     {tampered(epoch, cut), ratchet},
			"cut ratchet state":   {epoch, tampered(ratchet, cut)},
			"another group's":     {epoch, other.RatchetState()},
			"empty":               {secret.Bytes{}, secret.Bytes{}},
		} {
			if _, err := Restore(s[0], s[1], RestoreOptions{Signer: alice.signer}); !errors.Is(err, ErrState) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if _, err := Restore(epoch, ratchet, RestoreOptions{Signer: bob.signer}); !errors.Is(err, ErrState) {
			t.Errorf("bob's signer: got %v", err)
		}
		k := alice.offers()
		if _, err := RestoreKeyPackage(tampered(k.State(), newer)); !errors.Is(err, ErrState) {
			t.Errorf("newer key package: got %v", err)
		}
		p := must2(alice.Commit(CommitOptions{}))(t)
		if _, err := RestorePending(tampered(p.State(), newer)); !errors.Is(err, ErrState) {
			t.Errorf("newer pending commit: got %v", err)
		}
	})
}

// Rule 9: a few bytes that claim to be many cost nothing.
func TestRule09LengthsAreNotBelieved(t *testing.T) {
	huge := []byte{0xbf, 0xff, 0xff, 0xff}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, head := range [][]byte{
		{0, 1, 0, 1},
		{0, 1, 0, 2},
		{0, 1, 0, 3, 0, 1},
		{0, 1, 0, 4, 0, 1, 0, 1},
		{0, 1, 0, 5, 0, 1, 0, 1},
		{},
		{0, 1, 0, 3, 0, 1, 0x80, 0, 0x40, 0, 1, 'a'},
	} {
		b := append(bytes.Clone(head), huge...)
		for _, b := range [][]byte{b, append(b, huge...)} {
			if _, err := Peek(b); err == nil {
				t.Errorf("%x: accepted", b)
			}
			if _, err := WelcomeRefs(b); err == nil {
				t.Errorf("%x: accepted", b)
			}
			if _, err := ParseKeyPackage(b); err == nil {
				t.Errorf("%x: accepted", b)
			}
			if _, err := RestorePending(secret.New(append([]byte{1}, b...))); err == nil {
				t.Errorf("%x: accepted", b)
			}
			if _, err := RestoreKeyPackage(secret.New(append([]byte{1}, b...))); err == nil {
				t.Errorf("%x: accepted", b)
			}
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes allocated for nothing", got)
	}
}

func TestKeyPackageIsGoodInItsTimeAlone(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		k := claimed(t, w.person("bob").offers())
		for at, good := range map[time.Time]bool{
			notBefore: true, notAfter: true,
			notBefore.Add(-time.Second): false, notAfter.Add(time.Second): false,
		} {
			if err := k.Validate(at, w.suite.ID()); (err == nil) != good { // V-206
				t.Errorf("at %v: %v", at, err)
			}
		}
		if err := k.Validate(notBefore, ciphersuite.P256_AES128GCM_SHA256_P256); !errors.Is(err, ErrInvalid) {
			t.Errorf("other suite: %v", err)
		}
	})
}
