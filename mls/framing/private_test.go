package framing

import (
	"bytes"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/schedule"
)

const suite1 = ciphersuite.X25519_AES128GCM_SHA256_Ed25519

// refuse checks that rc refuses b with want and is as before.
func refuse(t *testing.T, what string, rc *Receiver, b []byte, want error) {
	t.Helper()
	before := state(rc)
	if v, err := receive(rc, b); v != nil || !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
	if state(rc) != before {
		t.Errorf("%s: the refused message changed the state", what)
	}
}

func TestAliceTellsBob(t *testing.T) {
	for _, s := range ciphersuite.All() {
		w := newWorld(t, s.ID())
		from, to := w.at(alice), w.at(bob)
		for i := range 3 {
			m, err := Sign(w.suite, w.keys[alice], WirePrivateMessage, w.says(alice, "안녕 🐄"), w.encoded)
			if err != nil {
				t.Fatal(err)
			}
			b, err := m.SealPrivate(from.Epoch, 256*i)
			if err != nil {
				t.Fatal(err)
			}
			v, err := receive(to, b)
			if err != nil {
				t.Fatal(err)
			}
			c := v.Content()
			if string(c.Application) != "안녕 🐄" || string(c.AuthenticatedData) != "for all to see" ||
				c.Sender != (Sender{SenderMember, uint32(alice)}) || v.Generation() != uint32(i) {
				t.Errorf("%v: got %+v", s.ID(), c)
			}
			h, err := ParseHeader(b)
			if err != nil || h.Wire != WirePrivateMessage || string(h.GroupID) != "cowshed" || h.Epoch != 7 || h.Content != ContentApplication {
				t.Errorf("header %+v, %v", h, err)
			}
		}
	}
}

// V-605: the operator changes any one byte, or cuts, and bob's state stands.
func TestATamperedMessageIsRefused(t *testing.T) {
	w := newWorld(t, suite1)
	good := w.seal(alice, w.at(alice).Epoch, WirePrivateMessage, w.says(alice, "hello"))
	to := w.at(bob)
	before := state(to)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x40
		if _, err := receive(to, bad); err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
		if _, err := receive(to, good[:i]); err == nil {
			t.Errorf("cut at %d: accepted", i)
		}
	}
	if state(to) != before {
		t.Error("the state changed")
	}
	if _, err := receive(to, good); err != nil {
		t.Errorf("then the good one: %v", err)
	}
}

// Rules 5 and 6, V-622: a message opens once, whatever was saved after it.
func TestAReplayIsRefused(t *testing.T) {
	w := newWorld(t, suite1)
	from, to := w.at(alice), w.at(bob)
	one := w.seal(alice, from.Epoch, WirePrivateMessage, w.says(alice, "one"))
	two := w.seal(alice, from.Epoch, WirePrivateMessage, w.says(alice, "two"))
	for _, b := range [][]byte{two, one} {
		if _, err := receive(to, b); err != nil {
			t.Fatal(err)
		}
	}
	again := *to
	r := syntax.NewReader(to.Epoch.AppendState(nil))
	again.Epoch = schedule.ReadEpoch(r)
	r = syntax.NewReader(to.Epoch.Tree.AppendState(nil))
	again.Epoch.Tree = schedule.ReadSecretTree(r)
	for _, rc := range []*Receiver{to, &again} {
		refuse(t, "one again", rc, one, schedule.ErrConsumed)
		refuse(t, "two again", rc, two, schedule.ErrConsumed)
	}
}

// V-607: mallory is a member, so she can derive alice's message keys. What she
// says in alice's name is refused, and burns no generation of alice.
func TestMalloryCannotSpeakForAlice(t *testing.T) {
	w := newWorld(t, suite1)
	to := w.at(bob)
	for _, c := range []Content{w.says(alice, "it is me"), w.proposes(alice, Remove{bob}), w.commits()} {
		forged := w.seal(mallory, w.at(alice).Epoch, WirePrivateMessage, c)
		refuse(t, "forged", to, forged, ErrSignature)
		genuine := w.seal(alice, w.at(alice).Epoch, WirePrivateMessage, c)
		if _, err := receive(to, genuine); err != nil {
			t.Errorf("after the forgery: %v", err)
		}
	}
}

// Rule 7, V-623: mallory points far ahead in alice's name.
func TestAForgedGenerationIsRefused(t *testing.T) {
	w := newWorld(t, suite1)
	for generation, want := range map[uint32]error{
		0: ErrDecrypt, 5: ErrDecrypt, schedule.MaxForward: ErrDecrypt,
		schedule.MaxForward + 1: schedule.ErrTooFar, 1<<32 - 1: schedule.ErrTooFar,
	} {
		refuse(t, "forged generation", w.at(bob), w.forgedSenderData(uint32(alice), generation), want)
	}
	// V-604: a blank leaf and one beyond the tree; V-621: bob himself.
	refuse(t, "blank leaf", w.at(bob), w.forgedSenderData(uint32(carol), 0), ErrSender)
	refuse(t, "no leaf", w.at(bob), w.forgedSenderData(1<<31, 0), ErrSender)
	refuse(t, "bob to bob", w.at(bob), w.forgedSenderData(uint32(bob), 0), schedule.ErrOwn)
}

// forgedSenderData is a message whose sender data hold and nothing else does.
func (w *world) forgedSenderData(leaf, generation uint32) []byte {
	w.tb.Helper()
	e := w.at(mallory).Epoch
	p := PrivateMessage{
		groupID: w.context.GroupID, epoch: w.context.Epoch, contentType: ContentApplication,
		ciphertext: make([]byte, 100),
	}
	var err error
	if p.encryptedSenderData, err = newSenderData(leaf, generation).seal(e, &p); err != nil {
		w.tb.Fatal(err)
	}
	return p.append(appendMessageHead(nil, WirePrivateMessage))
}

// Mallory seals sender data of the wrong size.
func TestSenderDataOfAnotherSize(t *testing.T) {
	w := newWorld(t, suite1)
	e := w.at(mallory).Epoch
	for _, n := range []int{0, 11, 13} {
		p := PrivateMessage{
			groupID: w.context.GroupID, epoch: w.context.Epoch, contentType: ContentApplication,
			ciphertext: make([]byte, 100),
		}
		key := e.SenderDataKey(p.ciphertext)
		var err error
		p.encryptedSenderData, err = w.suite.Seal(nil, key.Key, key.Nonce.Reveal(), p.appendSenderAAD(nil), make([]byte, n))
		if err != nil {
			t.Fatal(err)
		}
		refuse(t, "sender data", w.at(bob), p.append(appendMessageHead(nil, WirePrivateMessage)), ErrMalformed)
	}
}

// V-606: padding carries nothing, not even from a member with a good signature.
func TestPaddingMustBeZero(t *testing.T) {
	w := newWorld(t, suite1)
	for _, c := range []Content{w.says(alice, "hi"), w.proposes(alice, Remove{bob}), w.commits()} {
		for _, at := range []int{0, 1, 99} {
			padding := make([]byte, 100)
			padding[at] = 1
			m := w.sign(w.keys[alice], WirePrivateMessage, c)
			plain, err := m.plaintext(0)
			if err != nil {
				t.Fatal(err)
			}
			b, err := m.encrypt(w.at(alice).Epoch, append(plain, padding...))
			if err != nil {
				t.Fatal(err)
			}
			refuse(t, "padding", w.at(bob), b, ErrPadding)
		}
	}
}

// A member encrypts what is no content at all.
func TestEncryptedNonsenseIsRefused(t *testing.T) {
	w := newWorld(t, suite1)
	for _, plain := range [][]byte{nil, {0x40}, {0xff}, bytes.Repeat([]byte{0x20}, 10)} {
		m := w.sign(w.keys[mallory], WirePrivateMessage, w.says(mallory, ""))
		b, err := m.encrypt(w.at(mallory).Epoch, bytes.Clone(plain))
		if err != nil {
			t.Fatal(err)
		}
		refuse(t, "nonsense", w.at(bob), b, ErrMalformed)
	}
}

// V-601, V-602.
func TestAMessageOfElsewhereIsRefused(t *testing.T) {
	w := newWorld(t, suite1)
	for _, wire := range []WireFormat{WirePublicMessage, WirePrivateMessage} {
		b := w.seal(alice, w.at(alice).Epoch, wire, w.proposes(alice, SelfRemove{}))
		other, later := w.at(bob), w.at(bob)
		other.GroupID = []byte("barn")
		later.Number++
		refuse(t, "another group", other, b, ErrGroup)
		refuse(t, "another epoch", later, b, ErrEpoch)
	}
}

// V-607: a signature holds for its wire format, its context and its content
// alone.
func TestASignatureCannotBeMoved(t *testing.T) {
	w := newWorld(t, suite1)
	e := w.at(alice).Epoch
	public := w.sign(w.keys[alice], WirePublicMessage, w.proposes(alice, SelfRemove{}))
	public.wire = WirePrivateMessage // mallory re-encrypts what alice said in public
	b, err := public.SealPrivate(e, 0)
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, "public as private", w.at(bob), b, ErrSignature)

	elsewhere := w.at(bob)
	elsewhere.GroupContext = append(bytes.Clone(w.encoded), 0)
	b = w.seal(alice, w.at(alice).Epoch, WirePrivateMessage, w.says(alice, "hi"))
	refuse(t, "another context", elsewhere, b, ErrSignature)
}

// Rule 4: a private proposal or commit that the group refuses leaves the epoch
// as it was; one that it accepts opens no more.
func TestAHandshakeIsConsumedWhenAccepted(t *testing.T) {
	w := newWorld(t, suite1)
	from, to := w.at(alice), w.at(bob)
	b := w.seal(alice, from.Epoch, WirePrivateMessage, w.commits())
	before := state(to)
	v, err := receive(to, b)
	if err != nil {
		t.Fatal(err)
	}
	v.Drop()
	if err := v.Consume(); err != nil || state(to) != before {
		t.Errorf("refused: %v; state changed: %v", err, state(to) != before)
	}
	if v, err = receive(to, b); err != nil {
		t.Fatal(err)
	}
	if err := v.Consume(); err != nil {
		t.Fatal(err)
	}
	refuse(t, "accepted before", to, b, schedule.ErrConsumed)
}

func TestSealingRefuses(t *testing.T) {
	w := newWorld(t, suite1)
	e := w.at(alice).Epoch
	commit, err := Sign(w.suite, w.keys[alice], WirePrivateMessage, w.commits(), w.encoded)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := commit.SealPrivate(e, 0); !errors.Is(err, ErrMalformed) {
		t.Errorf("a commit without confirmation tag: %v", err)
	}
	m := w.sign(w.keys[alice], WirePrivateMessage, w.says(alice, "hi"))
	for _, n := range []int{-1, MaxMessage + 1} {
		if _, err := m.SealPrivate(e, n); !errors.Is(err, ErrTooLarge) {
			t.Errorf("padded to %d: %v", n, err)
		}
	}
	if _, err := m.SealPublic(e); err == nil {
		t.Error("signed as private, sealed as public")
	}
	if _, err := Sign(w.suite, w.keys[alice], WireWelcome, w.says(alice, "hi"), w.encoded); err == nil {
		t.Error("signed as a Welcome")
	}
	for range schedule.MaxReserve { // rule 12: the reservation ends
		if _, err := m.SealPrivate(e, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.SealPrivate(e, 0); !errors.Is(err, schedule.ErrUnreserved) {
		t.Errorf("unreserved: %v", err)
	}
	e.Wipe()
	if _, err := receive(&Receiver{
		Epoch: e, Signers: w, GroupID: w.context.GroupID, Number: 7, GroupContext: w.encoded,
	}, w.forgedSenderData(uint32(alice), 0)); !errors.Is(err, schedule.ErrErased) {
		t.Errorf("a wiped epoch reads: %v", err)
	}
}
