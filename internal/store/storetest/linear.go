package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
)

// event is one operation on one register, between two ticks of a clock that all
// goroutines share.
type event struct {
	kind      eventKind
	call, ret int64
	val       string // read, required, or required before
	next      string // written
}

type eventKind int

const (
	readEvent     eventKind = iota + 1 // val was read
	swapEvent                          // val was required, next written
	conflictEvent                      // val was required and not there
)

// checkLinear returns an error unless some order of the events explains what
// each of them saw and agrees with the clock: an event that returned before
// another was called comes first. Every swap must write a value of its own, and
// "" is the value before the first.
//
// Swaps then have one possible order, since each names the value it replaced.
// Give the i-th swap the place 2i and every read of what it wrote 2i+1. An
// order by place explains all values, and it agrees with the clock exactly if
// no event has a lower place than one that returned before it was called.
func checkLinear(events []event) error {
	after := map[string]string{}
	for _, ev := range events {
		if ev.kind != swapEvent {
			continue
		}
		if other, ok := after[ev.val]; ok {
			return fmt.Errorf("%q was replaced twice, by %q and %q", ev.val, other, ev.next)
		}
		after[ev.val] = ev.next
	}
	places := map[string]int{"": 0}
	for val, n := "", 1; n <= len(after); n++ {
		next, ok := after[val]
		if !ok {
			return fmt.Errorf("%d swaps do not form a chain, it ends at %q", len(after), val)
		}
		places[next], val = 2*n, next
	}
	place := func(ev event) int {
		if ev.kind == swapEvent {
			return places[ev.next]
		}
		return places[ev.val] + 1
	}

	// low is the highest place that returned before a tick, high the lowest
	// that was called after it.
	low := func(tick int64) int {
		p := 0
		for _, ev := range events {
			if ev.kind != conflictEvent && ev.ret < tick {
				p = max(p, place(ev))
			}
		}
		return p
	}
	high := func(tick int64) int {
		p := math.MaxInt
		for _, ev := range events {
			if ev.kind != conflictEvent && ev.call > tick {
				p = min(p, place(ev))
			}
		}
		return p
	}
	for _, ev := range events {
		if _, ok := places[ev.val]; !ok {
			return fmt.Errorf("%q was seen and never written", ev.val)
		}
		if ev.kind != conflictEvent {
			if p := low(ev.call); p > place(ev) {
				return fmt.Errorf("%+v came after place %d", ev, p)
			}
			continue
		}
		// It was refused rightly if the value may have come after its call, or
		// may have been replaced before its return.
		v := places[ev.val]
		_, replaced := after[ev.val]
		if low(ev.call) >= v && (!replaced || high(ev.ret) <= v+2) {
			return fmt.Errorf("%+v was refused although the value was there", ev)
		}
	}
	return nil
}

// testLinearizable records what many goroutines see of a few registers that
// they swap and read, and looks for an order that explains it.
func testLinearizable(t *testing.T, e Engine) {
	s := open(t, e)
	const registers = 3
	var (
		clock  atomic.Int64
		mu     sync.Mutex
		events [registers][]event
	)
	record := func(reg int, ev event) {
		mu.Lock()
		defer mu.Unlock()
		events[reg] = append(events[reg], ev)
	}
	together(t, 8, func(who int) error {
		for i := range rounds(60, 15) {
			reg := (who + i) % registers
			key := fmt.Appendf(nil, "register %d", reg)
			ev := event{kind: readEvent, call: clock.Add(1)}
			var was []byte
			err := s.View(t.Context(), func(r store.Reader) error {
				v, ok, err := r.Get(key)
				if ok {
					was = slices.Clone(v)
				}
				return err
			})
			if err != nil {
				return err
			}
			ev.ret, ev.val = clock.Add(1), string(was)
			record(reg, ev)

			ev.call, ev.next = clock.Add(1), strconv.Itoa(who)+"."+strconv.Itoa(i)
			err = s.Commit(t.Context(), batch(func(b *store.Batch) {
				b.Require(key, was)
				b.Set(key, []byte(ev.next))
			}))
			ev.ret = clock.Add(1)
			switch {
			case err == nil:
				ev.kind = swapEvent
			case errors.Is(err, store.ErrConflict):
				ev.kind = conflictEvent
			default:
				return err
			}
			record(reg, ev)
		}
		return nil
	})
	for reg := range registers {
		if err := checkLinear(events[reg]); err != nil {
			t.Errorf("register %d: %v", reg, err)
		}
	}
}
