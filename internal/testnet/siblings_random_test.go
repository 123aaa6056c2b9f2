package testnet_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
)

// meets has a device sync, and switches it on again where its power went.
func meets(t *testing.T, p *testnet.Person) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := p.Sync(ctx); err != nil && p.Stopped() {
		if err := p.Crash(); err != nil && !errors.Is(err, home.ErrGone) { // it was removed
			t.Fatal(err)
		}
	}
}

// TestThePowerGoesWhileSharing: at each commit of phone or PC, before it or behind
// it. What was kept is on both when they have met again.
func TestThePowerGoesWhileSharing(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.CrashBefore, storetest.CrashAfter} {
		for k := range 24 {
			tell(t, quick.Suite, func(t *testing.T, n *testnet.Net) {
				phone := n.Join("alice")
				pc := phone.Adds("alice's PC")
				pc.Syncs()
				if k%3 > 0 { // they have told each other something before
					keeps(t, phone, "draft bob", "see")
					turns(phone, pc)
				}
				weak := []*testnet.Person{phone, pc}[k%2]
				weak.Store.Plan(1+k/2, fault)
				for phone.Share(t.Context(), "draft bob", []byte("see you")) != nil {
					must(t, phone.Crash())
				}
				for range 4 {
					meets(t, phone)
					meets(t, pc)
					time.Sleep(time.Minute)
				}
				has(t, phone, "draft bob", "see you")
				has(t, pc, "draft bob", "see you")
			})
		}
	}
}

// TestAnySiblingsAgree: alice and bob have several devices each, which come, go,
// write, read, keep and take back, lose power, lines and days. When all of them
// have met, each one's devices have the same in common, and have read as far.
func TestAnySiblingsAgree(t *testing.T) {
	runs := uint64(6)
	if os.Getenv("BYRE_LONG") != "" {
		runs = 600
	}
	for seed := range runs {
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { siblingsAgree(t, seed) })
		})
		if !ok {
			return
		}
	}
}

// family is one person's devices.
type family struct {
	name string
	all  []*testnet.Person
	made int
}

// here are those that are devices still: a removal may take its effect when
// nobody was told so.
func (h *family) here() []*testnet.Person {
	chain := h.all[0].Chain()
	h.all = slices.DeleteFunc(h.all, func(p *testnet.Person) bool {
		if p.Client == nil {
			return true
		}
		d, _ := chain.Device(p.Me().Device)
		return !d.Active
	})
	return h.all
}

func (h *family) any(rnd *rand.Rand) *testnet.Person {
	all := h.here()
	return all[rnd.IntN(len(all))]
}

func siblingsAgree(t *testing.T, seed uint64) {
	t.Helper()
	n := testnet.New(t, quick)
	defer n.Close()
	rnd := rand.New(rand.NewPCG(seed, 44))
	houses := []*family{{name: "alice"}, {name: "bob"}}
	for _, h := range houses {
		h.all = append(h.all, n.Join(h.name))
	}
	var diary []string
	note := func(format string, args ...any) { diary = append(diary, fmt.Sprintf(format, args...)) }
	defer func() {
		if t.Failed() {
			t.Logf("what happened:\n%s", strings.Join(diary, "\n"))
		}
	}()
	for range 60 {
		mine := rnd.IntN(2)
		h := houses[mine]
		d := h.any(rnd)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var err error
		what := rnd.IntN(14)
		switch what {
		case 0:
			if len(h.all) < 4 {
				h.made++
				must(t, d.Crash()) // what was to break does not
				for range 3 {
					meets(t, d)
				}
				h.all = append(h.all, d.Adds(fmt.Sprintf("%s's device %d", h.name, h.made+1)))
			}
		case 1:
			if gone := h.any(rnd); gone != d && gone != h.all[0] && len(h.all) > 2 {
				err = d.RemoveDevice(ctx, gone.Me().Device)
			}
		case 2, 3:
			err = d.Share(ctx, fmt.Sprint("draft ", rnd.IntN(3)), fmt.Append(nil, rnd.IntN(100)*rnd.IntN(2)))
		case 4:
			err = d.AskFirst(ctx, false)
			_ = d.NameDevice(ctx, h.any(rnd).Me().Device, fmt.Sprint("device ", rnd.IntN(9)))
		case 5, 6:
			_, err = d.Send(ctx, houses[1-mine].name, "hello", outbox.Options{})
		case 7:
			err = d.MarkRead(ctx, houses[1-mine].name)
		case 8:
			err = d.Crash()
		case 9:
			d.Store.Plan(1+rnd.IntN(12), []storetest.Fault{storetest.CrashBefore, storetest.CrashAfter}[rnd.IntN(2)])
		case 10:
			d.Switch.Break(rnd.IntN(2) == 0, 1+rnd.IntN(12), rnd.IntN(2) == 0)
		case 11:
			time.Sleep(time.Duration(rnd.IntN(30)) * time.Hour)
		default:
			meets(t, d)
		}
		cancel()
		if note("%s: %d: %v", d.Name, what, err); d.Stopped() {
			must(t, d.Crash())
		}
	}
	for round := range 6 { // all of them meet; what is lost is found by the next word
		for _, h := range houses {
			for _, d := range slices.Clone(h.here()) {
				_ = d.Share(t.Context(), "last word of "+d.Name, fmt.Append(nil, min(round, 3))) // its disk may fail
				meets(t, d)
			}
		}
		time.Sleep(9 * time.Hour) // who was welcomed by a device that is gone is found deaf in a day (ADR 12)
	}
	for i, h := range houses {
		h.here()
		want := common(t, h.all[0])
		for _, d := range h.all[1:] {
			if got := common(t, d); got != want {
				t.Errorf("%s has\n%s\n%s has\n%s", h.all[0].Name, want, d.Name, got)
			}
			read := seenOn(t, d, houses[1-i].name)
			for id, seen := range seenOn(t, h.all[0], houses[1-i].name) {
				if there, both := read[id]; both && there != seen {
					t.Errorf("%s was read on %s: %v, on %s: %v", id, h.all[0].Name, seen, d.Name, there)
				}
			}
		}
	}
}

// common is what a device has in common with the others of its person.
func common(t *testing.T, p *testnet.Person) string {
	t.Helper()
	var b strings.Builder
	for i := range 3 {
		v, err := p.Shared(t.Context(), fmt.Sprint("draft ", i))
		must(t, err)
		fmt.Fprintf(&b, "draft %d: %q\n", i, v)
	}
	names := called(t, p)
	devices, err := p.Devices(t.Context())
	must(t, err)
	for _, d := range devices {
		fmt.Fprintf(&b, "device %s: %q\n", d.ID, names[d.ID])
	}
	return b.String()
}

// seenOn is what a device has of a conversation, and whether it was read.
func seenOn(t *testing.T, p *testnet.Person, with string) map[ident.MessageID]bool {
	t.Helper()
	out := map[ident.MessageID]bool{}
	list, _ := p.History(t.Context(), with, time.Time{}) // there may be none
	for _, m := range list {
		out[m.ID] = m.Seen
	}
	return out
}
