package testnet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// denier is a server that says of each step of a chain that it was refused. It
// takes it at once, or keeps it; and asked is what a device asked of the chain.
type denier struct {
	takes bool
	asked []string
	kept  []*wire.AppendChain
	ids   []uint64
}

func (d *denier) tap(up bool, f *wire.Frame) []*wire.Frame {
	switch m := f.Body.(type) {
	case *wire.Request:
		switch body := m.Body.(type) {
		case *wire.ReadChain:
			d.asked = append(d.asked, "reads")
		case *wire.AppendChain:
			d.asked, d.kept, d.ids = append(d.asked, "offers"), append(d.kept, body), append(d.ids, m.Id)
			if !d.takes {
				return []*wire.Frame{{Body: &wire.Request{Id: m.Id, Body: &wire.ReadChain{Account: body.Account}}}}
			}
		}
	case *wire.Response:
		if !up && slices.Contains(d.ids, m.Id) {
			d.ids = slices.DeleteFunc(d.ids, func(id uint64) bool { return id == m.Id })
			m.Body = &wire.Failure{Code: wire.FailureChainRefused, Text: "no"}
		}
	}
	return []*wire.Frame{f}
}

// lists has the server take the first step that it kept: it goes in place of a
// question whose answer nobody looks at.
func (d *denier) lists(t *testing.T, p *testnet.Person) {
	t.Helper()
	sent := false
	p.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
		if r, ok := f.Body.(*wire.Request); ok && up && !sent {
			if _, ok := r.Body.(*wire.ReadEpoch); ok {
				sent = true
				return []*wire.Frame{{Body: &wire.Request{Id: r.Id, Body: d.kept[0]}}}
			}
		}
		return []*wire.Frame{f}
	})
	p.Syncs()
	if p.Switch.Tap(nil); !sent {
		t.Fatal("the step went nowhere: this story shows nothing")
	}
}

// cameFor counts the alarms about a device that was refused and is listed.
func cameFor(p *testnet.Person, device string) (n int) {
	for _, ev := range p.Took() {
		if k, ok := ev.(told.KeyChanged); ok && strings.Contains(k.Text, "byre devices remove "+device) {
			n++
		}
	}
	return n
}

// TestAServerRefusesAndListsLater: mallory, as the server, says that it took
// nothing of what alice's phone signed for her PC, and lists it a day later. The
// PC has its keys still, the phone reads the chain before anything else is signed,
// and alice is told; a PC that was given up she removes.
func TestAServerRefusesAndListsLater(t *testing.T) {
	for _, gaveUp := range []bool{false, true} {
		linkStory(t, func(t *testing.T, n *testnet.Net) {
			alice, pc, d := n.Join("alice"), n.Newcomer("alice's PC"), &denier{}
			alice.Syncs()
			s := links(t, alice, &hands{wait: time.Second})
			alice.Switch.Tap(d.tap)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if err := pc.Joins(ctx, s.link.Code, &hands{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("the PC says %v", err)
			}
			if why := ended(t, <-s.done); why != linking.Unsettled {
				t.Errorf("the phone says %v", why)
			}
			if at := slices.Index(d.asked, "offers"); at < 0 || !slices.Contains(d.asked[at:], "reads") {
				t.Errorf("the phone %q", d.asked)
			}
			if gaveUp {
				if err := pc.GivesUp(); err != nil {
					t.Fatal(err)
				}
			} else if err := pc.Open(); !errors.Is(err, enroll.ErrWaits) {
				t.Errorf("the PC opens: %v", err)
			}
			time.Sleep(24 * time.Hour)
			if err := alice.Crash(); err != nil {
				t.Fatal(err)
			}
			alice.Took()
			d.lists(t, alice)
			alice.Syncs()
			list, err := alice.Devices(t.Context())
			if err != nil || len(list) != 2 {
				t.Fatalf("devices %+v, %v", list, err)
			}
			if n := cameFor(alice, list[1].ID.String()); n != 1 {
				t.Errorf("alice was told %d times", n)
			}
			if !gaveUp {
				if err := pc.Joins(t.Context(), linking.NewCode(), &hands{}); err != nil {
					t.Fatal(err)
				}
				pc.Syncs()
				return
			}
			if err := alice.RemoveDevice(t.Context(), list[1].ID); err != nil {
				t.Fatal(err)
			}
			alice.Syncs()
			if n := cameFor(alice, list[1].ID.String()); n != 0 {
				t.Errorf("alice was told %d times more", n)
			}
		})
	}
}

// TestARefusalThatIsALie: the server took the step and says that it did not. The
// chain shows it, and both are linked.
func TestARefusalThatIsALie(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, pc, d := n.Join("alice"), n.Newcomer("alice's PC"), &denier{takes: true}
		alice.Syncs()
		s := links(t, alice, &hands{wait: time.Second})
		alice.Switch.Tap(d.tap)
		if err := pc.Joins(t.Context(), s.link.Code, &hands{}); err != nil {
			t.Fatal(err)
		}
		if err := <-s.done; err != nil || len(d.kept) == 0 {
			t.Errorf("the phone says %v, of %d steps", err, len(d.kept))
		}
	})
}

// TestThePowerGoesWhileAStepIsRefused: at each commit, before and behind it. Once
// the server lists what it refused, alice is told.
func TestThePowerGoesWhileAStepIsRefused(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter} {
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			more := true
			for k := 1; more; k++ {
				linkStory(t, func(t *testing.T, n *testnet.Net) {
					alice, pc, d := n.Join("alice"), n.Newcomer("alice's PC"), &denier{}
					alice.Syncs()
					request, err := pc.Asks(alice, func() {})
					if err != nil {
						t.Fatal(err)
					}
					alice.Switch.Tap(d.tap)
					r := rarity{who: alice, act: func(ctx context.Context) error {
						err := alice.AddDevice(ctx, request)
						if r, ok := errors.AsType[*line.RefusedError](err); ok && r.Code == wire.FailureChainRefused {
							return nil
						}
						return err
					}}
					before := alice.Store.Commits()
					alice.Store.Plan(k, fault)
					err = r.act(t.Context())
					if more = alice.Store.Commits()-before >= k; !more && err != nil {
						t.Fatal(err)
					}
					again(t, r)
					alice.Took()
					d.lists(t, alice)
					alice.Syncs()
					if n := cameFor(alice, ""); n != 1 {
						t.Errorf("%d: alice was told %d times", k, n)
					}
				})
			}
		})
	}
}
