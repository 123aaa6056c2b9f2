package testnet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// rarity is something that happens to a device, in which the power may go: act
// does it, and is done again after a crash; check looks at what came of it.
type rarity struct {
	who   *testnet.Person
	act   func(ctx context.Context) error
	check func()
}

// either is nil for the errors that are expected.
func either(err error, want ...error) error {
	if slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
		return nil
	}
	return err
}

// gap: what waited for bob has expired, and he is told once.
func gap(t *testing.T, n *testnet.Net) rarity {
	alice, bob := n.Join("alice"), n.Join("bob")
	alice.Says(bob, "too late")
	alice.Syncs()
	time.Sleep(80 * time.Hour)
	return rarity{bob, func(ctx context.Context) error { return bob.Sync(ctx) }, func() {
		heard := 0
		for _, ev := range bob.Took() {
			if x, ok := ev.(told.Expired); ok && x.Count > 0 {
				heard++
			}
		}
		if heard != 1 {
			t.Errorf("bob was told %d times that something expired", heard)
		}
	}}
}

// oldCopy: alice's home is put back from a backup, and says nothing any more.
func oldCopy(t *testing.T, n *testnet.Net) rarity {
	alice := n.Join("alice")
	n.Join("bob")
	copied, err := alice.Copy()
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		alice.Syncs()
	}
	if err := alice.Restore(copied); err != nil {
		t.Fatal(err)
	}
	return rarity{alice, func(ctx context.Context) error { return either(alice.Sync(ctx), why.ErrOldCopy) }, func() {
		if err := alice.Sync(t.Context()); !errors.Is(err, why.ErrOldCopy) {
			t.Errorf("an old copy syncs: %v", err)
		}
		if _, err := alice.Send(t.Context(), "bob", "from the copy", outbox.Options{}); !errors.Is(err, why.ErrOldCopy) {
			t.Errorf("an old copy sends: %v", err)
		}
	}}
}

// otherServer: somebody else answers where the server was, and bob is told.
func otherServer(t *testing.T, n *testnet.Net) rarity {
	bob := n.Join("bob")
	n.StopServer()
	n.ReplaceServerKey()
	n.StartServer()
	return rarity{bob, func(ctx context.Context) error { return either(bob.Sync(ctx), line.ErrServerKey) }, func() {
		if !slices.ContainsFunc(bob.Took(), func(ev told.Event) bool { _, ok := ev.(told.KeyChanged); return ok }) {
			t.Error("bob was not told")
		}
	}}
}

// nobody: alice writes to a name that nobody has.
func nobody(t *testing.T, n *testnet.Net) rarity {
	alice := n.Join("alice")
	if _, err := alice.Send(t.Context(), "nobody", "hello?", outbox.Options{}); err != nil {
		t.Fatal(err)
	}
	return rarity{alice, func(ctx context.Context) error { return alice.Sync(ctx) }, func() {
		if left, err := alice.Outbox(t.Context()); err != nil || len(left) > 0 {
			t.Errorf("alice still waits for %+v, %v", left, err)
		}
		if !slices.ContainsFunc(alice.Took(), func(ev told.Event) bool { _, ok := ev.(told.Problem); return ok }) {
			t.Error("alice was not told")
		}
	}}
}

// refusedStep: the server refuses a step of bob's chain, and takes the next.
func refusedStep(t *testing.T, n *testnet.Net) rarity {
	phone := n.Join("bob")
	pc := phone.Adds("bob's PC").Me().Device
	refused := 0
	phone.Switch.Tap(answering(func(b wire.ResponseBody) wire.ResponseBody {
		if a, ok := b.(*wire.Account); ok && len(a.Chain.Entries) > 2 && refused == 0 {
			refused++
			return &wire.Failure{Code: wire.FailureChainRefused, Text: "no"}
		}
		return b
	}))
	return rarity{phone, func(ctx context.Context) error {
		err := phone.RemoveDevice(ctx, pc)
		if r, ok := errors.AsType[*line.RefusedError](err); ok && r.Code == wire.FailureChainRefused {
			err = phone.RemoveDevice(ctx, pc)
		}
		return either(err, account.ErrNoDevice)
	}, func() {
		if d, err := phone.Devices(t.Context()); err != nil || len(d) != 1 || refused != 1 {
			t.Errorf("devices %+v, %v, %d steps were refused", d, err, refused)
		}
	}}
}

// untold: bob leaves at the first of three events, which he could not use.
func untold(t *testing.T, n *testnet.Net) rarity {
	alice, bob := n.Join("alice"), n.Join("bob")
	for i := range 3 {
		alice.Says(bob, fmt.Sprint(i))
	}
	alice.Syncs()
	bob.Syncs()
	return rarity{bob, func(ctx context.Context) error {
		for _, err := range bob.Events(ctx, false) {
			return err
		}
		return nil
	}, func() {
		if list, err := bob.History(t.Context(), "alice", time.Time{}); err != nil || len(list) != 3 {
			t.Errorf("bob's history has %d messages, %v", len(list), err)
		}
		if events := bob.Took(); len(events) > 3 {
			t.Errorf("bob was told %+v", events)
		}
	}}
}

// accepted: alice accepts bob's request, and reads what he wrote.
func accepted(t *testing.T, n *testnet.Net) rarity {
	alice, bob := n.Join("alice"), n.Join("bob")
	if err := alice.AskFirst(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	bob.Says(alice, "may I?")
	bob.Syncs()
	alice.Syncs()
	return rarity{alice, func(ctx context.Context) error {
		list, _, err := alice.Requests(ctx)
		if err != nil || len(list) == 0 {
			return err
		}
		return alice.Answer(ctx, list[0].Account.String(), true)
	}, func() {
		alice.Syncs() // bob is given her token
		time.Sleep(time.Hour)
		bob.Syncs()
		alice.Syncs()
		bob.Says(alice, "thank you")
		bob.Syncs()
		alice.Syncs()
		rooms, err := alice.Rooms(t.Context())
		if err != nil || len(rooms) != 1 {
			t.Fatalf("alice has rooms %+v, %v", rooms, err)
		}
		list, err := alice.History(t.Context(), rooms[0].ID.String(), time.Time{})
		if err != nil || len(list) != 2 {
			t.Errorf("alice read %+v, %v", list, err)
		}
	}}
}

// TestThePowerGoesAtRareSteps takes the power at each commit of what seldom
// happens, before and after, and lets commits fail without it.
func TestThePowerGoesAtRareSteps(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*testing.T, *testnet.Net) rarity{
		"a gap is told": gap, "the home is an old copy": oldCopy, "another server": otherServer, "nobody has the name": nobody,
		"a step is refused": refusedStep, "an event is not used": untold, "a stranger is accepted": accepted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, fault := range []storetest.Fault{storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter} {
				more := true
				for k := 1; more; k++ {
					tell(t, suites[1], func(t *testing.T, n *testnet.Net) {
						r := begin(t, n)
						before := r.who.Store.Commits()
						r.who.Store.Plan(k, fault)
						err := r.act(t.Context())
						if more = r.who.Store.Commits()-before >= k; !more && err != nil {
							t.Fatal(err)
						}
						again(t, r)
						if r.check(); t.Failed() {
							t.Fatalf("with fault %d at commit %d", fault, k)
						}
					})
				}
			}
		})
	}
}

// again switches the device on and has it do the same once more.
func again(t *testing.T, r rarity) {
	t.Helper()
	synctest.Wait()
	if err := r.who.Crash(); err != nil {
		t.Fatal(err)
	}
	if err := r.act(t.Context()); err != nil {
		t.Fatalf("after the crash: %v", err)
	}
}

// TestThePowerGoesWhileADeviceIsAdded takes the power from either device while
// bob gives himself a second one.
func TestThePowerGoesWhileADeviceIsAdded(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter} {
		for k := 1; k <= 2; k++ {
			tell(t, suites[1], func(t *testing.T, n *testnet.Net) {
				phone, pc := n.Join("bob"), n.Newcomer("bob's PC")
				if _, err := pc.Asks(phone, func() { pc.Store.Plan(k, fault) }); err == nil {
					t.Fatal("no commit failed")
				}
				phone.Adds("bob's other PC").Syncs() // nobody knows the first one
				if d, err := phone.Devices(t.Context()); err != nil || len(d) != 2 {
					t.Errorf("devices %+v, %v", d, err)
				}
			})
		}
		more := true
		for k := 1; more; k++ {
			tell(t, suites[1], func(t *testing.T, n *testnet.Net) {
				alice, phone, pc := n.Join("alice"), n.Join("bob"), n.Newcomer("bob's PC")
				request, err := pc.Asks(phone, func() {})
				if err != nil {
					t.Fatal(err)
				}
				r := rarity{who: phone, act: func(ctx context.Context) error {
					if d, err := phone.Devices(ctx); err != nil || len(d) == 2 {
						return err
					}
					return phone.AddDevice(ctx, request)
				}}
				before := phone.Store.Commits()
				phone.Store.Plan(k, fault)
				err = r.act(t.Context())
				if more = phone.Store.Commits()-before >= k; !more && err != nil {
					t.Fatal(err)
				}
				again(t, r)
				if err := pc.Open(); err != nil {
					t.Fatal(err)
				}
				pc.Syncs()
				alice.Says(phone, "to both")
				alice.Syncs()
				phone.Syncs()
				pc.Syncs()
				hears(t, phone, "alice: to both")
				hears(t, pc, "alice: to both")
			})
		}
	}
}

// TestThePowerGoesWhenANumberIsCompared: the comparison stands or is to be made
// again.
func TestThePowerGoesWhenANumberIsCompared(t *testing.T) {
	for fault, stands := range map[storetest.Fault]bool{storetest.CrashBefore: false, storetest.CrashAfter: true} {
		tell(t, suites[1], func(t *testing.T, n *testnet.Net) {
			alice, _ := n.Join("alice"), n.Join("bob")
			if _, err := alice.AddFriend(t.Context(), "bob"); err != nil {
				t.Fatal(err)
			}
			s, err := alice.Safety(t.Context(), "bob")
			if err != nil {
				t.Fatal(err)
			}
			alice.Store.Plan(1, fault)
			if err := alice.ConfirmSafety(t.Context(), "bob", s.Number); err == nil {
				t.Fatal("no commit failed")
			}
			if err := alice.Crash(); err != nil {
				t.Fatal(err)
			}
			if f, err := alice.Friends(t.Context()); err != nil || len(f) != 1 || f[0].Confirmed != stands {
				t.Errorf("fault %d: friends %+v, %v", fault, f, err)
			}
		})
	}
}
