package testnet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/phrase"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// noted makes alice a phrase, which she has written down; and what she does with
// it later.
func noted(t *testing.T, alice *testnet.Person) func([]byte) (sign.Key, error) {
	t.Helper()
	key, err := phrase.New().Key()
	if err == nil {
		err = alice.SetRecovery(t.Context(), key.Public())
	}
	if err != nil {
		t.Fatal(err)
	}
	return func([]byte) (sign.Key, error) { return key, nil }
}

// TestAliceComesBackFromAThief: a thief has alice's unlocked phone. He lets a
// device of his own into her account and ends her PC. With her phrase and a new
// device she voids it all: what bob writes from then on, she alone reads, and
// neither the thief's devices nor the removed PC.
func TestAliceComesBackFromAThief(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		bob, phone := n.Join("bob"), n.Join("alice")
		words := noted(t, phone)
		pc := phone.Adds("alice's PC")
		pc.Syncs()
		bob.Says(phone, "hello")
		bob.Syncs()
		phone.Syncs()
		pc.Syncs()

		thief := phone.Adds("the thief's")
		thief.Syncs()
		if err := thief.RemoveDevice(t.Context(), pc.Me().Device); err != nil {
			t.Fatal(err)
		}
		bob.Says(phone, "did you get it?")
		bob.Syncs()
		thief.Syncs()
		hears(t, thief, "bob: did you get it?")

		tablet := n.Newcomer("alice")
		if err := tablet.Recovers(t.Context(), words, nothing); err != nil {
			t.Fatal(err)
		}
		if d, err := tablet.Devices(t.Context()); err != nil || len(active(d)) != 1 {
			t.Errorf("devices %+v, %v", d, err)
		}
		for _, d := range []*testnet.Person{phone, thief, pc} {
			if err := d.Sync(t.Context()); !errors.Is(err, why.ErrDeviceRemoved) {
				t.Errorf("%s syncs: %v", d.Name, err)
			}
		}
		m := bob.Says(phone, "are you there?")
		bob.Syncs()
		if m, _ = bob.Message(t.Context(), m.ID); !told.Confirmed(m) || len(m.Devices) != 1 || m.Devices[0].Device != tablet.Me().Device {
			t.Errorf("bob's message has outcomes %+v", m.Devices)
		}
		tablet.Syncs()
		hears(t, tablet, "bob: are you there?")
		if _, err := tablet.Send(t.Context(), "bob", "my phone was stolen", outbox.Options{}); err != nil {
			t.Fatal(err)
		}
		tablet.Syncs()
		bob.Syncs()
		if got := heard(bob.Took()); len(got) == 0 || got[len(got)-1] != "alice: my phone was stolen" {
			t.Errorf("bob was told %q", got)
		}
	})
}

func active(all []told.Device) (out []told.Device) {
	for _, d := range all {
		if d.Active {
			out = append(out, d)
		}
	}
	return out
}

// TestAServerThatSaysItTookNothing: mallory, as the server, shows alice's old
// device list and keeps what the phrase signed for later. Her new device keeps its
// keys, or the account would be listed without an owner.
func TestAServerThatSaysItTookNothing(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		words := noted(t, n.Join("alice"))
		tablet := n.Newcomer("alice")
		var kept []wire.SignedEntry
		tablet.Switch.Tap(keeping(&kept))
		for range 2 {
			if err := tablet.Recovers(t.Context(), words, nothing); !errors.Is(err, enroll.ErrNotTaken) {
				t.Fatalf("it recovers: %v", err)
			}
		}
		if len(kept) != 4 || !bytes.Equal(kept[0].Entry, kept[2].Entry) || !bytes.Equal(kept[1].Entry, kept[3].Entry) {
			t.Errorf("%d entries were presented, others at the second time", len(kept))
		}
		tablet.Switch.Tap(nil)
		if err := tablet.Recovers(t.Context(), words, nothing); err != nil {
			t.Fatal(err)
		}
	})
}

// TestWhoCantRecover: words that are none, an account without a phrase, a name
// that nobody has, a key that is not the account's, and a phrase that another
// device uses at the same time.
func TestWhoCantRecover(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		phone := n.Join("alice")
		n.Join("bob")
		words := noted(t, phone)
		wrong := errors.New("these words are none")
		for name, want := range map[string]error{"alice": wrong, "bob": account.ErrNoPhrase, "carol": enroll.ErrNameUnknown} {
			d := n.Newcomer(name)
			if err := d.Recovers(t.Context(), func([]byte) (sign.Key, error) { return sign.Key{}, wrong }, nothing); !errors.Is(err, want) {
				t.Errorf("%s recovers: %v", name, err)
			}
		}
		if err := phone.SetRecovery(t.Context(), sign.NewKey().Public()); !errors.Is(err, account.ErrHasPhrase) {
			t.Errorf("the phone sets another phrase: %v", err)
		}
		stranger := n.Newcomer("alice")
		if err := stranger.Recovers(t.Context(), func([]byte) (sign.Key, error) { return sign.NewKey(), nil }, nothing); err == nil {
			t.Error("a stranger's key recovers alice's account")
		}

		// Two of alice's new devices at once: the second one lost its first answer.
		first, second := n.Newcomer("alice"), n.Newcomer("alice")
		ctx, cancel := context.WithCancel(t.Context())
		second.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Request); ok && up {
				if _, ok := r.Body.(*wire.AppendChain); ok {
					cancel()
					return nil
				}
			}
			return []*wire.Frame{f}
		})
		if err := second.Recovers(ctx, words, nothing); !errors.Is(err, context.Canceled) {
			t.Fatalf("the line broke: %v", err)
		}
		if err := second.Open(); !errors.Is(err, enroll.ErrRecovers) {
			t.Errorf("a device that waits opens: %v", err)
		}
		if err := first.Recovers(t.Context(), words, nothing); err != nil {
			t.Fatal(err)
		}
		second.Switch.Tap(nil)
		if err := second.Recovers(t.Context(), words, nothing); !errors.Is(err, enroll.ErrOvertaken) {
			t.Errorf("the second one: %v", err)
		}
		if err := second.Open(); !errors.Is(err, enroll.ErrNotRegistered) {
			t.Errorf("its home: %v", err)
		}
	})
}

// TestThePowerGoesWhileRecovering: at each commit of the new device, before and
// behind it. It asks for the words again only where nobody has seen anything of
// what they signed, and has the account in the end.
func TestThePowerGoesWhileRecovering(t *testing.T) {
	for _, when := range []storetest.Fault{storetest.CrashBefore, storetest.CrashAfter} {
		for k := 1; k <= 6; k++ {
			t.Run(fmt.Sprint(when, k), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := testnet.New(t, testnet.Options{Suite: ciphersuite.X25519_AES128GCM_SHA256_Ed25519})
					defer n.Close()
					words := noted(t, n.Join("alice"))
					d := n.Newcomer("alice")
					asked := 0
					counted := func(public []byte) (sign.Key, error) { asked++; return words(public) }
					err := d.Recovers(t.Context(), counted, func() { d.Store.Plan(k, when) })
					t.Logf("the first time: %v", err)
					if err == nil {
						err = d.Crash()
					} else {
						err = d.Open()
					}
					if before := asked; err != nil {
						waits := errors.Is(err, enroll.ErrRecovers)
						if err := d.Recovers(t.Context(), counted, nothing); err != nil {
							t.Fatalf("the second time: %v", err)
						}
						if (asked == before) != waits {
							t.Errorf("it waits: %v; the words were asked for %d times, and %d before", waits, asked, before)
						}
					}
					d.Syncs()
					bob := n.Join("bob")
					bob.Says(d, "welcome back")
					bob.Syncs()
					d.Syncs()
					hears(t, d, "bob: welcome back")
				})
			})
		}
	}
}

func nothing() {}
