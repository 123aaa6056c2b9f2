package group

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
)

// With -write-states the states of this version are written. A file that a
// release has shipped is never written again: a new form gets a new file.
var writeStates = flag.Bool("write-states", false, "write testdata/states")

// snapshot is what a device of some release stored, and what reached it later.
type snapshot map[string]string

func (s snapshot) put(name string, v []byte) { s[name] = hex.EncodeToString(v) }

func (s snapshot) get(tb testing.TB, name string) []byte {
	tb.Helper()
	return must2(hex.DecodeString(s[name]))(tb)
}

func (s snapshot) secret(tb testing.TB, name string) secret.Bytes {
	tb.Helper()
	return secret.New(s.get(tb, name))
}

func loadStates(tb testing.TB, w world) (s snapshot) {
	tb.Helper()
	must2(0, json.Unmarshal(must2(os.ReadFile(statePath(w)))(tb), &s))(tb)
	return s
}

func statePath(w world) string {
	return filepath.Join("testdata", "states", fmt.Sprintf("v1-%04x.json", uint16(w.suite.ID())))
}

// take makes the snapshot: bob has read one of three messages of the past epoch
// and one of two of this, and alice has a commit under way that adds carol.
func take(t *testing.T, w world) snapshot {
	t.Helper()
	s := snapshot{}
	all := w.party("alice", "bob")
	alice, bob := all[0], all[1]
	read, late := alice.says("read"), alice.says("late")
	bob.reads(read)
	update := alice.commits(CommitOptions{Leaf: &LeafOptions{Extensions: Extensions{{Type: 0xf123, Data: []byte("x")}}}})
	past := must2(bob.Merge(must2(bob.Stage(update.Commit(), StageOptions{}))(t)))(t)
	skipped, second := alice.says("skipped"), alice.says("second")
	bob.reads(second)
	proposal, _, err := alice.ProposeUpdate(nil)
	if err != nil {
		t.Fatal(err)
	}
	must2(bob.Receive(proposal))(t)
	carol := w.person("carol")
	k := carol.offers()
	pending := must2(alice.Commit(CommitOptions{Add: []*KeyPackage{claimed(t, k)}}))(t)
	for name, v := range map[string][]byte{
		"alice signer": alice.signer.Bytes().Reveal(), "bob signer": bob.signer.Bytes().Reveal(),
		"carol signer": carol.signer.Bytes().Reveal(), "carol key package": k.State().Reveal(),
		"alice epoch": alice.EpochState().Reveal(), "alice ratchet": alice.RatchetState().Reveal(),
		"alice pending": pending.State().Reveal(),
		"bob epoch":     bob.EpochState().Reveal(), "bob ratchet": bob.RatchetState().Reveal(),
		"bob past epoch": past.EpochState().Reveal(), "bob past ratchet": past.RatchetState().Reveal(),
		"read": read, "late": late, "skipped": skipped, "second": second,
	} {
		s.put(name, v)
	}
	return s
}

// Rule 13: what the last release stored, this one goes on with.
func TestRule13OldStatesLoad(t *testing.T) {
	tale(t, func(t *testing.T, w world) {
		if *writeStates {
			path := statePath(w)
			b := must2(json.MarshalIndent(take(t, w), "", "\t"))(t)
			must2(0, os.MkdirAll(filepath.Dir(path), 0o755))(t)
			must2(0, os.WriteFile(path, append(b, '\n'), 0o644))(t)
		}
		s := loadStates(t, w)
		back := func(name string) *person {
			p := w.person(name)
			p.signer = must2(w.suite.ParseSigningKey(s.secret(t, name+" signer")))(t)
			return p
		}
		alice, bob, carol := back("alice"), back("bob"), back("carol")
		alice.crashes(s.secret(t, "alice epoch"), s.secret(t, "alice ratchet"))
		bob.crashes(s.secret(t, "bob epoch"), s.secret(t, "bob ratchet"))

		past := must2(RestorePast(s.secret(t, "bob past epoch"), s.secret(t, "bob past ratchet")))(t)
		if _, err := past.Open(s.get(t, "read")); !errors.Is(err, ErrReplayed) {
			t.Errorf("read before: %v", err)
		}
		if m := must2(past.Open(s.get(t, "late")))(t); string(m.Plaintext) != "late" {
			t.Errorf("late: %q", m.Plaintext)
		}
		if _, err := bob.Open(s.get(t, "second")); !errors.Is(err, ErrReplayed) {
			t.Errorf("read before: %v", err)
		}
		if got := bob.reads(s.get(t, "skipped")); got != "skipped" {
			t.Errorf("skipped: %q", got)
		}
		if len(bob.Proposals()) != 1 || len(alice.Proposals()) != 1 {
			t.Error("the proposal is lost")
		}
		pending := must2(RestorePending(s.secret(t, "alice pending")))(t)
		if len(pending.Added()) != 1 || string(pending.Added()[0].Identity) != "carol" {
			t.Error("the pending commit forgot whom it adds")
		}
		bob.follows(pending.Commit())
		must2(alice.Confirm(pending))(t)
		carol.joins(pending.Welcome(), must2(RestoreKeyPackage(s.secret(t, "carol key package")))(t))
		agree(t, alice, bob, carol)
		if got := bob.reads(carol.says("hello")); got != "hello" {
			t.Errorf("carol said hello, bob reads %q", got)
		}
	})
}
