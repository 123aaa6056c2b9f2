package framing

import (
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// The people of the tests and their leaves. carol's leaf is blank; operator is
// an external sender; mallory is a member who does not play by the rules.
const (
	alice   tree.LeafIndex = 0
	bob     tree.LeafIndex = 1
	mallory tree.LeafIndex = 2
	carol   tree.LeafIndex = 3
)

// world is a group of alice, bob and mallory in one epoch.
type world struct {
	tb       testing.TB
	suite    ciphersuite.Suite
	context  GroupContext
	encoded  []byte
	joiner   secret.Bytes
	keys     map[tree.LeafIndex]ciphersuite.SigningKey
	operator ciphersuite.SigningKey
}

func newWorld(tb testing.TB, id ciphersuite.ID) *world {
	tb.Helper()
	s, err := ciphersuite.Lookup(id)
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{
		tb: tb, suite: s, joiner: ciphersuite.Random(s.HashSize()),
		context: GroupContext{
			Version: Version, Suite: id, GroupID: []byte("cowshed"), Epoch: 7,
			TreeHash: make([]byte, s.HashSize()), ConfirmedTranscriptHash: make([]byte, s.HashSize()),
		},
		keys: map[tree.LeafIndex]ciphersuite.SigningKey{},
	}
	w.encoded = w.context.Append(nil)
	for _, who := range []tree.LeafIndex{alice, bob, mallory} {
		w.keys[who] = w.signingKey()
	}
	w.operator = w.signingKey()
	return w
}

func (w *world) signingKey() ciphersuite.SigningKey {
	w.tb.Helper()
	k, err := w.suite.GenerateSigningKey()
	if err != nil {
		w.tb.Fatal(err)
	}
	return k
}

func (w *world) Member(leaf tree.LeafIndex) ([]byte, bool) {
	k, ok := w.keys[leaf]
	return k.Public(), ok
}

func (w *world) External(i uint32) ([]byte, bool) { return w.operator.Public(), i == 0 }

// at returns what a member holds of the epoch, with all it may send reserved.
func (w *world) at(who tree.LeafIndex) *Receiver {
	w.tb.Helper()
	e, err := schedule.FromJoiner(w.suite, w.joiner, schedule.Zero(w.suite), w.encoded, 4, uint32(who))
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, k := range []schedule.Kind{schedule.Handshake, schedule.Application} {
		if _, err := e.Tree.Reserve(k, schedule.MaxReserve); err != nil {
			w.tb.Fatal(err)
		}
	}
	return &Receiver{
		Epoch: e, Signers: w, GroupID: w.context.GroupID, Number: w.context.Epoch, GroupContext: w.encoded,
	}
}

// says is a content of a member.
func (w *world) says(who tree.LeafIndex, text string) Content {
	return Content{
		GroupID: w.context.GroupID, Epoch: w.context.Epoch, Sender: Sender{SenderMember, uint32(who)},
		AuthenticatedData: []byte("for all to see"), Type: ContentApplication, Application: []byte(text),
	}
}

// proposes is a proposal of a member.
func (w *world) proposes(who tree.LeafIndex, p Proposal) Content {
	c := w.says(who, "")
	c.Type, c.Application, c.Proposal = ContentProposal, nil, p
	return c
}

// commits is a commit of alice.
func (w *world) commits(list ...ProposalOrRef) Content {
	c := w.says(alice, "")
	c.Type, c.Application, c.Commit = ContentCommit, nil, &Commit{Proposals: list}
	return c
}

// sign signs c with key without the checks of [Sign]: mallory does not care.
func (w *world) sign(key ciphersuite.SigningKey, wire WireFormat, c Content) *Signed {
	w.tb.Helper()
	m := &Signed{signed: signed{wire: wire, content: c}, suite: w.suite}
	m.tbs = m.appendTBS(nil, w.encoded)
	sig, err := w.suite.SignWithLabel(key, signLabel, m.tbs)
	if err != nil {
		w.tb.Fatal(err)
	}
	m.auth.signature = sig
	if c.Type == ContentCommit {
		m.Confirm(make([]byte, w.suite.HashSize()))
	}
	return m
}

// seal signs c with who's key and seals it.
func (w *world) seal(who tree.LeafIndex, e *schedule.Epoch, wire WireFormat, c Content) []byte {
	w.tb.Helper()
	m := w.sign(w.keys[who], wire, c)
	var b []byte
	var err error
	if wire == WirePrivateMessage {
		b, err = m.SealPrivate(e, 0)
	} else {
		b, err = m.SealPublic(e)
	}
	if err != nil {
		w.tb.Fatal(err)
	}
	return b
}

// receive parses and opens b.
func receive(rc *Receiver, b []byte) (*Verified, error) {
	m, err := ParseMessage(b)
	if err != nil {
		return nil, err
	}
	return rc.Open(m)
}

func state(rc *Receiver) string { return string(rc.Epoch.Tree.AppendState(rc.Epoch.AppendState(nil))) }

// leaf returns a well-formed leaf of key.
func (w *world) leaf(key ciphersuite.SigningKey) *tree.LeafNode {
	w.tb.Helper()
	_, pub, err := w.suite.GenerateKeyPair()
	if err != nil {
		w.tb.Fatal(err)
	}
	l := &tree.LeafNode{
		EncryptionKey: pub, SignatureKey: key.Public(),
		Credential: tree.Credential{Type: tree.CredentialBasic, Content: []byte("carol")},
		Capabilities: tree.Capabilities{
			Versions: []uint16{Version}, CipherSuites: []uint16{uint16(w.suite.ID())},
			Proposals: []uint16{0x0a0a}, Credentials: []uint16{1},
		},
		Source: tree.SourceKeyPackage, Lifetime: tree.Lifetime{NotBefore: 1, NotAfter: 2},
		Extensions: tree.Extensions{{Type: 0xf001, Data: []byte("chain")}},
	}
	if err := l.Sign(w.suite, key, nil, 0); err != nil {
		w.tb.Fatal(err)
	}
	return l
}

// keyPackage returns carol's, with her init key.
func (w *world) keyPackage() (*KeyPackage, ciphersuite.SigningKey, ciphersuite.PrivateKey) {
	w.tb.Helper()
	init, pub, err := w.suite.GenerateKeyPair()
	if err != nil {
		w.tb.Fatal(err)
	}
	key := w.signingKey()
	k := &KeyPackage{Version: Version, Suite: w.suite.ID(), InitKey: pub, Leaf: w.leaf(key)}
	if err := k.Sign(key); err != nil {
		w.tb.Fatal(err)
	}
	return k, key, init
}

// proposals returns one proposal of every type.
func (w *world) proposals() []Proposal {
	k, key, _ := w.keyPackage()
	return []Proposal{
		Add{k},
		Update{w.leaf(key)},
		Remove{bob},
		PreSharedKey{schedule.PreSharedKeyID{Type: schedule.PSKExternal, ID: []byte("id"), Nonce: []byte("nonce")}},
		PreSharedKey{schedule.PreSharedKeyID{Type: schedule.PSKResumption, Usage: schedule.PSKBranch, GroupID: []byte("g"), Epoch: 3, Nonce: []byte("n")}},
		ReInit{GroupID: []byte("new"), Version: Version, Suite: w.suite.ID(), Extensions: tree.Extensions{{Type: 9, Data: []byte{1}}}},
		ExternalInit{[]byte("kem output")},
		GroupContextExtensions{tree.Extensions{{Type: 0xf002, Data: []byte("room")}}},
		SelfRemove{},
	}
}

// messages returns one MLSMessage of every kind.
func (w *world) messages() [][]byte {
	w.tb.Helper()
	e := w.at(alice).Epoch
	var all [][]byte
	var list []ProposalOrRef
	for _, p := range w.proposals() {
		all = append(all, w.seal(alice, e, WirePublicMessage, w.proposes(alice, p)))
		list = append(list, ProposalOrRef{Proposal: p})
	}
	list = append(list, ProposalOrRef{Ref: []byte("reference")})
	commit := w.commits(list...)
	commit.Commit.Path = &tree.UpdatePath{Leaf: w.leaf(w.keys[alice]), Nodes: []tree.UpdatePathNode{
		{EncryptionKey: []byte("key"), Secrets: []ciphersuite.Ciphertext{{KEMOutput: []byte("k"), Ciphertext: []byte("c")}}},
	}}
	k, _, _ := w.keyPackage()
	welcome, info, _ := w.welcome(k)
	return append(all,
		w.seal(alice, e, WirePublicMessage, commit),
		w.seal(alice, e, WirePrivateMessage, commit),
		w.seal(alice, e, WirePrivateMessage, w.says(alice, "hello")),
		k.Bytes(), info.Bytes(), welcome.Bytes())
}

// welcome invites the owner of k.
func (w *world) welcome(k *KeyPackage) (*Welcome, *GroupInfo, secret.Bytes) {
	w.tb.Helper()
	info := &GroupInfo{
		Context: w.context, Extensions: tree.Extensions{{Type: tree.ExtRatchetTree, Data: []byte("tree")}},
		ConfirmationTag: []byte("tag"), Signer: alice,
	}
	if err := info.Sign(w.suite, w.keys[alice]); err != nil {
		w.tb.Fatal(err)
	}
	ids := []schedule.PreSharedKeyID{{Type: schedule.PSKExternal, ID: []byte("id"), Nonce: []byte("nonce")}}
	psk, err := schedule.PSKSecret(w.suite, []schedule.PSK{{ID: ids[0], Key: sec([]byte("shared before"))}})
	if err != nil {
		w.tb.Fatal(err)
	}
	wel, err := NewWelcome(w.suite, info, w.joiner, psk, ids, []NewMember{{k, ciphersuite.Random(w.suite.HashSize())}})
	if err != nil {
		w.tb.Fatal(err)
	}
	return wel, info, psk
}
