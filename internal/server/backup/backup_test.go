package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/directory"
	"github.com/byre-messenger/byre/internal/relay/epochlog"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/relay/sealer"
	"github.com/byre-messenger/byre/internal/relay/session"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/server/backup"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/vault/vaulttest"
	"github.com/byre-messenger/byre/internal/wire"
)

// site is a data directory with a store in memory.
type site struct {
	dir     *datadir.Dir
	store   store.Store
	keys    *atrest.Keys
	people  directory.Directory
	boxes   mailbox.Records
	epochs  epochlog.Log
	devices map[string]ident.DeviceID
	ids     map[string]ident.AccountID
}

var began = time.Unix(1_790_000_000, 0)

func siteOn(tb testing.TB, path string, st store.Store) *site {
	tb.Helper()
	dir, err := datadir.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = dir.Close() })
	keys, err := atrest.New(dir.Root)
	if err != nil {
		tb.Fatal(err)
	}
	kept := new(vaulttest.Machine).Boot()
	kept.Retention = 72 * time.Hour
	chained, _, err := sealer.NewChained(sealer.ChainedConfig{Config: kept, Clock: clock.System{}}, func(func(seal.Held, error) bool) {})
	if err != nil {
		tb.Fatal(err)
	}
	return &site{
		dir: dir, store: st, keys: keys,
		people:  directory.Directory{Store: st, Keys: keys},
		boxes:   mailbox.Records{Store: st, Keys: keys, Sealer: chained},
		epochs:  epochlog.Log{Store: st, Keys: keys, Sealer: chained, Retention: 72 * time.Hour},
		devices: map[string]ident.DeviceID{}, ids: map[string]ident.AccountID{},
	}
}

func name(t *testing.T, text string) ident.Name {
	t.Helper()
	n, err := ident.ParseName(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// register makes a person with one device, key packages, and a sign-in counter.
func (s *site) register(t *testing.T, who string, counter uint64, invitation []byte) {
	t.Helper()
	chainKey := sign.NewKey()
	keys := &wire.DeviceKeys{
		Algorithms: 1, Chain: chainKey.Public(), SignIn: sign.NewKey().Public(), Mls: sign.NewKey().Public(), Box: make([]byte, 1216),
	}
	chain, err := devchain.Begin(keys, nil, chainKey)
	if err != nil {
		t.Fatal(err)
	}
	dev := devchain.DeviceID(keys)
	if _, err := s.people.Register(t.Context(), began, name(t, who), chain, invitation); err != nil {
		t.Fatal(err)
	}
	if _, err := s.people.SignIn(t.Context(), session.SignIn{Account: chain.ID(), Device: dev, Counter: counter}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.people.Publish(t.Context(), began, dev, [][]byte{[]byte("one-time package of " + who)}, []byte("last resort of "+who), false); err != nil {
		t.Fatal(err)
	}
	s.devices[who], s.ids[who] = dev, chain.ID()
}

// wait leaves a message in somebody's mailbox.
func (s *site) wait(t *testing.T, who, text string) {
	t.Helper()
	dev := s.devices[who]
	tag := s.boxes.Tag(dev[:])
	sealed, err := s.boxes.Seal(tag, &mailbox.Flight{N: 1, Arrived: began.UnixMilli(), Envelope: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	var b store.Batch
	s.boxes.Put(&b, sealed)
	if err := s.store.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

// end appends a commit to an epoch.
func (s *site) end(t *testing.T, at time.Time, h epochlog.Handle) {
	t.Helper()
	e, err := s.epochs.Seal(h, 0, []byte("a commit that ends an epoch"))
	if err != nil {
		t.Fatal(err)
	}
	if won, err := s.epochs.Append(t.Context(), at, e, func(*store.Batch) {}); !won || err != nil {
		t.Fatal(won, err)
	}
}

func (s *site) backup(t *testing.T, at time.Time) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := backup.Write(t.Context(), &out, backup.Source{Path: s.dir.Path, Store: s.store, Keys: s.keys}, at); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// town is a server at which much has happened.
func town(t *testing.T) (*site, string) {
	t.Helper()
	s := siteOn(t, filepath.Join(t.TempDir(), "data"), memstore.New())
	code, err := s.people.Invite(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	s.register(t, "alice", 7, nil)
	s.register(t, "bob", 3, []byte(code))
	s.wait(t, "bob", "what waits for bob")
	s.end(t, began, epochlog.Handle{1})
	return s, code
}

func restored(t *testing.T, archive []byte, at time.Time) (*site, backup.Summary) {
	t.Helper()
	path, st := filepath.Join(t.TempDir(), "new"), &kept{Store: memstore.New()}
	sum, err := backup.Restore(t.Context(), bytes.NewReader(archive), path, at, func(*datadir.Dir) (store.Store, error) { return st, nil })
	if err != nil {
		t.Fatal(err)
	}
	return siteOn(t, path, st.Store), sum
}

// kept outlives the Close that ends a restore.
type kept struct{ store.Store }

func (kept) Close() error { return nil }

func TestWhatABackupBringsBack(t *testing.T) {
	old, code := town(t)
	archive := old.backup(t, began.Add(time.Hour))
	lost := began.Add(30 * time.Hour)
	s, sum := restored(t, archive, lost)
	want := backup.Summary{Made: began.Add(time.Hour).UTC(), Accounts: 2, Devices: 2, Names: 2, Invitations: 1, Epochs: 1}
	if sum != want {
		t.Errorf("restored %+v, want %+v", sum, want)
	}
	if !s.dir.Root.Equal(old.dir.Root) || !bytes.Equal(s.dir.Identity.Public(), old.dir.Identity.Public()) {
		t.Error("the server's keys are others: clients would not know it")
	}
	a, err := s.people.LookUp(t.Context(), name(t, "alice"))
	if err != nil || a.ID != old.ids["alice"] {
		t.Errorf("alice: %v, %v", a.ID, err)
	}
	if _, err := s.people.Register(t.Context(), began, name(t, "alice"), otherChain(t), nil); !errors.Is(err, directory.ErrNameTaken) {
		t.Errorf("alice's name is free: %v", err)
	}
	// Two uses of the invitation are left.
	for _, guest := range []string{"carol", "dave"} {
		if _, err := s.people.Register(t.Context(), began, name(t, guest), otherChain(t), []byte(code)); err != nil {
			t.Errorf("the invitation: %v", err)
		}
	}
	if _, err := s.people.Register(t.Context(), began, name(t, "erin"), otherChain(t), []byte(code)); !errors.Is(err, directory.ErrInvitation) {
		t.Errorf("an invitation that is used up: %v", err)
	}
	for who, dev := range old.devices {
		known, err := s.people.Devices(t.Context(), []ident.DeviceID{dev})
		if err != nil || known[0] == nil || !known[0].Active {
			t.Fatalf("%s's device: %v, %v", who, known, err)
		}
		// Handed-out state never goes back.
		if got, err := s.people.Claim(t.Context(), old.ids[who], nil, false); err != nil || len(got) > 0 {
			t.Errorf("%s has key packages: %d, %v", who, len(got), err)
		}
	}
	// An old copy of alice's home stays one; the home that went on gets in.
	if _, err := s.people.SignIn(t.Context(), session.SignIn{Account: old.ids["alice"], Device: old.devices["alice"], Counter: 7}, nil); !errors.Is(err, session.ErrOldCopy) {
		t.Errorf("an old copy: %v", err)
	}
	if _, err := s.people.SignIn(t.Context(), session.SignIn{Account: old.ids["alice"], Device: old.devices["alice"], Counter: 9}, nil); err != nil {
		t.Errorf("alice's home: %v", err)
	}
	// The epoch that ended stays ended, for what is left of its 30 days.
	if page, err := s.epochs.Read(t.Context(), lost, epochlog.Handle{1}, 0); err != nil || !page.Over || len(page.Entries) > 0 {
		t.Errorf("an ended epoch: %+v, %v", page, err)
	}
	if err := s.epochs.Sweep(t.Context(), began.Add(31*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if page, err := s.epochs.Read(t.Context(), lost, epochlog.Handle{1}, 0); err != nil || page.Over {
		t.Errorf("after 31 days: %+v, %v", page, err)
	}
	// Nothing waits, and everybody is told that something may be lost.
	told := map[mailbox.Tag]mailbox.Gap{}
	if err := s.boxes.Restore(t.Context(), func(mailbox.Tag, mailbox.Record, int) { t.Error("something waits") },
		func(tag mailbox.Tag, g mailbox.Gap) { told[tag] = g }); err != nil {
		t.Fatal(err)
	}
	for who, dev := range old.devices {
		g := told[s.boxes.Tag(dev[:])]
		if g.Count != 1 || g.From != began.Add(time.Hour).Unix() || g.To != lost.Unix() || g.Generation == 0 {
			t.Errorf("%s is told %+v", who, g)
		}
	}
}

func otherChain(t *testing.T) devchain.Chain {
	t.Helper()
	key := sign.NewKey()
	chain, err := devchain.Begin(&wire.DeviceKeys{
		Algorithms: 1, Chain: key.Public(), SignIn: sign.NewKey().Public(), Mls: sign.NewKey().Public(), Box: make([]byte, 1216),
	}, nil, key)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// TestABackupHoldsNothingThatWaits looks for it in the archive itself, which is
// plain: what is found there is all that there is.
func TestABackupHoldsNothingThatWaits(t *testing.T) {
	s, _ := town(t)
	archive := s.backup(t, began)
	if !bytes.Contains(archive, []byte("alice")) {
		t.Fatal("the control: alice's name is not found, so the search does not work")
	}
	for _, word := range []string{"what waits for bob", "one-time package", "last resort", "a commit that ends"} {
		if bytes.Contains(archive, []byte(word)) {
			t.Errorf("the backup holds %q", word)
		}
	}
	// Nor in any sealed form: it has no record of these kinds.
	if err := s.store.View(t.Context(), func(r store.Reader) error {
		for kv, err := range r.Scan(nil, nil, 0) {
			if err != nil {
				return err
			}
			if backup.Left(atrest.Kind(kv.Key[0])) && len(kv.Val) > 0 && bytes.Contains(archive, kv.Val) {
				t.Errorf("the backup holds a record of kind %q", kv.Key[0])
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestEveryKindIsDecided: whoever adds a kind of record decides whether backups
// hold it.
func TestEveryKindIsDecided(t *testing.T) {
	for _, k := range atrest.Kinds() {
		if backup.Kept(k) == backup.Left(k) {
			t.Errorf("records of kind %q: kept %v, left out %v", k, backup.Kept(k), backup.Left(k))
		}
	}
}

// TestGapsGrow: who was owed notice of something before is told of both.
func TestGapsGrow(t *testing.T) {
	s, _ := town(t)
	dev := s.devices["bob"]
	tag := s.boxes.Tag(dev[:])
	late := uint64(began.Add(100 * time.Hour).UnixMilli())
	var b store.Batch
	s.boxes.SetGap(&b, tag, mailbox.Gap{Count: 5, From: 1000, To: 2000, Generation: late})
	if err := s.store.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	again, _ := restored(t, s.backup(t, began), began.Add(time.Hour))
	if err := again.boxes.Restore(t.Context(), nil, func(at mailbox.Tag, g mailbox.Gap) {
		if at == tag && (g.Count != 6 || g.From != 1000 || g.To != began.Add(time.Hour).Unix() || g.Generation != late+1) {
			t.Errorf("bob is told %+v", g)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedBackupsAreRefused(t *testing.T) {
	s, _ := town(t)
	good := s.backup(t, began)
	if sum, err := backup.Check(bytes.NewReader(good)); err != nil || sum.Accounts != 2 {
		t.Fatalf("a good backup: %+v, %v", sum, err)
	}
	tries := 0
	refused := func(what string, archive []byte, want ...error) {
		t.Helper()
		_, err := backup.Check(bytes.NewReader(archive))
		errs, path := []error{err}, filepath.Join(t.TempDir(), "new")
		if tries++; tries%8 == 0 { // each writes a directory durably, which takes its time
			_, err := backup.Restore(t.Context(), bytes.NewReader(archive), path, began, func(*datadir.Dir) (store.Store, error) { return memstore.New(), nil })
			errs = append(errs, err)
		}
		for _, err := range errs {
			ok := false
			for _, w := range want {
				ok = ok || errors.Is(err, w)
			}
			if !ok {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		left, _ := os.ReadDir(path)
		for _, e := range left {
			if e.Name() != "lock" {
				t.Errorf("%s leaves %s", what, e.Name())
			}
		}
	}
	for n := 0; n < len(good); n += 1 + len(good)/41 {
		refused("cut short", good[:n], backup.ErrCutShort, backup.ErrNoBackup)
		changed := bytes.Clone(good)
		changed[n] ^= 1
		refused("a changed byte", changed, backup.ErrDamaged, backup.ErrNoBackup, backup.ErrCutShort, backup.ErrNewFormat)
	}
	refused("more behind the end", append(bytes.Clone(good), 0), backup.ErrDamaged)
	refused("a newer one", append([]byte("byre backup 2\n"), good[len("byre backup 1\n"):]...), backup.ErrNewFormat)
	refused("something else", []byte("SQLite format 3\x00"), backup.ErrNoBackup)
	refused("nothing", nil, backup.ErrNoBackup)
}

// TestADamagedServerIsNotBackedUp: a backup of records that don't open would be
// found out too late.
func TestADamagedServerIsNotBackedUp(t *testing.T) {
	s, _ := town(t)
	id := s.ids["alice"]
	tag := s.keys.Tag(atrest.Account, id[:])
	var b store.Batch
	b.Set(atrest.Key(atrest.Account, tag[:]), []byte("torn"))
	if err := s.store.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Write(t.Context(), io.Discard, backup.Source{Path: s.dir.Path, Store: s.store, Keys: s.keys}, began); !errors.Is(err, atrest.ErrDamaged) {
		t.Errorf("a torn record: %v", err)
	}
}

func TestSealedBackups(t *testing.T) {
	me, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	word := func(s string) backup.Key { return backup.Key{Passphrase: secret.New([]byte(s))} }
	text := []byte(strings.Repeat("the archive ", 20_000))
	for what, c := range map[string]struct{ to, right, wrong backup.Key }{
		"a recipient": {
			backup.Key{Recipients: me.Recipient().String()}, backup.Key{Identities: "# mine\n" + me.String() + "\n"}, backup.Key{Identities: other.String()},
		},
		"a passphrase": {word("correct horse"), word("correct horse"), word("wrong horse")},
	} {
		var out bytes.Buffer
		w, err := backup.Seal(&out, c.to)
		if err == nil {
			_, err = w.Write(text)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		open := func(b []byte, k backup.Key) ([]byte, error) {
			r, err := backup.Unseal(bytes.NewReader(b), k)
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		}
		if got, err := open(out.Bytes(), c.right); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: %d bytes, %v", what, len(got), err)
		}
		if _, err := open(out.Bytes(), c.wrong); !errors.Is(err, backup.ErrWrongKey) {
			t.Errorf("%s, the wrong one: %v", what, err)
		}
		if _, err := open(out.Bytes()[:out.Len()-10], c.right); !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrCutShort) {
			t.Errorf("%s, cut short: %v", what, err)
		}
	}
	for what, k := range map[string]backup.Key{
		"nobody":      {},
		"both":        {Passphrase: secret.New([]byte("x")), Recipients: me.Recipient().String()},
		"no such key": {Recipients: "age1nonsense"},
	} {
		if _, err := backup.Seal(io.Discard, k); err == nil {
			t.Errorf("%s: sealed", what)
		}
	}
	if _, err := backup.Unseal(strings.NewReader("byre backup 1\n"), word("x")); !errors.Is(err, backup.ErrNotSealed) {
		t.Errorf("a plain archive: %v", err)
	}
	if _, err := backup.Unseal(strings.NewReader("age-encryption.org/v1\n"), backup.Key{Identities: "AGE-SECRET-KEY-OOPS"}); err == nil || strings.Contains(err.Error(), "OOPS") {
		t.Errorf("a bad identity: %v", err)
	}
}

// watched is a store that shows the moments before and behind each commit.
type watched struct {
	store.Store

	moment func(behind bool)
	fails  error
}

func (w watched) Commit(ctx context.Context, b *store.Batch) error {
	w.moment(false)
	if err := w.Store.Commit(ctx, b); err != nil {
		return err
	}
	w.moment(true)
	return w.fails
}

func (watched) Close() error { return nil }

// TestACrashAtTheRecordsOfARestore: what the power leaves of the directory before
// and behind each commit of records (B3) is no server; nor is it when a commit
// fails, and then nothing of it is left. Behind the last step (B4) it is one.
func TestACrashAtTheRecordsOfARestore(t *testing.T) {
	old, _ := town(t)
	archive := old.backup(t, began)
	path, moments := filepath.Join(t.TempDir(), "new"), 0
	restore := func(fails error) error {
		_, err := backup.Restore(t.Context(), bytes.NewReader(archive), path, began, func(*datadir.Dir) (store.Store, error) {
			return watched{memstore.New(), func(behind bool) {
				moments++
				left := filepath.Join(t.TempDir(), "left")
				if err := os.CopyFS(left, os.DirFS(path)); err != nil {
					t.Fatal(err)
				}
				if _, err := datadir.Open(left); err == nil || !strings.Contains(err.Error(), "a restore into it did not end; empty the directory") {
					t.Errorf("behind the commit %v: what is left is opened: %v", behind, err)
				}
			}, fails}, nil
		})
		return err
	}
	broken := errors.New("the disk is gone")
	if err := restore(broken); !errors.Is(err, broken) {
		t.Errorf("a commit that fails: %v", err)
	}
	if left, err := os.ReadDir(path); err != nil || len(left) != 1 || left[0].Name() != "lock" {
		t.Errorf("a restore that failed leaves %v, %v", left, err)
	}
	if err := restore(nil); err != nil || moments < 4 {
		t.Fatalf("restored: %v, after %d moments", err, moments)
	}
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
}
