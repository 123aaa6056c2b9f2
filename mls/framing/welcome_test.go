package framing

import (
	"bytes"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/schedule"
)

func TestCarolIsWelcomed(t *testing.T) {
	for _, s := range ciphersuite.All() {
		w := newWorld(t, s.ID())
		k, _, init := w.keyPackage()
		sent, info, psk := w.welcome(k)
		m, err := ParseMessage(sent.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		ref, err := k.Ref()
		if err != nil {
			t.Fatal(err)
		}
		g, err := m.Welcome.OpenSecrets(s, ref, init)
		if err != nil {
			t.Fatal(err)
		}
		if !g.Joiner.Equal(w.joiner) || g.Path.Len() != s.HashSize() || len(g.PSKs) != 1 || string(g.PSKs[0].ID) != "id" {
			t.Errorf("%v: other secrets", s.ID())
		}
		u, err := m.Welcome.OpenGroupInfo(s, g, psk)
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := u.RatchetTree(); !ok || string(data) != "tree" || u.Signer() != alice {
			t.Errorf("%v: unverified part differs", s.ID())
		}
		got, err := u.Verify(s, w.keys[alice].Public())
		if err != nil || !bytes.Equal(got.Append(nil), info.Append(nil)) {
			t.Errorf("%v: group info: %v", s.ID(), err)
		}
	}
}

func TestAWelcomeThatIsNotGood(t *testing.T) {
	w := newWorld(t, suite1)
	k, _, init := w.keyPackage()
	wel, _, psk := w.welcome(k)
	ref, err := k.Ref()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wel.OpenSecrets(w.suite, []byte("other"), init); !errors.Is(err, ErrNotForMe) { // V-618
		t.Errorf("for others: %v", err)
	}
	_, _, another := w.keyPackage()
	if _, err := wel.OpenSecrets(w.suite, ref, another); !errors.Is(err, ErrDecrypt) { // V-619
		t.Errorf("another init key: %v", err)
	}
	g, err := wel.OpenSecrets(w.suite, ref, init)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wel.OpenGroupInfo(w.suite, g, schedule.Zero(w.suite)); !errors.Is(err, ErrDecrypt) { // V-620
		t.Errorf("without the pre-shared key: %v", err)
	}
	u, err := wel.OpenGroupInfo(w.suite, g, psk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Verify(w.suite, w.keys[mallory].Public()); !errors.Is(err, ErrSignature) { // V-614
		t.Errorf("signed by another: %v", err)
	}
	pq, err := ciphersuite.Lookup(ciphersuite.Default)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Verify(pq, w.keys[alice].Public()); !errors.Is(err, ErrMalformed) { // V-615
		t.Errorf("group info of another suite: %v", err)
	}
	if _, err := wel.OpenSecrets(pq, ref, init); !errors.Is(err, ErrMalformed) {
		t.Errorf("welcome of another suite: %v", err)
	}
	if _, err := wel.OpenGroupInfo(pq, g, psk); !errors.Is(err, ErrMalformed) {
		t.Errorf("welcome of another suite: %v", err)
	}
	// The operator changes the GroupInfo's ciphertext: the secrets, bound to it,
	// do not open either (RFC 9420 12.4.3.1).
	wel.encryptedGroupInfo[3] ^= 1
	if _, err := wel.OpenSecrets(w.suite, ref, init); !errors.Is(err, ErrDecrypt) {
		t.Errorf("changed: %v", err)
	}
	if _, err := wel.OpenGroupInfo(w.suite, g, psk); !errors.Is(err, ErrDecrypt) {
		t.Errorf("changed: %v", err)
	}
}

// V-617: mallory welcomes to a group of suite 1 with a GroupInfo that names
// another suite.
func TestAWelcomeNamesOneSuite(t *testing.T) {
	w := newWorld(t, suite1)
	k, _, init := w.keyPackage()
	w.context.Suite = ciphersuite.P256_AES128GCM_SHA256_P256
	wel, _, psk := w.welcome(k)
	ref, err := k.Ref()
	if err != nil {
		t.Fatal(err)
	}
	g, err := wel.OpenSecrets(w.suite, ref, init)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wel.OpenGroupInfo(w.suite, g, psk); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

// A committer sends secrets of a wrong size.
func TestGroupSecretsOfAnotherSize(t *testing.T) {
	w := newWorld(t, suite1)
	k, _, init := w.keyPackage()
	_, info, _ := w.welcome(k)
	ref, err := k.Ref()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range [][2]int{{31, 32}, {33, 0}, {32, 16}} {
		wel, err := NewWelcome(w.suite, info, ciphersuite.Random(n[0]), schedule.Zero(w.suite), nil, []NewMember{{k, ciphersuite.Random(n[1])}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wel.OpenSecrets(w.suite, ref, init); !errors.Is(err, ErrMalformed) {
			t.Errorf("sizes %v: %v", n, err)
		}
	}
}

func TestManyAreWelcomed(t *testing.T) {
	w := newWorld(t, suite1)
	_, info, _ := w.welcome(func() *KeyPackage { k, _, _ := w.keyPackage(); return k }())
	var members []NewMember
	var inits []ciphersuite.PrivateKey
	for range 9 {
		k, _, init := w.keyPackage()
		members, inits = append(members, NewMember{k, secret.Bytes{}}), append(inits, init)
	}
	wel, err := NewWelcome(w.suite, info, w.joiner, schedule.Zero(w.suite), nil, members)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range members {
		ref, err := m.KeyPackage.Ref()
		if err != nil {
			t.Fatal(err)
		}
		if g, err := wel.OpenSecrets(w.suite, ref, inits[i]); err != nil || g.Path.Len() != 0 {
			t.Errorf("member %d: %v", i, err)
		}
	}
	members[4].KeyPackage.InitKey = []byte("no key")
	if _, err := NewWelcome(w.suite, info, w.joiner, schedule.Zero(w.suite), nil, members); err == nil {
		t.Error("a welcome to a key that is none")
	}
}

// V-612, V-613.
func TestAKeyPackageThatIsNotGood(t *testing.T) {
	w := newWorld(t, suite1)
	good, key, _ := w.keyPackage()
	if err := good.Verify(); err != nil {
		t.Fatal(err)
	}
	raw := good.Append(nil)
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		k, err := ParseKeyPackage(bad)
		if err == nil {
			err = k.Verify()
		}
		if err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
	}
	old := *good
	old.Version = 2
	if err := old.Sign(key); err != nil {
		t.Fatal(err)
	}
	if err := old.Verify(); !errors.Is(err, ErrVersion) {
		t.Errorf("version 2: %v", err)
	}
	old.Version, old.Suite = Version, 0x7777
	if err := old.Verify(); !errors.Is(err, ciphersuite.ErrUnsupported) {
		t.Errorf("unknown suite: %v", err)
	}
	if _, err := old.Ref(); !errors.Is(err, ciphersuite.ErrUnsupported) {
		t.Errorf("ref of unknown suite: %v", err)
	}
	if err := old.Sign(key); !errors.Is(err, ciphersuite.ErrUnsupported) {
		t.Errorf("sign for unknown suite: %v", err)
	}
}
