package meet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/wire"
)

// quiet is a side to which nothing happens.
type quiet struct{}

func (quiet) apply(linking.Event) []linking.Effect { return nil }
func (quiet) greets() wire.RequestBody             { return nil }
func (quiet) parts() bool                          { return true }

// nowhere is a server that is not there.
func nowhere(ctx context.Context, _ func(wire.PushBody)) (*line.Line, func(), error) {
	<-ctx.Done()
	return nil, nil, ctx.Err()
}

// TestWhatWaitsBehindAnEndIsNotRun: one thing ends a linking, and what stood behind
// it in the queue at that time does nothing any more.
func TestWhatWaitsBehindAnEndIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rain := errors.New("rain")
		m := &meeting{side: quiet{}, clock: clock.System{}, lines: nowhere}
		var ran []string
		m.in.put(func() { ran = append(ran, "before") })
		m.in.put(func() { m.fail(rain) })
		m.in.put(func() { ran = append(ran, "behind") })
		if err := m.run(t.Context()); !errors.Is(err, rain) {
			t.Errorf("it ends with %v", err)
		}
		if len(ran) != 1 || ran[0] != "before" {
			t.Errorf("what ran: %v", ran)
		}
	})
}

// TestAnEndIsNotOvertaken: a side has ended, and its last line breaks for good: it
// tells the other side no more, and ended as it did.
func TestAnEndIsNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meeting{side: quiet{}, clock: clock.System{}, lines: nowhere, met: true, posted: []linking.Post{{}}}
		m.in.put(func() { m.ended(linking.Declined) })
		m.in.put(func() { m.reconnect(line.ErrSuperseded) })
		if err := m.run(t.Context()); err != nil || m.why != linking.Declined {
			t.Errorf("it ends with %v, %v", m.why, err)
		}
	})
}

// TestNothingIsSeenBehindTheEnd: the server holds an older list of alice's devices
// back until her PC is linked: the PC keeps the one that lists it.
func TestNothingIsSeenBehindTheEnd(t *testing.T) {
	phone, old, err := account.New(false)
	if err != nil {
		t.Fatal(err)
	}
	_, request, err := account.Join(old, false)
	if err != nil {
		t.Fatal(err)
	}
	lists, err := phone.Extend(old, request)
	if err != nil {
		t.Fatal(err)
	}
	r := joinerRuns{joiner: &joiner{meeting: &meeting{side: quiet{}, clock: clock.System{}, asking: func() {}}}}
	id := old.ID()
	r.sees(id, &wire.Account{Account: id[:], Chain: lists.Wire()})
	if err := r.End(linking.End{Why: linking.Linked}); err != nil {
		t.Fatal(err)
	}
	r.sees(id, &wire.Account{Account: id[:], Chain: old.Wire()})
	if r.shown.Len() != lists.Len() {
		t.Errorf("it keeps a list of %d steps", r.shown.Len())
	}
}

// TestALineThatIsLeftHoldsNothing: others use the device's line for days; it does
// not wait for its end on behalf of a linking that is over.
func TestALineThatIsLeftHoldsNothing(t *testing.T) {
	waits, left := true, false
	m := &meeting{line: &line.Line{}, leave: func() { left = true }, unwait: func() bool { waits = false; return true }}
	m.hangUp()
	m.hangUp()
	if waits || !left || m.line != nil {
		t.Errorf("waits %v, left %v", waits, left)
	}
}
