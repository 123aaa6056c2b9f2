package inbox

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store/memstore"
)

var noon = time.UnixMilli(1_800_000_000_000)

func newInbox(t *testing.T) (*Inbox, *home.Home) {
	t.Helper()
	h, err := home.Create(t.Context(), memstore.New(), home.Options{
		Passphrase: func() (secret.Bytes, error) { return secret.New([]byte("p")), nil }, Cost: home.WeakCostForTests(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return reload(t, h), h
}

func reload(t *testing.T, h *home.Home) *Inbox {
	t.Helper()
	b, err := Load(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func commit(t *testing.T, h *home.Home, fn func(*home.Tx)) {
	t.Helper()
	tx := h.Begin()
	fn(tx)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAnEnvelopeIsKnownForFourDays(t *testing.T) {
	b, h := newInbox(t)
	for day := range 6 {
		now := noon.Add(time.Duration(day) * 24 * time.Hour)
		if !b.First(fmt.Append(nil, "envelope ", day)) {
			t.Fatalf("day %d: a new envelope is known", day)
		}
		commit(t, h, func(tx *home.Tx) { b.Save(tx, now) })
		b = reload(t, h)
		for back := range day + 1 {
			again := fmt.Append(nil, "envelope ", day-back)
			if _, known := b.hashes[envelope.Hash(again)]; known != (back <= 4) {
				t.Errorf("day %d: the envelope of %d days ago is known: %v", day, back, known)
			}
		}
	}
	if b.First([]byte("envelope 5")) {
		t.Error("an envelope comes for the first time twice")
	}
}

func TestWhatNoKeyOpensWaits(t *testing.T) {
	b, h := newInbox(t)
	for i := range maxWaiting + 3 {
		commit(t, h, func(tx *home.Tx) {
			b.Wait(tx, Delivery{Envelope: fmt.Append(nil, i), At: noon.Add(time.Duration(i) * time.Second), Stored: true, WaitedMs: 7})
		})
	}
	b = reload(t, h)
	if b.Waiting() != maxWaiting {
		t.Fatalf("%d wait, at most %d may", b.Waiting(), maxWaiting)
	}
	var tried []string
	commit(t, h, func(tx *home.Tx) {
		if err := b.Retry(tx, noon.Add(time.Hour), func(d Delivery) (bool, error) {
			tried = append(tried, string(d.Envelope))
			return len(tried)%2 == 0, nil
		}); err != nil {
			t.Fatal(err)
		}
	})
	if len(tried) != maxWaiting || tried[0] != "3" || !slices.IsSortedFunc(tried, func(a, b string) int { return len(a) - len(b) }) {
		t.Errorf("tried %d, the first %q", len(tried), tried[0])
	}
	b = reload(t, h)
	if b.Waiting() != maxWaiting/2 {
		t.Errorf("%d wait after every other one was opened", b.Waiting())
	}
	commit(t, h, func(tx *home.Tx) {
		if err := b.Retry(tx, noon.Add(KeptFor+time.Hour), func(Delivery) (bool, error) { return false, nil }); err != nil {
			t.Fatal(err)
		}
	})
	if b = reload(t, h); b.Waiting() != 0 {
		t.Errorf("%d wait after four days", b.Waiting())
	}
}
