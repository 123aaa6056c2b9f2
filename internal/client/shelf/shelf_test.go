package shelf

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

const suite = ciphersuite.X25519_AES128GCM_SHA256_Ed25519

// bob is a device with a shelf, in time that he sets.
type bob struct {
	t     *testing.T
	home  *home.Home
	me    *account.Me
	chain devchain.Chain
	shelf *Shelf
	now   time.Time
}

func newBob(t *testing.T) *bob {
	t.Helper()
	h, err := home.Create(t.Context(), memstore.New(), home.Options{
		Passphrase: func() (secret.Bytes, error) { return secret.New([]byte("p")), nil }, Cost: home.WeakCostForTests(),
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bob{t: t, home: h, now: time.Unix(1_800_000_000, 0)}
	if b.me, b.chain, err = account.New(false); err != nil {
		t.Fatal(err)
	}
	b.reload()
	return b
}

func (b *bob) reload() {
	b.t.Helper()
	var err error
	if b.shelf, err = Load(b.t.Context(), b.home); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bob) fill(at Published) *wire.PublishKeyPackages {
	b.t.Helper()
	tx := b.home.Begin()
	req, err := b.shelf.Fill(tx, b.me, b.chain, suite, at, false, b.now)
	if err == nil {
		err = tx.Commit(b.t.Context())
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.reload() // what counts is what is durable
	if req == nil {
		req = &wire.PublishKeyPackages{}
	}
	return req
}

// welcome is a Welcome for one of bob's key packages.
func (b *bob) welcome(public []byte) []byte {
	b.t.Helper()
	alice, chain, err := account.New(false)
	if err != nil {
		b.t.Fatal(err)
	}
	k, err := group.ParseKeyPackage(public)
	if err != nil {
		b.t.Fatal(err)
	}
	g, err := group.Create(group.CreateOptions{
		Suite: suite, Identity: alice.Identity(), Signer: alice.Leaf, LeafExtensions: alice.LeafExtensions(chain, 1),
		GroupExtensions: account.Direct(alice.Account, b.me.Account).Extensions(), Supports: account.Supports(),
		NotBefore: b.now, NotAfter: b.now.Add(time.Hour),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	p, err := g.Commit(group.CommitOptions{Add: []*group.KeyPackage{k}})
	if err != nil {
		b.t.Fatal(err)
	}
	return p.Welcome()
}

// use joins by a Welcome, and reports whether there was a key for it.
func (b *bob) use(welcome []byte) bool {
	b.t.Helper()
	found, err := b.shelf.Find(welcome)
	if errors.Is(err, group.ErrNotForMe) {
		return false
	}
	if err != nil {
		b.t.Fatal(err)
	}
	tx := b.home.Begin()
	found.Used(tx)
	if err := tx.Commit(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	b.reload()
	return true
}

func TestTheRelayIsKeptFull(t *testing.T) {
	b := newBob(t)
	first := b.fill(Published{})
	if len(first.OneTime) != 16 || len(first.LastResort) == 0 || first.Replace {
		t.Fatalf("at first %d, last resort %d bytes, replace %v", len(first.OneTime), len(first.LastResort), first.Replace)
	}
	at := Published{OneTime: 9, LastResort: b.now}
	if req := b.fill(at); len(req.OneTime)+len(req.LastResort) != 0 {
		t.Errorf("with 9 left: %v", req)
	}
	at.OneTime = 7
	if req := b.fill(at); len(req.OneTime) != 9 || len(req.LastResort) != 0 {
		t.Errorf("with 7 left: %v", req)
	}
	b.now = b.now.Add(25 * time.Hour)
	at.OneTime = 16
	if req := b.fill(at); len(req.OneTime) != 0 || len(req.LastResort) == 0 {
		t.Errorf("a day later: %v", req)
	}
	at.LastResort = b.now
	b.now = b.now.Add(15 * 24 * time.Hour)
	if req := b.fill(at); len(req.OneTime) != 16 || !req.Replace {
		t.Errorf("two weeks later: %v", req)
	}
}

func TestAOneTimeKeyIsErasedWhenUsed(t *testing.T) {
	b := newBob(t)
	first := b.fill(Published{})
	w := b.welcome(first.OneTime[3])
	if !b.use(w) {
		t.Fatal("the key is missing")
	}
	if b.use(w) {
		t.Error("a Welcome opens twice")
	}
	last := b.welcome(first.LastResort)
	if !b.use(last) || !b.use(b.welcome(first.LastResort)) {
		t.Error("a last resort serves once only")
	}
}

func TestARetiredKeyStaysAsLongAsAWelcomeMayWait(t *testing.T) {
	b := newBob(t)
	first := b.fill(Published{})
	w := b.welcome(first.LastResort)
	b.now = b.now.Add(25 * time.Hour)
	b.fill(Published{OneTime: 16, LastResort: b.now.Add(-25 * time.Hour)}) // rotates it
	b.now = b.now.Add(72 * time.Hour)
	b.fill(Published{OneTime: 16, LastResort: b.now})
	if _, err := b.shelf.Find(w); err != nil {
		t.Errorf("72 hours after it was rotated: %v", err)
	}
	b.now = b.now.Add(25 * time.Hour)
	b.fill(Published{OneTime: 16, LastResort: b.now})
	if _, err := b.shelf.Find(w); !errors.Is(err, group.ErrNotForMe) {
		t.Errorf("97 hours after: %v", err)
	}
}

// TestAKeyOfARequestServesOnce: it is not published, does not count as what is
// given out, opens one Welcome, and is kept while a request and its answer may
// wait.
func TestAKeyOfARequestServesOnce(t *testing.T) {
	b := newBob(t)
	room := ident.RoomID{7}
	ask := func() []byte {
		tx := b.home.Begin()
		public, err := b.shelf.Ask(tx, b.me, b.chain, suite, room, 1<<40, b.now)
		if err == nil {
			err = tx.Commit(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		b.reload()
		return public
	}
	public := ask()
	if req := b.fill(Published{}); len(req.OneTime) != 16 || len(req.LastResort) == 0 {
		t.Errorf("with a request under way %d are published", len(req.OneTime))
	}
	k, err := group.ParseKeyPackage(public)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := account.ReadMember(k.Leaf()); err != nil || m.Number != 1<<40+1 || len(m.Token) == 0 {
		t.Errorf("its leaf is %+v, %v", m, err)
	}
	w := b.welcome(public)
	if f, err := b.shelf.Find(w); err != nil || string(f.Room) != string(room[:]) {
		t.Errorf("it is found as %v, %v", f.Room, err)
	}
	if made, held := b.shelf.Asked(k.Leaf()); !made || !held {
		t.Errorf("made %v, held %v", made, held)
	}
	if !b.use(w) || b.use(w) {
		t.Error("it does not serve once")
	}
	if made, held := b.shelf.Asked(k.Leaf()); !made || held {
		t.Errorf("after it was used: made %v, held %v", made, held)
	}
	w = b.welcome(ask())
	b.now = b.now.Add(6 * 24 * time.Hour)
	b.fill(Published{OneTime: 16, LastResort: b.now})
	if _, err := b.shelf.Find(w); err != nil {
		t.Errorf("after six days: %v", err)
	}
	b.now = b.now.Add(25 * time.Hour)
	b.fill(Published{OneTime: 16, LastResort: b.now})
	if _, err := b.shelf.Find(w); !errors.Is(err, group.ErrNotForMe) {
		t.Errorf("after more than a week: %v", err)
	}
}

// TestADeviceKnowsWhatItAskedWith: a leaf that bob made for a request stays his when
// its key was used, or given up behind a week, for as long as somebody could put it
// in the place of an older one of his; what was published, and what another made
// with his keys, is none of these.
func TestADeviceKnowsWhatItAskedWith(t *testing.T) {
	b := newBob(t)
	room := ident.RoomID{7}
	leaf := func(public []byte) group.Member {
		k, err := group.ParseKeyPackage(public)
		if err != nil {
			t.Fatal(err)
		}
		return k.Leaf()
	}
	step := func(do func(*home.Tx)) {
		t.Helper()
		tx := b.home.Begin()
		do(tx)
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.reload()
	}
	ask := func() (public []byte) {
		t.Helper()
		step(func(tx *home.Tx) {
			var err error
			if public, err = b.shelf.Ask(tx, b.me, b.chain, suite, room, 0, b.now); err != nil {
				t.Fatal(err)
			}
		})
		return public
	}
	knows := func(when string, public []byte, want bool) {
		t.Helper()
		if made, held := b.shelf.Asked(leaf(public)); made != want || held {
			t.Errorf("%s: made %v, held %v", when, made, held)
		}
	}
	published := b.fill(Published{})
	b.now = b.now.Add(time.Second)
	used := ask()
	number := uint64(b.now.Unix())
	if !b.use(b.welcome(used)) {
		t.Fatal("it opens no Welcome")
	}
	stolen, err := b.me.KeyPackage(b.chain, account.KeyPackageOptions{Suite: suite, Now: b.now, Rejoins: room[:]})
	if err != nil {
		t.Fatal(err)
	}
	knows("made with bob's keys elsewhere", stolen.Public(), false)
	knows("published", published.OneTime[0], false)
	b.now = b.now.Add(time.Hour)
	waited := ask()
	b.now = b.now.Add(8 * 24 * time.Hour)
	b.fill(Published{OneTime: 16, LastResort: b.now})
	knows("used", used, true)
	knows("given up", waited, true)

	// The groups that he follows have newer leaves of his, but what is published has not.
	step(func(tx *home.Tx) { b.shelf.Prune(tx, number+3600) })
	knows("while an older package is given out", used, true)
	b.now = b.now.Add(15 * 24 * time.Hour)
	b.fill(Published{}) // retires them
	b.now = b.now.Add(5 * 24 * time.Hour)
	b.fill(Published{OneTime: 16, LastResort: b.now})
	step(func(tx *home.Tx) { b.shelf.Prune(tx, number-1) })
	knows("while a group has an older leaf of his", used, true)
	step(func(tx *home.Tx) { b.shelf.Prune(tx, number) })
	knows("behind it", used, false)
	knows("of a newer number", waited, true)
	step(func(tx *home.Tx) { b.shelf.Prune(tx, math.MaxUint64) })
	knows("when he follows nothing", waited, false)
}

// TestWhatWasAskedIsBounded: the lowest numbers are forgotten first.
func TestWhatWasAskedIsBounded(t *testing.T) {
	b := newBob(t)
	for n := range uint64(mostGone + 2) {
		b.shelf.gone[fmt.Sprint(n)] = &wire.KeyPackageRecord{Ref: []byte(fmt.Sprint(n)), Number: n + 1, Leaf: []byte{1}}
	}
	b.shelf.Prune(b.home.Begin(), 0)
	if _, ok := b.shelf.gone["2"]; len(b.shelf.gone) != mostGone || !ok {
		t.Errorf("%d are remembered, among them the lowest: %v", len(b.shelf.gone), ok)
	}
}
