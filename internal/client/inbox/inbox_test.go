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

// wait has n envelopes wait, the first named from.
func wait(t *testing.T, b *Inbox, h *home.Home, from, n int) {
	t.Helper()
	commit(t, h, func(tx *home.Tx) {
		for i := range n {
			b.Wait(tx, Delivery{Envelope: fmt.Append(nil, from+i), At: noon.Add(time.Duration(from+i) * time.Second), Stored: true, WaitedMs: 7})
		}
	})
}

// opens has every one of those that wait tried.
func opens(t *testing.T, b *Inbox, h *home.Home, at time.Time, opened func(Delivery) bool) {
	t.Helper()
	commit(t, h, func(tx *home.Tx) {
		if err := b.Retry(tx, at, func(d Delivery) (bool, error) { return opened(d), nil }); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWhatNoKeyOpensWaits(t *testing.T) {
	b, h := newInbox(t)
	wait(t, b, h, 0, 300)
	b = reload(t, h)
	var tried []string
	opens(t, b, h, noon.Add(time.Hour), func(d Delivery) bool {
		tried = append(tried, string(d.Envelope))
		return len(tried)%2 == 0
	})
	if len(tried) != 300 || tried[0] != "0" || !slices.IsSortedFunc(tried, func(a, b string) int { return len(a) - len(b) }) {
		t.Errorf("tried %d, the first %q", len(tried), tried[0])
	}
	if b = reload(t, h); b.Waiting() != 150 {
		t.Errorf("%d wait after every other one was opened", b.Waiting())
	}
	opens(t, b, h, noon.Add(KeptFor+time.Hour), func(Delivery) bool { return false })
	if b = reload(t, h); b.Waiting() != 0 || b.bytes != 0 {
		t.Errorf("%d wait after four days, %d bytes", b.Waiting(), b.bytes)
	}
}

// TestJunkEvictsNothing: whoever has the token sends what no key opens, more than
// is ever kept. What came before it, and what comes while the logs are read, is
// opened when its key comes.
func TestJunkEvictsNothing(t *testing.T) {
	b, h := newInbox(t)
	for round := range 3 {
		from := 100_000 * round
		wait(t, b, h, from, 1)         // alice's: its commit is in a log
		wait(t, b, h, from+1, 1000)    // mallory's
		last := b.Last()               // the logs are read from here on
		wait(t, b, h, from+2000, 1)    // alice's: after the next commit
		wait(t, b, h, from+2001, 1000) // mallory's
		b = reload(t, h)
		var got []string
		want := fmt.Sprint(from)
		opens(t, b, h, noon, func(d Delivery) bool {
			if string(d.Envelope) == want {
				got = append(got, want)
				return true
			}
			return false
		})
		commit(t, h, func(tx *home.Tx) { b.Tried(tx, last) })
		b = reload(t, h)
		want = fmt.Sprint(from + 2000)
		opens(t, b, h, noon, func(d Delivery) bool {
			if string(d.Envelope) == want {
				got = append(got, want)
				return true
			}
			return false
		})
		if len(got) != 2 {
			t.Errorf("round %d: of alice's two %q were opened", round, got)
		}
		commit(t, h, func(tx *home.Tx) { b.Tried(tx, b.Last()) })
		if b = reload(t, h); b.Waiting() != maxTried || b.Fresh() != 0 {
			t.Errorf("round %d: %d wait, %d of them untried", round, b.Waiting(), b.Fresh())
		}
	}
}

// TestTheInboxIsBounded: past what a mailbox holds, what came first stays.
func TestTheInboxIsBounded(t *testing.T) {
	b, h := newInbox(t)
	wait(t, b, h, 0, maxFresh+5)
	if b.Waiting() != maxFresh {
		t.Errorf("%d wait", b.Waiting())
	}
	first := ""
	opens(t, b, h, noon, func(d Delivery) bool {
		if first == "" {
			first = string(d.Envelope)
		}
		return false
	})
	if first != "0" {
		t.Errorf("the first that waits is %s", first)
	}
}
