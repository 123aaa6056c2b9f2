package relay_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/store/pebblestore"
	"github.com/byre-messenger/byre/internal/wire"
)

// onPebble is a world on files, in real time.
func onPebble(tb testing.TB, dir string, configure func(*relay.Config)) *world {
	tb.Helper()
	w := emptyWorld(tb, configure)
	s, err := pebblestore.Open(dir, pebblestore.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	w.wait = func() { _ = w.relay.Settle(tb.Context()) }
	w.startOn(s)
	stop := w.stop
	w.stop = func() {
		stop()
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	}
	return w
}

// TestNothingInPlainInAnyFile lets people do everything that writes, and looks
// for who they are and what they sent in every file of the store, and in the
// log.
func TestNothingInPlainInAnyFile(t *testing.T) {
	dir := t.TempDir()
	w := onPebble(t, dir, nil)
	alice, bob := w.online("alice-canary"), w.online("bob-canary")
	bob.want(&wire.PublishKeyPackages{OneTime: [][]byte{[]byte("key-package-canary")}, LastResort: []byte("last-resort-canary")}, &wire.Done{})
	bob.hangUp()
	alice.sends(message("envelope-canary", bob), wire.OutcomeStored)
	if _, ok := alice.ask(appends('H', 0, "commit-canary", bob)).(*wire.EpochAppended); !ok {
		t.Fatal("not appended")
	}
	code, err := w.relay.Invite(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	w.stop()

	canaries := map[string][]byte{
		"a name": []byte("alice-canary"), "another name": []byte("bob-canary"), "an envelope": []byte("envelope-canary"),
		"a commit": []byte("commit-canary"), "a key package": []byte("key-package-canary"), "a last-resort one": []byte("last-resort-canary"),
		"an epoch's handle": bytes.Repeat([]byte("H"), 32), "an invitation": []byte(code), "a token": bob.token[:],
		"the root key": rootKey, "the server's key": w.cfg.ServerKey.Seed().Reveal(),
	}
	for _, d := range []*device{alice, bob} {
		account := d.chain.ID()
		canaries["account of "+d.name], canaries["device of "+d.name] = account[:], d.id[:]
		canaries["account of "+d.name+" as text"], canaries["device of "+d.name+" as text"] = []byte(account.String()), []byte(d.id.String())
		canaries["sign-in key of "+d.name], canaries["box key of "+d.name] = d.keys.SignIn, d.keys.Box[:32]
	}
	// The control: a file that holds one of each is found out.
	control := filepath.Join(dir, "control")
	var all []byte
	for _, c := range canaries {
		all = append(append(all, "some bytes between"...), c...)
	}
	if err := os.WriteFile(control, all, 0o600); err != nil {
		t.Fatal(err)
	}
	found, files := search(t, dir, canaries)
	for what := range canaries {
		if strings.Join(found[what], "") != "control" {
			t.Errorf("%s is in %q", what, found[what])
		}
	}
	if files < 3 {
		t.Errorf("only %d files were searched", files)
	}
	for what, c := range canaries {
		if strings.Contains(w.log.String(), string(c)) {
			t.Errorf("%s is in the log", what)
		}
	}
}

func search(t *testing.T, dir string, canaries map[string][]byte) (found map[string][]string, files int) {
	t.Helper()
	found = map[string][]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if len(content) > 0 {
			files++
		}
		for what, c := range canaries {
			if bytes.Contains(content, c) {
				found[what] = append(found[what], filepath.Base(path))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, files
}

// TestNobodyIsNamedInTheLog makes the store fail in many ways and reads the
// log.
func TestNobodyIsNamedInTheLog(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		alice, bob := w.online("alice"), w.online("bob")
		bob.hangUp()
		alice.sends(message("one", bob), wire.OutcomeStored)
		w.disk.Crash(0) // the store is gone below the relay
		alice.post(message("two", bob))
		id := bob.chain.ID()
		alice.refused(&wire.ReadChain{Account: id[:]}, wire.FailureUnavailable)
		alice.refused(&wire.ClaimKeyPackages{Account: id[:]}, wire.FailureUnavailable)
		alice.refused(appends(1, 0, "x", bob), wire.FailureUnavailable)
		bob.refused(bob.signInRequest(bob.dial()), wire.FailureUnavailable)
		time.Sleep(time.Minute)
		synctest.Wait()
		log := w.log.String()
		if !strings.Contains(log, "failed") {
			t.Fatalf("nothing was logged: %q", log)
		}
		for _, d := range []*device{alice, bob} {
			account := d.chain.ID()
			for _, c := range []string{d.name, d.id.String(), account.String(), fmt.Sprintf("%x", d.id), fmt.Sprintf("%x", account), fmt.Sprint(d.id), string(d.id[:])} {
				if strings.Contains(log, c) {
					t.Errorf("%q is in the log", c)
				}
			}
		}
	})
}
