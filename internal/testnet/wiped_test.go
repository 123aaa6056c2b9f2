package testnet_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// bobs is bob with a phone, a PC and a tablet, to whom alice has written.
func bobs(t *testing.T, n *testnet.Net) (alice, phone, pc, tablet *testnet.Person) {
	t.Helper()
	alice, phone = n.Join("alice"), n.Join("bob")
	pc, tablet = phone.Adds("bob's PC"), phone.Adds("bob's tablet")
	for _, p := range []*testnet.Person{pc, tablet} {
		p.Syncs()
	}
	alice.Says(phone, "between us")
	alice.Syncs()
	for _, p := range []*testnet.Person{phone, pc, tablet} {
		p.Syncs()
	}
	return alice, phone, pc, tablet
}

// reads reports whether a device has what alice wrote.
func reads(t *testing.T, p *testnet.Person) bool {
	t.Helper()
	list, err := p.History(t.Context(), "alice", time.Time{})
	return err == nil && len(list) == 1
}

// wipedNow checks that a device says that it was removed, and holds nothing.
func wipedNow(t *testing.T, p *testnet.Person, err error) {
	t.Helper()
	if !errors.Is(err, why.ErrWiped) || !errors.Is(err, why.ErrDeviceRemoved) {
		t.Errorf("%s says %v", p.Name, err)
	}
	if reads(t, p) {
		t.Errorf("%s still reads", p.Name)
	}
	_ = p.Close()
	if err := p.Mount(); err != nil {
		t.Fatal(err)
	}
	if there, err := home.Exists(t.Context(), p.Store); there || err != nil {
		t.Errorf("%s has a home: %v, %v", p.Name, there, err)
	}
}

// TestARemovedDeviceIsWiped: bob's PC is off, and his tablet connected, when his
// phone removes them. Each destroys what it holds as it connects; the PC is then
// linked anew, as if it were fresh.
func TestARemovedDeviceIsWiped(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, phone, pc, tablet := bobs(t, n)
		tablet.Connect()
		time.Sleep(time.Second)
		for _, p := range []*testnet.Person{pc, tablet} {
			if err := phone.RemoveDevice(t.Context(), p.Me().Device); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		wipedNow(t, tablet, tablet.Disconnect())
		if !reads(t, pc) {
			t.Error("the PC was wiped before it connected")
		}
		wipedNow(t, pc, pc.Sync(t.Context()))
		s := links(t, phone, &hands{})
		if err := pc.Joins(t.Context(), s.link.Code, &hands{}); err != nil {
			t.Fatal(err)
		}
		if err := <-s.done; err != nil {
			t.Fatal(err)
		}
		alice.Says(phone, "welcome back")
		alice.Syncs()
		pc.Syncs()
		hears(t, pc, "alice: welcome back")
	})
}

// TestALyingServerWipesNothing: mallory, as the server, says that bob's tablet was
// removed. She shows nothing of it, or what nobody signed, or another account's
// list; or a removal by a PC that was removed itself. The tablet keeps everything.
func TestALyingServerWipesNothing(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, phone, pc, tablet := bobs(t, n)
		var kept []wire.SignedEntry
		pc.Switch.Tap(keeping(&kept))
		if err := pc.RemoveDevice(t.Context(), tablet.Me().Device); err == nil || len(kept) != 1 {
			t.Fatalf("%d steps were kept, %v", len(kept), err)
		}
		if err := phone.RemoveDevice(t.Context(), pc.Me().Device); err != nil {
			t.Fatal(err)
		}
		tablet.Syncs()
		for what, lie := range map[string]func(*wire.Account){
			"nothing of it": func(*wire.Account) {},
			"what nobody signed": func(a *wire.Account) {
				forged := kept[0]
				forged.Signature = slices.Repeat([]byte{7}, 64)
				a.Chain.Entries = append(slices.Clone(a.Chain.Entries[:3]), forged)
			},
			"another account's": func(a *wire.Account) {
				id := alice.Me().Account
				a.Account, a.Chain = id[:], alice.Chain().Wire()
			},
			"a fork": func(a *wire.Account) {
				a.Chain.Entries = append(slices.Clone(a.Chain.Entries[:3]), kept...)
			},
		} {
			tablet.Switch.Tap(answering(func(b wire.ResponseBody) wire.ResponseBody {
				switch b := b.(type) {
				case *wire.SignedIn:
					return &wire.Failure{Code: wire.FailureDeviceRemoved, Text: "removed"}
				case *wire.Account:
					lie(b)
				}
				return b
			}))
			if err := tablet.Sync(t.Context()); !errors.Is(err, why.ErrDeviceRemoved) || errors.Is(err, home.ErrGone) {
				t.Errorf("%s: the tablet says %v", what, err)
			}
			if !reads(t, tablet) {
				t.Fatalf("%s: the tablet reads no more", what)
			}
		}
	})
}

// TestTwoThatRemoveEachOther: bob's phone removes his PC while the PC, which a
// thief has, removes the phone, and comes first. The phone keeps all that it holds,
// until bob settles it with his phrase.
func TestTwoThatRemoveEachOther(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		_, phone, pc, _ := bobs(t, n)
		words := noted(t, phone)
		var kept []wire.SignedEntry
		phone.Switch.Tap(keeping(&kept))
		if err := phone.RemoveDevice(t.Context(), pc.Me().Device); err == nil || len(kept) != 1 {
			t.Fatalf("%d steps were kept, %v", len(kept), err)
		}
		if err := pc.RemoveDevice(t.Context(), phone.Me().Device); err != nil {
			t.Fatal(err)
		}
		phone.Switch.Tap(nil)
		for range 2 {
			if err := phone.Sync(t.Context()); !errors.Is(err, why.ErrDeviceRemoved) || errors.Is(err, home.ErrGone) || !reads(t, phone) {
				t.Errorf("the phone says %v", err)
			}
			if err := phone.Crash(); err != nil {
				t.Fatal(err)
			}
		}
		fresh := n.Newcomer("bob")
		if err := fresh.Recovers(t.Context(), words, nothing); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*testnet.Person{phone, pc} {
			wipedNow(t, p, p.Sync(t.Context()))
		}
	})
}

// TestThePowerGoesWhileADeviceIsWiped: at each commit of a device that finds out
// that it was removed, before and behind it. In the end nothing of it opens.
func TestThePowerGoesWhileADeviceIsWiped(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter} {
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			more := true
			for k := 1; more; k++ {
				synctest.Test(t, func(t *testing.T) {
					o := quick
					o.Vaults = true
					n := testnet.New(t, o)
					defer n.Close()
					phone := n.Join("bob")
					pc := phone.Adds("bob's PC")
					pc.Syncs()
					if err := phone.RemoveDevice(t.Context(), pc.Me().Device); err != nil {
						t.Fatal(err)
					}
					before := pc.Store.Commits()
					pc.Store.Plan(k, fault)
					err := pc.Sync(t.Context())
					more = pc.Store.Commits()-before >= k
					for range 3 {
						if err == nil {
							t.Fatalf("%d: the removed PC syncs", k)
						}
						pc.PowerOff()
						if err = pc.Open(); err != nil {
							break
						}
						err = pc.Sync(t.Context())
					}
					if pc.Client != nil {
						t.Errorf("%d: the PC opens still: %v", k, err)
					}
					if slots, err := pc.Vault.Slots(t.Context()); err != nil || len(slots) > 0 {
						t.Errorf("%d: %d slots are left, %v", k, len(slots), err)
					}
				})
			}
		})
	}
}
