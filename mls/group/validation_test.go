package group

import (
	"bytes"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/change"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// keyPackage returns one of mallory's that change has touched, signed again.
func keyPackage(t *testing.T, w world, change func(*person, *framing.KeyPackage)) *framing.KeyPackage {
	t.Helper()
	mallory := w.person("mallory")
	k := mallory.offers().Content()
	leaf := *k.Leaf
	k.Leaf = &leaf
	change(mallory, k)
	must2(0, k.Leaf.Sign(w.suite, mallory.signer, []byte("?"), 0))(t)
	must2(0, k.Sign(mallory.signer))(t)
	return k
}

// noWelcome spares mallory the encryption to what is no key.
func noWelcome(d *draft) { d.change.Added, d.change.Joiners = nil, nil }

func TestInvalidKeyPackages(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob")
		alice, bob := all[0], all[1]
		for name, change := range map[string]func(*person, *framing.KeyPackage){
			"V-202 source":    func(_ *person, k *framing.KeyPackage) { k.Leaf.Source = tree.SourceUpdate },
			"V-203 one key":   func(_ *person, k *framing.KeyPackage) { k.InitKey = k.Leaf.EncryptionKey },
			"V-204 init key":  func(_ *person, k *framing.KeyPackage) { k.InitKey = k.InitKey[1:] },
			"V-105 leaf key":  func(_ *person, k *framing.KeyPackage) { k.Leaf.EncryptionKey = []byte("x") },
			"V-107 suite":     func(_ *person, k *framing.KeyPackage) { k.Leaf.Capabilities.CipherSuites = []uint16{77} },
			"V-109 extension": func(_ *person, k *framing.KeyPackage) { k.Leaf.Extensions = Extensions{{Type: 0xf777}} },
			"V-118 alice's key": func(m *person, k *framing.KeyPackage) {
				m.signer = alice.signer
				k.Leaf.SignatureKey = alice.signer.Public()
			},
			"V-117 alice's key": func(_ *person, k *framing.KeyPackage) { k.Leaf.EncryptionKey = alice.tree.Leaf(0).EncryptionKey },
		} {
			k := keyPackage(t, w, change)
			forged := alice.forges(alice.by(framing.Add{KeyPackage: k}), false, noWelcome)
			if _, err := bob.Stage(forged, StageOptions{}); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		for name, spoil := range map[string]func(*framing.KeyPackage){
			"V-205 signature":      func(k *framing.KeyPackage) { k.Signature[0] ^= 1 },
			"V-205 version":        func(k *framing.KeyPackage) { k.Version = 2 },
			"V-102 leaf signature": func(k *framing.KeyPackage) { k.Leaf.Signature[0] ^= 1 },
			"V-201 suite":          func(k *framing.KeyPackage) { k.Suite = ciphersuite.P256_AES128GCM_SHA256_P256 },
		} {
			k := w.person("mallory").offers().Content()
			spoil(k)
			if _, err := ParseKeyPackage(k.Bytes()); err == nil {
				t.Errorf("%s: parsed", name)
			}
			forged := alice.forges(alice.by(framing.Add{KeyPackage: k}), false, noWelcome)
			if _, err := bob.Stage(forged, StageOptions{}); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if _, err := ParseKeyPackage(alice.says("hi")); !errors.Is(err, ErrKind) {
			t.Errorf("a message as key package: %v", err)
		}
	})
}

func TestInvalidProposalLists(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol", "dave")
		alice, bob, carol := all[0], all[1], all[2]
		remove := framing.Remove{Leaf: carol.Self()}
		psk := func(change func(*PSKID)) framing.Proposal {
			id := PSKID{Type: schedule.PSKExternal, ID: []byte("id"), Nonce: make([]byte, w.suite.HashSize())}
			change(&id)
			return framing.PreSharedKey{ID: id}
		}
		same := func(*PSKID) {}
		list := func(v ...framing.Proposal) (l []change.Proposal) {
			for _, p := range v {
				l = append(l, alice.by(p)...)
			}
			return l
		}
		fresh := func(change func(*tree.LeafNode)) framing.Proposal {
			l := *carol.tree.Leaf(carol.Self())
			l.Source, l.Lifetime = tree.SourceUpdate, tree.Lifetime{}
			_, l.EncryptionKey, _ = w.suite.GenerateKeyPair()
			change(&l)
			must2(0, l.Sign(w.suite, carol.signer, alice.ID(), carol.Self()))(t)
			return framing.Update{Leaf: &l}
		}
		byCarol := func(v framing.Proposal) []change.Proposal {
			return []change.Proposal{{Sender: carol.Self(), Ref: []byte("ref"), Value: v}}
		}
		for name, l := range map[string][]change.Proposal{
			"V-211 update of the committer": list(framing.Update{Leaf: alice.tree.Leaf(0)}),
			"V-212 removes itself":          list(framing.Remove{Leaf: alice.Self()}),
			"V-213 leaves by value":         list(framing.SelfRemove{}),
			"V-214 extensions twice":        list(framing.GroupContextExtensions{}, framing.GroupContextExtensions{}),
			"V-215 key twice":               list(psk(same), psk(same)),
			"V-216 external init":           list(framing.ExternalInit{KEMOutput: []byte("x")}),
			"V-217 unknown":                 list(framing.UnknownProposal{Number: 0xf00f}),
			"V-218 removed twice":           list(remove, remove),
			"V-218 updated and removed":     append(list(remove), byCarol(fresh(func(*tree.LeafNode) {}))...),
			"V-219 nobody":                  list(framing.Remove{Leaf: 6}),
			"V-219 outside":                 list(framing.Remove{Leaf: 1 << 30}),
			"V-221 source":                  byCarol(fresh(func(l *tree.LeafNode) { l.Source = tree.SourceCommit })),
			"V-222 old key":                 byCarol(fresh(func(l *tree.LeafNode) { l.EncryptionKey = carol.tree.Leaf(carol.Self()).EncryptionKey })),
			"V-223 of another place":        {{Sender: bob.Self(), Ref: []byte("ref"), Value: fresh(func(*tree.LeafNode) {})}},
			"V-117 key of another":          byCarol(fresh(func(l *tree.LeafNode) { l.EncryptionKey = alice.tree.Leaf(0).EncryptionKey })),
			"V-224 nonce":                   list(psk(func(id *PSKID) { id.Nonce = id.Nonce[1:] })),
			"V-225 usage":                   list(psk(func(id *PSKID) { id.Type, id.Usage = schedule.PSKResumption, schedule.PSKBranch })),
			"V-111 extension":               list(framing.GroupContextExtensions{Extensions: Extensions{{Type: 0xf999}}}),
		} {
			if _, err := bob.apply(l, alice.Self(), nil); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if _, err := bob.apply(list(framing.ReInit{}), alice.Self(), nil); !errors.Is(err, ErrRefused) {
			t.Errorf("reinit: got %v", err)
		}
		if _, err := bob.apply(byCarol(fresh(func(*tree.LeafNode) {})), alice.Self(), nil); err != nil {
			t.Errorf("a good update: %v", err)
		}
	})
}

func TestProposalTypeNeedsEverybody(t *testing.T) {
	w := newWorld(t, ciphersuite.X25519_AES128GCM_SHA256_Ed25519)
	all := w.party("alice", "bob")
	alice, bob := all[0], all[1]
	k := keyPackage(t, w, func(_ *person, k *framing.KeyPackage) { k.Leaf.Capabilities.Proposals = nil })
	c := alice.commits(CommitOptions{Add: []*KeyPackage{must2(ParseKeyPackage(k.Bytes()))(t)}})
	bob.follows(c.Commit())
	leave := []change.Proposal{{Sender: bob.Self(), Ref: []byte("ref"), Value: framing.SelfRemove{}}}
	if _, err := alice.apply(leave, alice.Self(), nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("V-220: got %v", err)
	}
}

func TestInvalidCommits(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob := all[0], all[1]
		for name, tc := range map[string]struct {
			list   []change.Proposal
			path   bool
			tamper func(*draft)
			want   error
		}{
			"V-302 capability dropped": {nil, true, func(d *draft) {
				l := *d.commit.Path.Leaf
				l.Capabilities.Credentials = []uint16{1, 7}
				l.Credential.Type = 7
				must2(0, l.Sign(w.suite, alice.signer, alice.ID(), alice.Self()))(t)
				d.commit.Path.Leaf = &l
			}, ErrInvalid},
			"V-304 missing proposal": {[]change.Proposal{{Ref: []byte("never sent"), Value: framing.SelfRemove{}}}, true, nil, ErrMissingProposal},
			"V-305 own secret": {nil, true, func(d *draft) {
				for _, n := range d.commit.Path.Nodes {
					for i := range n.Secrets {
						n.Secrets[i].KEMOutput = bytes.Clone(n.Secrets[i].KEMOutput)
						n.Secrets[i].KEMOutput[0] ^= 1
					}
				}
			}, ErrOwnPath},
			"V-129 secrets missing":  {nil, true, func(d *draft) { d.commit.Path.Nodes[0].Secrets = nil }, ErrInvalid},
			"V-306 confirmation tag": {nil, true, func(d *draft) { d.psk = secret.New(make([]byte, 7)) }, ErrInvalid},
			"V-122 tree of its own":  {nil, true, func(d *draft) { d.commit.Path.Leaf = d.tree.Leaf(1) }, ErrInvalid},
		} {
			if _, err := bob.Stage(alice.forges(tc.list, tc.path, tc.tamper), StageOptions{}); !errors.Is(err, tc.want) {
				t.Errorf("%s: got %v, want %v", name, err, tc.want)
			}
		}
		if _, err := alice.Stage(must2(alice.Commit(CommitOptions{}))(t).Commit(), StageOptions{}); !errors.Is(err, ErrOwn) {
			t.Errorf("one's own commit: got %v", err)
		}
		if _, err := alice.Stage(must2(alice.Commit(CommitOptions{Public: true}))(t).Commit(), StageOptions{}); !errors.Is(err, ErrOwn) {
			t.Errorf("one's own public commit: got %v", err)
		}
		if _, err := bob.Stage(alice.says("hi"), StageOptions{}); !errors.Is(err, ErrKind) {
			t.Errorf("a message as commit: got %v", err)
		}
	})
}

func TestValidatorHasTheLastWord(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "bob", "carol")
		alice, bob, carol := all[0], all[1], all[2]
		errNo := errors.New("not this one")
		bob.validator = func(c Claim) error {
			if c.Previous == nil && string(c.Identity) == "mallory" || c.Previous != nil && !bytes.Equal(c.Previous.Identity, c.Identity) {
				return errNo
			}
			return nil
		}
		k := w.person("mallory").offers()
		add := must2(alice.Commit(CommitOptions{Add: []*KeyPackage{claimed(t, k)}}))(t)
		if _, err := bob.Stage(add.Commit(), StageOptions{}); !errors.Is(err, errNo) || !errors.Is(err, ErrInvalid) {
			t.Errorf("V-227 add: got %v", err)
		}
		rename := must2(alice.Commit(CommitOptions{Leaf: &LeafOptions{Identity: []byte("bob")}}))(t)
		if _, err := bob.Stage(rename.Commit(), StageOptions{}); !errors.Is(err, errNo) {
			t.Errorf("V-301 commit: got %v", err)
		}
		msg, _, err := carol.ProposeUpdate(&LeafOptions{Identity: []byte("bob")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bob.Receive(msg); !errors.Is(err, errNo) {
			t.Errorf("V-226 update: got %v", err)
		}
		own := k.State()
		_, err = Join(add.Welcome(), k, JoinOptions{Signer: must2(w.suite.GenerateSigningKey())(t), Validator: bob.validator})
		if !errors.Is(err, errNo) {
			t.Errorf("V-411 join: got %v", err)
		}
		if must2(RestoreKeyPackage(own))(t).Ref() == nil || !k.InitKey().Valid() {
			t.Error("a failed join used the key package up")
		}
	})
}
