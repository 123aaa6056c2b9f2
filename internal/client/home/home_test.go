package home

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/wire"
)

// drawer is a keyring in memory.
type drawer map[string][]byte

func (d drawer) Get(_ context.Context, name string) (secret.Bytes, error) {
	if key, ok := d[name]; ok {
		return secret.New(bytes.Clone(key)), nil
	}
	return secret.Bytes{}, errors.New("nothing there")
}

func (d drawer) Set(_ context.Context, name string, key secret.Bytes) error {
	d[name] = bytes.Clone(key.Reveal())
	return nil
}

func (d drawer) Delete(_ context.Context, name string) error {
	delete(d, name)
	return nil
}

func says(passphrase string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) { return secret.New([]byte(passphrase)), nil }
}

func asksNobody(t *testing.T) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) {
		t.Error("the passphrase was asked for")
		return secret.Bytes{}, errors.New("no")
	}
}

func create(t *testing.T, s store.Store, o Options) *Home {
	t.Helper()
	o.Cost = WeakCostForTests()
	h, err := Create(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAHomeOpensWithItsPassphraseAlone(t *testing.T) {
	s := memstore.New()
	if _, err := Open(t.Context(), s, Options{Passphrase: says("x")}); !errors.Is(err, ErrNone) {
		t.Errorf("opening nothing: %v", err)
	}
	if ok, err := Exists(t.Context(), s); ok || err != nil {
		t.Errorf("exists before it is made: %v, %v", ok, err)
	}
	h := create(t, s, Options{Passphrase: says("외양간")})
	tx := h.Begin()
	tx.PutBytes(h.Key(Device), []byte("keys"))
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), s, Options{Passphrase: says("cow")}); !errors.Is(err, ErrPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	again, err := Open(t.Context(), s, Options{Passphrase: says("외양간")})
	if err != nil {
		t.Fatal(err)
	}
	if b, ok, err := again.GetBytes(t.Context(), again.Key(Device)); !ok || err != nil || string(b) != "keys" {
		t.Errorf("read back %q, %v, %v", b, ok, err)
	}
	if _, err := Create(t.Context(), s, Options{Passphrase: says("x"), Cost: WeakCostForTests()}); !errors.Is(err, ErrExists) {
		t.Errorf("a second home: %v", err)
	}
}

func TestTheKeyringOpensWithoutAPassphrase(t *testing.T) {
	s, ring := memstore.New(), drawer{}
	create(t, s, Options{Passphrase: says("p"), Keyring: ring})
	if _, err := Open(t.Context(), s, Options{Passphrase: asksNobody(t), Keyring: ring}); err != nil {
		t.Error(err)
	}
	// A keyring that lost or changed the key is no reason to lose the home.
	clear(ring)
	if _, err := Open(t.Context(), s, Options{Passphrase: says("p"), Keyring: ring}); err != nil {
		t.Error(err)
	}
	var h wire.HomeHeader
	header, err := readHeader(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	h = *header
	ring[keyringName(&h)] = make([]byte, rootSize)
	if _, err := Open(t.Context(), s, Options{Passphrase: says("p"), Keyring: ring}); err != nil {
		t.Error(err)
	}
}

// dump is every byte that stands in the store.
func dump(t *testing.T, s store.Store) (out []byte) {
	t.Helper()
	if err := s.View(t.Context(), func(r store.Reader) error {
		for kv, err := range r.Scan(nil, nil, 0) {
			if err != nil {
				return err
			}
			out = append(append(out, kv.Key...), kv.Val...)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNothingStandsInPlain(t *testing.T) {
	s := memstore.New()
	h := create(t, s, Options{Passphrase: says("a passphrase")})
	tx := h.Begin()
	tx.Put(h.Key(Pin, []byte("an account id of thirty-two byte")), &wire.PinRecord{Name: "alice the canary"})
	tx.Put(h.Key(Message, []byte("room canary")).At(7), &wire.MessageRecord{Content: []byte("a canary sentence")})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := dump(t, s)
	for _, plain := range []string{"canary", "alice", "an account id", "passphrase"} {
		if bytes.Contains(all, []byte(plain)) {
			t.Errorf("%q stands in the store", plain)
		}
	}
	if !bytes.Contains(all, []byte("byre home")) {
		t.Error("the search finds nothing at all")
	}
}

func TestAValueOpensWhereItStandsAlone(t *testing.T) {
	s := memstore.New()
	h := create(t, s, Options{Passphrase: says("p")})
	here, there := h.Key(Outbox).At(1), h.Key(Outbox).At(2)
	tx := h.Begin()
	tx.PutBytes(here, []byte("one"))
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Mallory has the disk: she moves a value, and changes another.
	var b store.Batch
	if err := s.View(t.Context(), func(r store.Reader) error {
		val, _, err := r.Get(here.b)
		b.Set(there.b, val)
		val = bytes.Clone(val)
		val[len(val)-1] ^= 1
		b.Set(here.b, val)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	for _, k := range []Key{here, there} {
		if v, _, err := h.GetBytes(t.Context(), k); !errors.Is(err, ErrDamaged) {
			t.Errorf("opened %q, %v", v, err)
		}
	}
	for _, err := range h.From(t.Context(), h.Key(Outbox), 0, 0) {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("scanned: %v", err)
		}
	}
}

func TestHeadersAreHeldToBounds(t *testing.T) {
	for what, change := range map[string]func(*wire.HomeHeader){
		"a newer version":      func(h *wire.HomeHeader) { h.Version = 3 },
		"no version":           func(h *wire.HomeHeader) { h.Version = 0 },
		"memory without bound": func(h *wire.HomeHeader) { h.Memory = 1 << 31 },
		"time without bound":   func(h *wire.HomeHeader) { h.Time = 1 << 31 },
		"no lanes":             func(h *wire.HomeHeader) { h.Lanes = 0 },
		"a cheaper passphrase": func(h *wire.HomeHeader) { h.Time++ },
		"another salt":         func(h *wire.HomeHeader) { h.Salt[0] ^= 1 },
		"no root":              func(h *wire.HomeHeader) { h.ByPassphrase = nil },
	} {
		s := memstore.New()
		create(t, s, Options{Passphrase: says("p")})
		h, err := readHeader(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		change(h)
		var b store.Batch
		b.Set(headerKey, h.Append(nil))
		if err := s.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		_, err = Open(t.Context(), s, Options{Passphrase: says("p")})
		if err == nil {
			t.Errorf("%s: the home opened", what)
		}
		// The one cause that a person can mend is told from the others.
		if newer := h.Version == 3; errors.Is(err, ErrNewer) != newer {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A transaction reads its own writes, and what it leaves is what the last write
// to each place said.
func TestTransactions(t *testing.T) {
	s := memstore.New()
	h := create(t, s, Options{Passphrase: says("p")})
	model := map[uint64]string{}
	rapid.Check(t, func(t *rapid.T) {
		tx, next := h.Begin(), maps.Clone(model)
		for range rapid.IntRange(0, 12).Draw(t, "writes") {
			n := rapid.Uint64Range(0, 5).Draw(t, "n")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				tx.Delete(h.Key(Event).At(n))
				delete(next, n)
			case 1:
				mark := tx.Mark()
				tx.PutBytes(h.Key(Event).At(n), []byte("taken back"))
				tx.Undo(mark)
			default:
				rec := &wire.NoticeEvent{Text: rapid.StringN(0, 8, 8).Draw(t, "text")}
				tx.Put(h.Key(Event).At(n), rec)
				next[n] = rec.Text
			}
			var got wire.NoticeEvent
			ok, err := tx.Get(context.Background(), h.Key(Event).At(n), &got)
			if want, there := next[n]; err != nil || ok != there || got.Text != want {
				t.Fatalf("%d reads %q, %v, %v; want %q", n, got.Text, ok, err, want)
			}
		}
		if err := tx.Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
		model = next
		var order []uint64
		for it, err := range h.From(context.Background(), h.Key(Event), 0, 0) {
			var got wire.NoticeEvent
			if err = errors.Join(err, got.Parse(it.Record)); err != nil || got.Text != model[it.N] {
				t.Fatalf("%d is %q, %v; want %q", it.N, got.Text, err, model[it.N])
			}
			order = append(order, it.N)
		}
		if len(order) != len(model) || !slices.IsSorted(order) {
			t.Fatalf("scan gave %v, want %v", order, model)
		}
	})
	tx := h.Begin()
	tx.DeleteBefore(h.Key(Event), 6)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for it, err := range h.All(t.Context(), Event) {
		t.Errorf("after DeleteBefore: %d, %v", it.N, err)
	}
}

// eager is a store of which somebody reads in the moment in which a commit is
// there and has not returned.
type eager struct {
	store.Store

	meanwhile func()
}

func (s *eager) Commit(ctx context.Context, b *store.Batch) error {
	err := s.Store.Commit(ctx, b)
	if s.meanwhile != nil {
		s.meanwhile()
	}
	return err
}

func TestAReaderIsNoLaterThanTheWriter(t *testing.T) {
	s := &eager{Store: memstore.New()}
	h := create(t, s, Options{Passphrase: says("x"), Cost: WeakCostForTests()})
	for kind := range habits {
		k := h.Key(kind, []byte("alice"))
		tx := h.Begin()
		tx.Put(k, &wire.MessageRecord{})
		read := false
		s.meanwhile = func() {
			s.meanwhile = nil
			_, ok, err := h.GetBytes(t.Context(), k)
			if read = true; err != nil || !ok {
				t.Errorf("a record of kind %d that is there: %t, %v", kind, ok, err)
			}
		}
		if err := tx.Commit(t.Context()); err != nil || !read {
			t.Fatal(err)
		}
	}
}
