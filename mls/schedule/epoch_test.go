package schedule

import (
	"bytes"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// Rule 1, the attack: mallory has the public state of a group and derives its
// first epoch from nothing. Two groups must not share a secret, and zero start
// values must not lead to one.
func TestAFoundedGroupIsRandom(t *testing.T) {
	for _, s := range ciphersuite.All() {
		one, err := Found(s)
		if err != nil {
			t.Fatal(err)
		}
		two, err := Found(s)
		if err != nil {
			t.Fatal(err)
		}
		zeroInit := &Epoch{Suite: s, Init: Zero(s)}
		guess, _, err := zeroInit.Next(Zero(s), Zero(s), nil, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		zeroEpoch, err := fromEpochSecret(s, Zero(s), 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, e := range []*Epoch{one, two, guess, zeroEpoch} {
			for _, sec := range append(e.secrets(), new(e.Tree.nodes[root])) {
				if seen[string(sec.Reveal())] {
					t.Fatalf("%v: two secrets are equal", s.ID())
				}
				seen[string(sec.Reveal())] = true
			}
		}
	}
}

// Rule 5: after Retire, what leads into the next epoch is gone from memory and
// from the saved form; late messages can still be read.
func TestRetireErases(t *testing.T) {
	e, err := Found(suite1(t))
	if err != nil {
		t.Fatal(err)
	}
	var was [][]byte
	held := []secret.Bytes{e.Init, e.External, e.Confirmation, e.Membership}
	for _, s := range held {
		was = append(was, bytes.Clone(s.Reveal()))
	}
	e.Retire()
	state := e.AppendState(nil)
	for i, s := range held {
		if !bytes.Equal(s.Reveal(), make([]byte, len(was[i]))) || bytes.Contains(state, was[i]) {
			t.Errorf("secret %d is still there", i)
		}
	}
	if _, _, err := e.Next(Zero(e.Suite), Zero(e.Suite), nil, 1, 0); !errors.Is(err, ErrErased) {
		t.Errorf("next: %v", err)
	}
	if _, err := e.ExternalPub(); !errors.Is(err, ErrErased) {
		t.Errorf("external pub: %v", err)
	}
	if e.VerifyConfirmationTag(nil, nil) {
		t.Error("an erased confirmation key confirms")
	}
	if _, err := e.Export("byre envelope", nil, 32); err != nil {
		t.Errorf("export: %v", err)
	}
	e.Wipe()
	if _, err := e.Export("byre envelope", nil, 32); !errors.Is(err, ErrErased) {
		t.Errorf("export after wipe: %v", err)
	}
}

func TestExternalJoinerArrivesInTheSameEpoch(t *testing.T) {
	for _, s := range ciphersuite.All() {
		e, err := Found(s)
		if err != nil {
			t.Fatal(err)
		}
		pub, err := e.ExternalPub()
		if err != nil {
			t.Fatal(err)
		}
		kem, init, err := ExternalInit(s, pub)
		if err != nil {
			t.Fatal(err)
		}
		commit, ctx := ciphersuite.Random(s.HashSize()), []byte("context")
		joiner := &Epoch{Suite: s, Init: init}
		theirs, _, err := joiner.Next(commit, Zero(s), ctx, 2, 1)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := e.NextExternal(kem, commit, Zero(s), ctx, 2, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !ours.Authenticator.Equal(theirs.Authenticator) {
			t.Errorf("%v: epochs differ", s.ID())
		}
		if _, err := e.NextExternal(kem[1:], commit, Zero(s), ctx, 2, 0); err == nil {
			t.Errorf("%v: a short KEM output is accepted", s.ID())
		}
	}
}

func TestEpochStateComesBack(t *testing.T) {
	for _, s := range ciphersuite.All() {
		e, err := Found(s)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // whole, then retired
			state := e.AppendState(nil)
			r := syntax.NewReader(state)
			again := ReadEpoch(r)
			if err := r.Done(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again.AppendState(nil), state) {
				t.Errorf("%v: state differs", s.ID())
			}
			e.Retire()
		}
	}
}

func TestDamagedStatesAreRefused(t *testing.T) {
	_, tree := pair(t)
	consume(t, tree, alice, 3)
	good := save(tree)
	for name, damage := range map[string]func([]byte) []byte{
		"newer version":   func(b []byte) []byte { b[0]++; return b },
		"unknown suite":   func(b []byte) []byte { b[1] = 0x7a; return b },
		"no leaves":       func(b []byte) []byte { clear(b[3:7]); return b },
		"three leaves":    func(b []byte) []byte { b[6] = 3; return b },
		"own leaf beyond": func(b []byte) []byte { b[10] = 9; return b },
		"cut":             func(b []byte) []byte { return b[:len(b)-1] },
	} {
		r := syntax.NewReader(damage(bytes.Clone(good)))
		if got := ReadSecretTree(r); got != nil || r.Err() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestExportRefusesSilly(t *testing.T) {
	e, err := Found(suite1(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{-1, 255*32 + 1} {
		if _, err := e.Export("x", nil, n); err == nil {
			t.Errorf("%d bytes exported", n)
		}
	}
}

func TestPSKIdentifiers(t *testing.T) {
	for _, p := range []PreSharedKeyID{
		{Type: PSKExternal, ID: []byte("id"), Nonce: []byte("n")},
		{Type: PSKResumption, Usage: PSKBranch, GroupID: []byte("g"), Epoch: 7, Nonce: []byte("n")},
	} {
		b := p.Append(nil)
		r := syntax.NewReader(b)
		if again := ReadPreSharedKeyID(r); r.Done() != nil || !bytes.Equal(again.Append(nil), b) {
			t.Errorf("%v: %v", p, r.Err())
		}
	}
	for _, b := range [][]byte{{0, 0, 0}, {3, 0, 0}, {2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
		r := syntax.NewReader(b)
		ReadPreSharedKeyID(r)
		if !errors.Is(r.Done(), ErrPSK) {
			t.Errorf("%x: %v", b, r.Err())
		}
	}
}

// FuzzReadSecretTree: what loads saves the same, and never panics.
func FuzzReadSecretTree(f *testing.F) {
	_, tree := pair(f)
	f.Add(save(tree))
	consume(f, tree, alice, 3)
	f.Add(save(tree))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := syntax.NewReader(b)
		tree := ReadSecretTree(r)
		if r.Done() != nil {
			return
		}
		if got := save(tree); !bytes.Equal(got, b) {
			t.Fatalf("%x\nsaves as\n%x", b, got)
		}
		if c, err := tree.Claim(0, Application, 3); err == nil {
			c.Drop()
		}
		_, _ = tree.Reserve(Application, 1)
	})
}

// FuzzReadEpoch: what loads saves the same, and never panics.
func FuzzReadEpoch(f *testing.F) {
	e, err := Found(suite1(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(e.AppendState(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := syntax.NewReader(b)
		e := ReadEpoch(r)
		if r.Done() != nil {
			return
		}
		if got := e.AppendState(nil); !bytes.Equal(got, b) {
			t.Fatalf("%x\nsaves as\n%x", b, got)
		}
	})
}
