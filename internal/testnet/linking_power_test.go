package testnet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
)

// TestThePowerGoesWhileLinking: at either device, before and behind each durable
// step. Whoever comes back goes on, and in the end the PC is listed and linked, or
// neither.
func TestThePowerGoesWhileLinking(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{
		"fail before": storetest.FailBefore, "fail after": storetest.FailAfter,
		"crash before": storetest.CrashBefore, "crash after": storetest.CrashAfter,
	} {
		for _, who := range []string{"phone", "PC"} {
			t.Run(name+" at the "+who, func(t *testing.T) {
				crashed, linked := 0, 0
				for k, more := 1, true; more && k < 30; k++ {
					linkStory(t, func(t *testing.T, n *testnet.Net) {
						more = powerGoes(t, n, who, k, fault, &linked)
						if more {
							crashed++
						}
					})
				}
				t.Logf("the power went %d times, %d times the PC was linked all the same", crashed, linked)
				if crashed < 2 {
					t.Error("the power hardly ever goes: this test looks at the wrong place")
				}
			})
		}
	}
}

// powerGoes tells one story, and reports whether the power went in it.
func powerGoes(t *testing.T, n *testnet.Net, who string, k int, fault storetest.Fault, linked *int) bool {
	t.Helper()
	alice, pc, bob := n.Join("alice"), n.Newcomer("alice's PC"), n.Join("bob")
	alice.Syncs()
	s := links(t, alice, &hands{wait: time.Second})
	was := 0
	join := func(code linking.Code) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		return pc.Joins(ctx, code, &hands{})
	}
	if who == "phone" {
		alice.Store.Plan(k, fault)
		was = alice.Store.Commits()
	} else {
		if err := pc.Mount(); err != nil {
			t.Fatal(err)
		}
		pc.Store.Plan(k, fault)
	}
	joined := make(chan error, 1)
	go func() { joined <- join(s.link.Code) }()
	var phone error
	select {
	case phone = <-s.done:
	case <-time.After(6 * time.Minute):
		t.Fatal("the phone says nothing")
	}
	if who == "phone" {
		went := alice.Store.Commits()-was >= k
		if phone != nil { // it comes back, and offers what it has signed
			if err := alice.Crash(); err != nil {
				t.Fatal(err)
			}
			alice.Syncs()
		}
		if err := <-joined; err == nil {
			*linked++
		} else if pc.Client == nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Logf("%d: the PC: %v", k, err)
		}
		agree(t, alice, pc)
		return went
	}
	err := <-joined
	// As a device with an account it has commits of other kinds.
	went := err != nil
	if err != nil {
		pc.PowerOff()
		// A code that serves nowhere: it goes on with what it kept, if it did.
		if err = join(linking.NewCode()); errors.Is(err, enroll.ErrRegistered) {
			err = pc.Open()
		}
	} else if pc.Stopped() {
		if err := pc.Crash(); err != nil {
			t.Fatal(err)
		}
	}
	if err == nil {
		*linked++
		pc.Syncs()
		bob.Says(alice, "hello")
		bob.Syncs()
		pc.Syncs()
		hears(t, pc, "bob: hello")
	}
	agree(t, alice, pc)
	return went
}

// agree fails the test unless the PC is a device if and only if it is listed.
func agree(t *testing.T, alice, pc *testnet.Person) {
	t.Helper()
	listed := len(alice.Chain().Devices()) == 2
	if on := pc.Client != nil; listed != on {
		t.Errorf("listed is %v, and the PC is a device: %v", listed, on)
	}
}

// TestThePowerGoesWhileAJoinerGivesUp: alice waits no longer at the PC, whose phone
// is lost; before and behind that step the power goes. Then it begins anew.
func TestThePowerGoesWhileAJoinerGivesUp(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter} {
		linkStory(t, func(t *testing.T, n *testnet.Net) {
			alice, pc := n.Join("alice"), n.Newcomer("alice's PC")
			if err := pc.GivesUp(); err != nil {
				t.Errorf("a PC that waits for nothing: %v", err)
			}
			s := links(t, alice, &hands{wait: time.Minute})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			if err := pc.Joins(ctx, s.link.Code, &hands{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("the PC says %v", err)
			}
			cancel()
			if err := alice.Crash(); err != nil { // the code is gone, and nothing was signed
				t.Fatal(err)
			}
			<-s.done
			if err := pc.Mount(); err != nil {
				t.Fatal(err)
			}
			pc.Store.Plan(1, fault)
			if err := pc.GivesUp(); err == nil {
				t.Error("no commit failed")
			}
			pc.PowerOff()
			if err := pc.GivesUp(); err != nil {
				t.Fatal(err)
			}
			if err := pc.Open(); !errors.Is(err, enroll.ErrNotRegistered) {
				t.Errorf("the PC opens: %v", err)
			}
			s = links(t, alice, &hands{})
			if err := pc.Joins(t.Context(), s.link.Code, &hands{}); err != nil {
				t.Fatal(err)
			}
			if err := <-s.done; err != nil {
				t.Fatal(err)
			}
		})
	}
}
