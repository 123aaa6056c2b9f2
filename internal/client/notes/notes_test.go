package notes_test

import (
	"testing"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/notes"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/wire"
)

func options() home.Options {
	return home.Options{
		Passphrase: func() (secret.Bytes, error) { return secret.New([]byte("cow")), nil }, Cost: home.WeakCostForTests(),
	}
}

func open(t *testing.T, s store.Store) *home.Home {
	t.Helper()
	h, err := home.Open(t.Context(), s, options())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// keep has a book write events down, each in a commit of its own.
func keep(t *testing.T, h *home.Home, bodies ...wire.EventRecordBody) {
	t.Helper()
	b, err := notes.Load(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range bodies {
		tx := h.Begin()
		b.Keep(tx, &wire.EventRecord{At: 1_800_000_000_000, Body: body})
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, h *home.Home) []notes.Note {
	t.Helper()
	out, err := notes.List(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWhatIsMissingIsFoundAgain(t *testing.T) {
	s := memstore.New()
	h, err := home.Create(t.Context(), s, options())
	if err != nil {
		t.Fatal(err)
	}
	room := make([]byte, 32)
	room[0] = 7
	keep(t, h,
		&wire.ExpiredEvent{Room: room, Count: 3, From: 1000, To: 2000},
		&wire.MessageEvent{Room: room}, // stands in the history
		&wire.DeliveredEvent{Room: room},
		&wire.RequestEvent{Name: "mallory"},
		&wire.ChangedEvent{Change: wire.ChangeEdited, Room: room},
		&wire.KeyChangedEvent{Name: "bob", Text: "bob has other keys"},
	)
	h = open(t, s)
	keep(t, h, &wire.NoticeEvent{Text: "the server restarts"}, &wire.DeviceEvent{Room: room, Removed: true}, &wire.ErrorEvent{Text: "it did not work"})
	got := list(t, open(t, s))
	if len(got) != 5 {
		t.Fatalf("%d notes were kept: %+v", len(got), got)
	}
	if gap, ok := got[0].Event.(told.Expired); !ok || gap.Count != 3 || gap.From.UnixMilli() != 1000 || gap.To.UnixMilli() != 2000 || gap.Room[0] != 7 {
		t.Errorf("what is missing came back as %+v", got[0])
	}
	if key, ok := got[1].Event.(told.KeyChanged); !ok || key.Name != "bob" || key.Text != "bob has other keys" {
		t.Errorf("the alarm came back as %+v", got[1])
	}
	for i, n := range got {
		if i > 0 && n.N <= got[i-1].N {
			t.Errorf("note %d has number %d, the one before it %d", i, n.N, got[i-1].N)
		}
	}
}

// TestThePowerGoesWhileANoteIsPutAway: it is there or it is gone, and the others
// stay.
func TestThePowerGoesWhileANoteIsPutAway(t *testing.T) {
	for fault, gone := range map[storetest.Fault]bool{
		storetest.FailBefore: false, storetest.FailAfter: true, storetest.CrashBefore: false, storetest.CrashAfter: true,
	} {
		disk := &memstore.Disk{}
		reopen := func() *storetest.Faulty {
			t.Helper()
			s, err := disk.Open()
			if err != nil {
				t.Fatal(err)
			}
			return storetest.NewFaulty(s, func() { disk.Crash(0) })
		}
		s := reopen()
		h, err := home.Create(t.Context(), s, options())
		if err != nil {
			t.Fatal(err)
		}
		keep(t, h, &wire.NoticeEvent{Text: "one"}, &wire.NoticeEvent{Text: "two"})
		s.Plan(1, fault)
		if err := notes.Drop(t.Context(), h, list(t, h)[0].N); err == nil {
			t.Fatal("no commit failed")
		}
		disk.Crash(0)
		got := list(t, open(t, reopen()))
		if len(got) != map[bool]int{true: 1, false: 2}[gone] || got[len(got)-1].Event.(told.Notice).Text != "two" {
			t.Errorf("fault %d leaves %+v", fault, got)
		}
	}
}

func TestANoteIsPutAwayForGood(t *testing.T) {
	s := memstore.New()
	h, err := home.Create(t.Context(), s, options())
	if err != nil {
		t.Fatal(err)
	}
	keep(t, h, &wire.NoticeEvent{Text: "one"})
	n := list(t, h)[0].N
	for range 2 { // again is no error
		if err := notes.Drop(t.Context(), h, n); err != nil {
			t.Fatal(err)
		}
		if got := list(t, open(t, s)); len(got) != 0 {
			t.Errorf("put away, and still there: %+v", got)
		}
	}
}

// TestTheOldestGoFirst: whoever makes notes without end fills no home.
func TestTheOldestGoFirst(t *testing.T) {
	h, err := home.Create(t.Context(), memstore.New(), options())
	if err != nil {
		t.Fatal(err)
	}
	var many []wire.EventRecordBody
	for n := range 1600 {
		many = append(many, &wire.ExpiredEvent{Count: uint64(n)})
	}
	keep(t, h, many...)
	got := list(t, h)
	if len(got) < 1000 || len(got) > 1250 {
		t.Fatalf("%d of 1600 are kept", len(got))
	}
	if last := got[len(got)-1].Event.(told.Expired); last.Count != 1599 {
		t.Errorf("the newest is %+v", last)
	}
}
