package testnet_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

func TestLiveMessagesAreNeverStored(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "first")
		alice.Syncs()
		bob.Connect()
		alice.Connect()
		synctest.Wait()
		hears(t, bob, "alice: first")
		before := n.Status().Stored
		for i := range 10 {
			m := alice.Says(bob, fmt.Sprint("live ", i))
			m, err := alice.WaitFor(t.Context(), m.ID, told.Confirmed)
			if err != nil || !told.ConfirmedLive(m) {
				t.Fatalf("message %d: %+v, %v", i, m, err)
			}
		}
		for i := range 10 {
			m := bob.Says(alice, fmt.Sprint("back ", i))
			if _, err := bob.WaitFor(t.Context(), m.ID, told.ConfirmedLive); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		if s := n.Status(); s.Stored != before || s.Waiting != 0 {
			t.Errorf("stored moved from %d to %d, %d wait", before, s.Stored, s.Waiting)
		}
		texts := heard(bob.Took())
		if len(texts) != 10 || texts[9] != "alice: live 9" {
			t.Errorf("bob heard %q", texts)
		}
	})
}

func TestReceiptsComeFromTheReader(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		m := alice.Says(bob, "did you get it?")
		alice.Syncs()
		bob.Syncs() // alice is away: bob owes the receipt
		if m, _ := alice.Message(t.Context(), m.ID); m.Devices[0].Delivered {
			t.Fatal("delivered before bob's own receipt")
		}
		alice.Connect()
		synctest.Wait()
		bob.Syncs() // the receipt is offered at a later connection, live alone
		synctest.Wait()
		got, err := alice.Message(t.Context(), m.ID)
		if err != nil || !got.Devices[0].Delivered {
			t.Fatalf("after bob's receipt: %+v, %v", got, err)
		}
		if !slices.ContainsFunc(alice.Took(), func(ev told.Event) bool { d, ok := ev.(told.Delivered); return ok && d.ID == m.ID }) {
			t.Error("alice was not told")
		}
		if s := n.Status(); s.Waiting != 0 {
			t.Errorf("the receipt was stored: %+v", s)
		}
	})
}

func TestAReceiptRidesOnTheNextMessage(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		m := alice.Says(bob, "ping")
		alice.Syncs()
		bob.Syncs()
		bob.Says(alice, "pong")
		bob.Syncs()
		alice.Syncs()
		got, err := alice.Message(t.Context(), m.ID)
		if err != nil || !got.Devices[0].Delivered {
			t.Fatalf("%+v, %v", got, err)
		}
		hears(t, alice, "bob: pong")
	})
}

func TestBothBeginAtOnce(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "hi bob")
		bob.Says(alice, "hi alice")
		// Neither has read the other's Welcome when they begin.
		alice.Switch.Delay(time.Second)
		bob.Switch.Delay(time.Second)
		alice.Connect()
		bob.Connect()
		time.Sleep(time.Minute)
		hears(t, alice, "bob: hi alice")
		hears(t, bob, "alice: hi bob")
		alice.Says(bob, "which room is it?")
		bob.Says(alice, "the one we agree on")
		time.Sleep(time.Minute)
		hears(t, alice, "bob: the one we agree on")
		hears(t, bob, "alice: which room is it?")
		a, _ := alice.Rooms(t.Context())
		b, _ := bob.Rooms(t.Context())
		if len(a) != 1 || len(b) != 1 || a[0].ID != b[0].ID {
			t.Errorf("rooms %+v and %+v", a, b)
		}
		for _, p := range []*testnet.Person{alice, bob} {
			if left, err := p.Outbox(t.Context()); err != nil || len(left) != 0 {
				t.Errorf("%s still waits for %+v, %v", p.Name, left, err)
			}
		}
	})
}

func TestTheServerComesBack(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Connect()
		bob.Connect()
		alice.Says(bob, "one")
		time.Sleep(time.Minute)
		n.StopServer()
		alice.Says(bob, "two")
		if err := bob.Sync(t.Context()); !errors.Is(err, testnet.ErrDown) {
			t.Errorf("sync without a server: %v", err)
		}
		time.Sleep(time.Minute)
		n.StartServer()
		time.Sleep(5 * time.Minute)
		n.CrashServer()
		alice.Says(bob, "three")
		time.Sleep(5 * time.Minute)
		hears(t, bob, "alice: one", "alice: two", "alice: three")
	})
}

func TestKeysAreRenewedAfterADay(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		for day := range 4 {
			alice.Says(bob, fmt.Sprint("day ", day))
			alice.Syncs()
			bob.Syncs()
			hears(t, bob, fmt.Sprint("alice: day ", day))
			bob.Says(alice, fmt.Sprint("and ", day))
			bob.Syncs()
			alice.Syncs()
			hears(t, alice, fmt.Sprint("bob: and ", day))
			time.Sleep(25 * time.Hour)
		}
		if s := n.Status(); s.Handshake < 6 {
			t.Errorf("%d handshake envelopes: the keys were not renewed", s.Handshake)
		}
	})
}

func TestARenewalMeetsARenewal(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "hello")
		alice.Syncs()
		bob.Syncs()
		hears(t, bob, "alice: hello")
		time.Sleep(30 * time.Hour)
		alice.Says(bob, "a1")
		bob.Says(alice, "b1")
		alice.Switch.Delay(500 * time.Millisecond)
		bob.Switch.Delay(500 * time.Millisecond)
		alice.Connect()
		bob.Connect()
		time.Sleep(3 * time.Minute)
		hears(t, alice, "bob: b1")
		hears(t, bob, "alice: a1")
	})
}

func TestWhatExpiredIsTold(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "hello")
		alice.Syncs()
		bob.Syncs()
		hears(t, bob, "alice: hello")
		alice.Says(bob, "too late 1")
		alice.Says(bob, "too late 2")
		alice.Syncs()
		time.Sleep(71 * time.Hour)
		alice.Says(bob, "in time")
		alice.Syncs()
		time.Sleep(20 * time.Hour)
		bob.Syncs()
		var room, all uint64
		for _, ev := range bob.Took() {
			switch ev := ev.(type) {
			case told.Expired:
				if ev.Room == ([16]byte{}) {
					all += ev.Count
				} else {
					room += ev.Count
				}
			case told.MessageRead:
				if ev.Message.Text != "in time" {
					t.Errorf("bob read %q", ev.Message.Text)
				}
			default:
				t.Errorf("bob heard %+v", ev)
			}
		}
		if room != 2 || all != 2 {
			t.Errorf("%d told by the server, %d found in the room; want 2 and 2", all, room)
		}
		bob.Says(alice, "I missed something")
		bob.Syncs()
		alice.Syncs()
		hears(t, alice, "bob: I missed something")
	})
}

// A friend's room can be written to before anything was said in it.
func TestTheRoomOfAFriend(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		if _, err := alice.AddFriend(t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
		friends, err := alice.Friends(t.Context())
		if err != nil || len(friends) != 1 {
			t.Fatalf("friends %+v, %v", friends, err)
		}
		if _, err := alice.Send(t.Context(), friends[0].Room.String(), "hello, friend", outbox.Options{}); err != nil {
			t.Fatal(err)
		}
		alice.Syncs()
		bob.Syncs()
		hears(t, bob, "alice: hello, friend")
	})
}

func TestDoublesAndDisorder(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "hello")
		alice.Syncs()
		bob.Syncs()
		hears(t, bob, "alice: hello")
		var want []string
		for i := range 8 {
			alice.Says(bob, fmt.Sprint(i))
			want = append(want, fmt.Sprint("alice: ", i))
		}
		alice.Syncs()
		// Mallory sits on bob's line: what waits comes backwards, and twice.
		var kept []*wire.Deliver
		bob.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Request); ok && up {
				if ack, ok := r.Body.(*wire.Ack); ok { // of what the relay sent
					r.Body = &wire.Ack{N: min(ack.N, 8)}
				}
			}
			push, ok := f.Body.(*wire.Push)
			if !ok || up {
				return []*wire.Frame{f}
			}
			if d, ok := push.Body.(*wire.Deliver); ok {
				kept = append(kept, d)
				if len(kept) < 8 {
					return nil
				}
				slices.Reverse(kept)
				var out []*wire.Frame
				for i, d := range slices.Concat(kept, kept) {
					d := *d
					d.N = uint64(i + 1)
					out = append(out, &wire.Frame{Body: &wire.Push{Body: &d}})
				}
				return out
			}
			return []*wire.Frame{f}
		})
		bob.Syncs()
		hears(t, bob, want...)
	})
}

func TestRefusals(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		if err := n.Newcomer("Alice").Register(); !errors.Is(err, enroll.ErrNameTaken) {
			t.Errorf("a taken name: %v", err)
		}
		m, err := alice.Send(t.Context(), "nobody", "hello?", outbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		alice.Syncs()
		if _, err := alice.WaitFor(t.Context(), m.ID, told.Attempted); !errors.Is(err, why.ErrNameUnknown) {
			t.Errorf("an unknown name: %v", err)
		}
		hears(t, alice, "problem: nobody: "+why.ErrNameUnknown.Error())
		if left, _ := alice.Outbox(t.Context()); len(left) != 0 {
			t.Errorf("it stays in the outbox: %+v", left)
		}
		if err := bob.Close(); err != nil {
			t.Fatal(err)
		}
		bob.Passphrase = "guess"
		if err := bob.Open(); !errors.Is(err, home.ErrPassphrase) {
			t.Errorf("a wrong passphrase: %v", err)
		}
		bob.Passphrase = "bob's passphrase"
		if err := bob.Open(); err != nil {
			t.Errorf("the right passphrase: %v", err)
		}
		n.StopServer()
		n.ReplaceServerKey()
		n.StartServer()
		if err := bob.Sync(t.Context()); !errors.Is(err, line.ErrServerKey) {
			t.Errorf("another server key: %v", err)
		}
		hears(t, bob, "key changed: "+line.ErrServerKey.Error())
	})
}

func TestAnOldCopySendsNothing(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "before the copy")
		alice.Syncs()
		bob.Syncs()
		copied, err := alice.Copy()
		if err != nil {
			t.Fatal(err)
		}
		alice.Says(bob, "after the copy")
		alice.Syncs()
		if err := alice.Restore(copied); err != nil {
			t.Fatal(err)
		}
		// The restored home counts from where it was: its first sign-in is refused.
		if err := alice.Sync(t.Context()); !errors.Is(err, why.ErrOldCopy) {
			t.Fatalf("an old copy signs in: %v", err)
		}
		if _, err := alice.Send(t.Context(), "bob", "from the copy", outbox.Options{}); !errors.Is(err, why.ErrOldCopy) {
			t.Errorf("an old copy sends: %v", err)
		}
		if err := alice.Crash(); err != nil {
			t.Fatal(err)
		}
		if err := alice.Sync(t.Context()); !errors.Is(err, why.ErrOldCopy) {
			t.Errorf("after a restart it signs in: %v", err)
		}
		bob.Syncs()
		hears(t, bob, "alice: before the copy", "alice: after the copy")
	})
}

func TestAConnectionThatLastsKeepsItsKeyPackages(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		bob := n.Join("bob")
		bob.Connect()
		var people []*testnet.Person
		for i := range 20 {
			p := n.Join(fmt.Sprintf("guest%02d", i))
			p.Says(bob, "hello")
			p.Syncs()
			people = append(people, p)
		}
		time.Sleep(25 * time.Hour)
		if got := heard(bob.Took()); len(got) != len(people) {
			t.Errorf("bob heard %d of %d: %q", len(got), len(people), got)
		}
		held, err := bob.Held(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range held {
			switch it.Kind {
			case "key_packages":
				if it.Count < 8 {
					t.Errorf("%d one-time key packages are left", it.Count)
				}
			case "last_resort_key_package":
				if old := time.Since(it.Since); old > 20*time.Hour {
					t.Errorf("the last resort is %v old", old)
				}
			}
		}
	})
}
