package group

import (
	"bytes"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/tree"
)

// shelved is what the golden states hold: every process that fuzzes has the same
// keys.
func shelved(f *testing.F) (world, snapshot) {
	f.Helper()
	w := newWorld(f, ciphersuite.X25519_AES128GCM_SHA256_Ed25519)
	return w, loadStates(f, w)
}

// Whatever mallory, a member with good keys, puts into a commit and signs: bob
// does not panic, and an error leaves him as he was.
func FuzzCommitOfAMember(f *testing.F) {
	w, stored := shelved(f)
	epoch, ratchet := stored.secret(f, "alice epoch"), stored.secret(f, "alice ratchet")
	mallory, bob := w.person("mallory"), w.person("bob")
	mallory.signer = must2(w.suite.ParseSigningKey(stored.secret(f, "alice signer")))(f)
	bob.signer = must2(w.suite.ParseSigningKey(stored.secret(f, "bob signer")))(f)
	mallory.crashes(epoch, ratchet)
	bob.crashes(stored.secret(f, "bob epoch"), stored.secret(f, "bob ratchet"))
	seed := func(o CommitOptions) {
		o.Public = true
		v := must2(bob.verify(must2(mallory.Commit(o))(f).Commit(), framing.ContentCommit))(f)
		f.Add(v.Content().Commit.Append(nil), true)
		f.Add(v.Content().Commit.Append(nil), false)
	}
	seed(CommitOptions{})
	seed(CommitOptions{Remove: []LeafIndex{bob.Self()}})
	seed(CommitOptions{Add: []*KeyPackage{claimed(f, w.person("zoe").offers())}, GroupExtensions: Extensions{}})
	before := everything(bob.Group)
	f.Fuzz(func(t *testing.T, content []byte, path bool) {
		commit, err := framing.ParseCommit(content)
		if err != nil {
			return
		}
		mallory.tb = t
		mallory.crashes(epoch, ratchet) // or she runs out of generations
		msg := mallory.forges(nil, path, func(d *draft) { d.commit = *commit })
		s, err := bob.Stage(msg, StageOptions{})
		if !bytes.Equal(everything(bob.Group), before) {
			t.Fatal("staging changed bob")
		}
		if err == nil {
			s.Drop()
		}
	})
}

// Whatever stands in a Welcome: no panic, and the key package is not used up.
func FuzzWelcome(f *testing.F) {
	w, stored := shelved(f)
	state := stored.secret(f, "carol key package")
	signer := must2(w.suite.ParseSigningKey(stored.secret(f, "carol signer")))(f)
	f.Add(must2(RestorePending(stored.secret(f, "alice pending")))(f).Welcome())
	f.Fuzz(func(t *testing.T, welcome []byte) {
		k := must2(RestoreKeyPackage(state))(t)
		if _, err := Join(welcome, k, JoinOptions{Signer: signer}); err != nil && !k.InitKey().Valid() {
			t.Fatal("a failed join used the key package up")
		}
		if h, err := Peek(welcome); err == nil && h.Kind == 0 {
			t.Fatal("a message of no kind")
		}
	})
}

// Whatever stands in a GroupInfo by which zoe would enter: no panic, and what she
// makes of a good one lets her in. Mallory, a member, signs what the fuzzer made
// of the context and extensions.
func FuzzEnter(f *testing.F) {
	w, stored := shelved(f)
	mallory, zoe := w.person("mallory"), w.person("zoe")
	mallory.signer = must2(w.suite.ParseSigningKey(stored.secret(f, "alice signer")))(f)
	mallory.crashes(stored.secret(f, "alice epoch"), stored.secret(f, "alice ratchet"))
	info := mallory.shows()
	f.Add(info[4:], true)
	f.Add(info[4:], false)
	f.Add(must2(mallory.Info(InfoOptions{TreeOutOfBand: true}))(f)[4:], true)
	f.Fuzz(func(t *testing.T, b []byte, sign bool) {
		msg := append(bytes.Clone(info[:4]), b...)
		m, err := framing.ParseMessage(msg)
		if err != nil {
			return
		}
		if sign {
			r := syntax.NewReader(msg[4:])
			forged := &framing.GroupInfo{Context: framing.ReadGroupContext(r), Extensions: tree.ReadExtensions(r)}
			forged.ConfirmationTag, forged.Signer = r.Vector(), mallory.Self()
			if forged.Sign(w.suite, mallory.signer) == nil {
				msg = forged.Bytes()
			}
		}
		n, err := Enter(msg, zoe.asks())
		if err == nil {
			n.Discard()
		}
		if m.GroupInfo == nil && err == nil {
			t.Fatal("entered by what is no group info")
		}
	})
}

// Whatever stands in a state: no panic, and what loads is stored the same.
func FuzzStates(f *testing.F) {
	w, stored := shelved(f)
	signer := must2(w.suite.ParseSigningKey(stored.secret(f, "alice signer")))(f)
	f.Add(stored.get(f, "alice epoch"), stored.get(f, "alice ratchet"))
	f.Add(stored.get(f, "alice pending"), stored.get(f, "carol key package"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if g, err := Restore(secret.New(bytes.Clone(a)), secret.New(bytes.Clone(b)), RestoreOptions{Signer: signer}); err == nil {
			if !bytes.Equal(g.EpochState().Reveal(), a) || !bytes.Equal(g.RatchetState().Reveal(), b) {
				t.Fatal("stored otherwise")
			}
		}
		if p, err := RestorePending(secret.New(bytes.Clone(a))); err == nil && !bytes.Equal(p.State().Reveal(), a) {
			t.Fatal("pending commit stored otherwise")
		}
		if k, err := RestoreKeyPackage(secret.New(bytes.Clone(b))); err == nil && !bytes.Equal(k.State().Reveal(), b) {
			t.Fatal("key package stored otherwise")
		}
	})
}
