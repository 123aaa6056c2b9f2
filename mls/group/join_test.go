package group

import (
	"bytes"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// invitation is a Welcome in the making, for mallory to tamper with.
type invitation struct {
	next   *epoch
	info   *framing.GroupInfo
	member *framing.NewMember
	joiner secret.Bytes
	psks   []PSKID
	signer ciphersuite.SigningKey
	path   *tree.UpdatePath
}

// invites makes a Welcome for k, with a path.
func (p *person) invites(k *OwnKeyPackage, tamper func(*invitation)) []byte {
	p.tb.Helper()
	list := p.by(framing.Add{KeyPackage: k.Content()})
	c := must2(p.apply(list, p.Self(), nil))(p.tb)
	d := &draft{Group: p.Group, change: c, list: list, options: &CommitOptions{Update: true}}
	must2(0, d.prepare())(p.tb)
	next, joiner, err := p.advance(c, d.private, secret.Bytes{}, d.path.CommitSecret(), d.psk, []byte("confirmed"))
	must2(0, err)(p.tb)
	next.confirm()
	i := &invitation{
		next: next, joiner: joiner, signer: p.signer, path: d.commit.Path,
		info:   must2(next.groupInfo(p.signer, true))(p.tb),
		member: &framing.NewMember{KeyPackage: k.Content(), Path: d.path.SecretFor(c.Added[0])},
	}
	tamper(i)
	if i.info.Signature != nil {
		must2(0, i.info.Sign(p.suite, i.signer))(p.tb)
	} else {
		i.info.Signature = []byte("forged")
	}
	w := must2(framing.NewWelcome(p.suite, i.info, i.joiner, d.psk, i.psks, []framing.NewMember{*i.member}))(p.tb)
	return w.Bytes()
}

// plant replaces the tree in the group info, and its hash with it.
func (i *invitation) plant(t *tree.Tree) {
	i.info.Extensions = Extensions{{Type: tree.ExtRatchetTree, Data: t.Append(nil)}}
	i.info.Context.TreeHash = t.Hash()
}

// Rule 8: a Welcome is joined only after all of it is checked.
func TestRule08WelcomesAreChecked(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		all := w.party("alice", "carol")
		alice := all[0]
		bob := w.person("bob")
		other := w.party("alice", "carol", "dave")[0]
		for name, tc := range map[string]struct {
			tamper func(*invitation)
			want   error
		}{
			"good":                  {func(*invitation) {}, nil},
			"V-404 no tree":         {func(i *invitation) { i.info.Extensions = nil }, ErrNoTree},
			"V-405 signed by blank": {func(i *invitation) { i.info.Signer = 3 }, ErrInvalid},
			"V-406 signature":       {func(i *invitation) { i.info.Signature = nil }, ErrInvalid},
			"V-406 another signer":  {func(i *invitation) { i.signer = bob.signer }, ErrInvalid},
			"V-407 tree hash":       {func(i *invitation) { i.info.Context.TreeHash = bytes.Repeat([]byte{1}, w.suite.HashSize()) }, ErrInvalid},
			"V-407 another tree":    {func(i *invitation) { i.info.Extensions[0].Data = alice.Tree() }, ErrInvalid},
			"V-408 not in the tree": {func(i *invitation) { i.plant(alice.tree) }, ErrInvalid},
			"V-409 path secret":     {func(i *invitation) { i.member.Path = ciphersuite.Random(w.suite.HashSize()) }, tree.ErrPrivate},
			"V-410 tag":             {func(i *invitation) { i.info.ConfirmationTag = []byte("x") }, ErrInvalid},
			"V-410 joiner secret":   {func(i *invitation) { i.joiner = ciphersuite.Random(w.suite.HashSize()) }, ErrInvalid},
			"V-102 leaf of another group": {func(i *invitation) {
				i.info.Context.GroupID = other.ID()
			}, ciphersuite.ErrSignature},
			"V-116 parent hash": {func(i *invitation) {
				_, key, err := w.suite.GenerateKeyPair()
				must2(0, err)(t)
				raw := bytes.Replace(i.next.Tree(), i.path.Nodes[0].EncryptionKey, key, 1)
				i.plant(must2(tree.Parse(w.suite, raw))(t))
			}, tree.ErrParentHash},
			"V-111 extension of the group": {func(i *invitation) { i.info.Context.Extensions = Extensions{{Type: 0xf321}} }, tree.ErrCapabilities},
			"another suite":                {func(i *invitation) { i.info.Context.Suite = ciphersuite.P256_AES128GCM_SHA256_P256 }, framing.ErrMalformed},
			"branch": {func(i *invitation) {
				i.psks = []PSKID{{Type: schedule.PSKResumption, Usage: schedule.PSKBranch, Nonce: make([]byte, w.suite.HashSize())}}
			}, ErrRefused},
			"V-224 nonce": {func(i *invitation) { i.psks = []PSKID{{Type: schedule.PSKExternal, Nonce: []byte("short")}} }, ErrInvalid},
		} {
			k := bob.offers()
			welcome := alice.invites(k, tc.tamper)
			if _, err := Join(welcome, k, JoinOptions{Signer: bob.signer}); !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Errorf("%s: got %v, want %v", name, err, tc.want)
			}
			if k.InitKey().Valid() != (tc.want != nil) {
				t.Errorf("%s: key package used up: %v", name, !k.InitKey().Valid())
			}
		}
	})
}

func TestWelcomeOpensForItsDeviceAlone(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		alice, bob, mallory := w.person("alice").creates(), w.person("bob"), w.person("mallory")
		kb, km := bob.offers(), mallory.offers()
		p := must2(alice.Commit(CommitOptions{Add: []*KeyPackage{claimed(t, kb)}, TreeOutOfBand: true}))(t)
		refs := must2(WelcomeRefs(p.Welcome()))(t)
		if len(refs) != 1 || !bytes.Equal(refs[0], kb.Ref()) || !bytes.Equal(refs[0], claimed(t, kb).Ref()) {
			t.Error("the Welcome does not name bob's key package")
		}
		if _, err := Join(p.Welcome(), km, JoinOptions{Signer: mallory.signer}); !errors.Is(err, ErrNotForMe) {
			t.Errorf("V-401: got %v", err)
		}
		*km.Content() = *kb.Content() // mallory claims it, without its keys
		if _, err := Join(p.Welcome(), km, JoinOptions{Signer: mallory.signer}); !errors.Is(err, framing.ErrDecrypt) {
			t.Errorf("V-402: got %v", err)
		}
		spoilt := bytes.Clone(p.Welcome())
		spoilt[len(spoilt)-1] ^= 1
		if _, err := Join(spoilt, kb, JoinOptions{Signer: bob.signer}); !errors.Is(err, framing.ErrDecrypt) {
			t.Errorf("V-403: got %v", err)
		}
		if _, err := Join(p.Welcome(), kb, JoinOptions{Signer: bob.signer}); !errors.Is(err, ErrNoTree) {
			t.Errorf("V-404 out of band: got %v", err)
		}
		if _, err := Join(p.Welcome(), kb, JoinOptions{Signer: bob.signer, Tree: alice.Tree()}); !errors.Is(err, ErrInvalid) {
			t.Errorf("V-407 the tree of before: got %v", err)
		}
		must2(alice.Confirm(p))(t)
		bob.Group = must2(Join(p.Welcome(), kb, JoinOptions{Signer: bob.signer, Tree: alice.Tree()}))(t)
		agree(t, alice, bob)
	})
}
