package testnet_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// chronicle is a conversation in which the power may go at any commit of one of
// the two: whoever loses it is switched on again and does what he was doing.
type chronicle struct {
	t          *testing.T
	alice, bob *testnet.Person
	told       map[string]int // message events by line
	patient    bool           // who fails tries again before the device is switched off
	crashes    int
	steps      [2]int // how many commits alice and bob made in it
	views      [2]int // how often they read their homes
}

// insist does something until it works.
func (c *chronicle) insist(p *testnet.Person, what string, do func(ctx context.Context) error) {
	c.t.Helper()
	for range 10 {
		if p.Client == nil {
			if err := p.Open(); errors.Is(err, enroll.ErrNotRegistered) {
				c.t.Fatalf("%s: %s lost the account", what, p.Name)
			} else if err != nil {
				c.crashed(p)
				continue
			}
		}
		err := c.try(do)
		if err != nil && c.patient {
			err = c.try(do)
		}
		if err == nil {
			return
		}
		c.crashed(p)
	}
	c.t.Fatalf("%s: %s can't, ten times over", what, p.Name)
}

func (c *chronicle) try(do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	return do(ctx)
}

func (c *chronicle) crashed(p *testnet.Person) {
	c.t.Helper()
	if c.crashes++; c.crashes > 3 {
		c.t.Fatalf("%s stops again and again", p.Name)
	}
	if err := p.Crash(); err != nil {
		c.t.Fatalf("%s does not come up again: %v", p.Name, err)
	}
}

func (c *chronicle) says(p, to *testnet.Person, text string) {
	c.t.Helper()
	c.insist(p, "says "+text, func(ctx context.Context) error {
		// After a crash one looks whether it is there already.
		if list, err := p.Outbox(ctx); err != nil || slices.ContainsFunc(list, func(m told.Message) bool { return m.Text == text }) {
			return err
		}
		list, err := p.History(ctx, to.Name, time.Time{})
		if err == nil && slices.ContainsFunc(list, func(m told.Message) bool { return m.Text == text }) {
			return nil
		}
		_, err = p.Send(ctx, to.Name, text, outbox.Options{})
		return err
	})
}

func (c *chronicle) syncs(p *testnet.Person) {
	c.t.Helper()
	c.insist(p, "syncs", func(ctx context.Context) error { return p.Sync(ctx) })
	c.insist(p, "listens", func(ctx context.Context) error {
		for ev, err := range p.Events(ctx, false) {
			if err != nil {
				return err
			}
			switch ev := ev.(type) {
			case told.MessageRead:
				c.told[p.Name+" < "+ev.Message.Text]++
			case told.Problem:
				c.t.Errorf("%s: %s", p.Name, ev.Text)
			case told.KeyChanged:
				c.t.Errorf("%s: %s", p.Name, ev.Text)
			case told.Expired:
				c.t.Errorf("%s: expired %+v", p.Name, ev)
			case told.Delivered, told.DeviceChanged, told.Notice:
			}
		}
		return nil
	})
}

// tell tells the whole story and returns how many commits each device made.
func (c *chronicle) tell() (alice, bob int) {
	c.t.Helper()
	c.says(c.alice, c.bob, "a1")
	c.says(c.alice, c.bob, "a2")
	c.syncs(c.alice)
	c.syncs(c.bob)
	c.says(c.bob, c.alice, "b1")
	c.syncs(c.bob)
	c.says(c.alice, c.bob, "a3")
	c.syncs(c.alice)
	time.Sleep(25 * time.Hour)
	c.says(c.alice, c.bob, "a4") // renews alice's keys
	c.syncs(c.alice)
	c.says(c.bob, c.alice, "b2") // meets her commit, and renews his
	c.syncs(c.bob)
	alice, bob = c.alice.Store.Commits(), c.bob.Store.Commits()
	for range 3 {
		time.Sleep(2 * time.Minute)
		c.syncs(c.alice)
		c.syncs(c.bob)
	}
	c.read(c.alice, c.bob, "b1", "b2")
	c.read(c.bob, c.alice, "a1", "a2", "a3", "a4")
	return alice, bob
}

// read fails unless p has read exactly these messages of from, in this order,
// and was told of each at most once.
func (c *chronicle) read(p, from *testnet.Person, want ...string) {
	c.t.Helper()
	var got []string
	c.insist(p, "reads", func(ctx context.Context) error {
		got = nil
		list, err := p.History(ctx, from.Name, time.Time{})
		for _, m := range list {
			if !m.Own {
				got = append(got, m.Text)
			}
		}
		return err
	})
	if !slices.Equal(got, want) {
		c.t.Errorf("%s read %q, want %q", p.Name, got, want)
	}
	for _, text := range want {
		if n := c.told[p.Name+" < "+text]; n > 1 || n == 0 && c.crashes == 0 {
			c.t.Errorf("%s was told %d times of %q", p.Name, n, text)
		}
	}
	if left, err := p.Outbox(c.t.Context()); err != nil || len(left) != 0 {
		c.t.Errorf("%s still waits for %+v, %v", p.Name, left, err)
	}
}

// chronicled tells the story with something planned, and returns the chronicle.
func chronicled(t *testing.T, suite ciphersuite.ID, plan func(alice, bob *testnet.Person)) (c *chronicle) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t, testnet.Options{Suite: suite})
		defer n.Close()
		c = &chronicle{t: t, alice: n.Join("alice"), bob: n.Join("bob"), told: map[string]int{}, patient: true}
		before := [2]int{c.alice.Store.Commits(), c.bob.Store.Commits()}
		c.views = [2]int{-c.alice.Store.Views(), -c.bob.Store.Views()}
		plan(c.alice, c.bob)
		a, b := c.tell()
		c.steps = [2]int{a - before[0], b - before[1]}
		c.views[0] += c.alice.Store.Views()
		c.views[1] += c.bob.Store.Views()
	})
	return c
}

// At whichever commit the power goes, everything that was written is read
// exactly once and in order.
func TestThePowerGoesAtEachStep(t *testing.T) {
	suite := ciphersuite.X25519_AES128GCM_SHA256_Ed25519 // what fails at a step does so over any suite
	whole := chronicled(t, suite, func(_, _ *testnet.Person) {})
	a, b := whole.steps[0], whole.steps[1]
	t.Logf("alice has %d steps, bob %d", a, b)
	if a < 10 || b < 8 {
		t.Fatal("too few steps: the plan would test nothing")
	}
	faults := map[string]storetest.Fault{
		"fail before": storetest.FailBefore, "fail after": storetest.FailAfter,
		"crash before": storetest.CrashBefore, "crash after": storetest.CrashAfter,
	}
	stride, told, crashed := 8, 0, 0
	if os.Getenv("BYRE_LONG") != "" {
		stride = 1
	} else {
		t.Logf("one step in %d of each fault: set BYRE_LONG=1 for all", stride)
	}
	offset := 0
	for name, fault := range faults {
		offset++ // the faults take turns at the steps
		for who, steps := range []int{a, b} {
			for k := 1 + offset%stride; k <= steps; k += stride {
				t.Run(fmt.Sprintf("%s/%s/%d", name, []string{"alice", "bob"}[who], k), func(t *testing.T) {
					told++
					crashed += chronicled(t, suite, func(alice, bob *testnet.Person) {
						[]*testnet.Person{alice, bob}[who].Store.Plan(k, fault)
					}).crashes
				})
			}
		}
	}
	// Steps that wait together share a commit, so the last ones may not come.
	if crashed < told*8/10 {
		t.Errorf("%d stories were told and the power went %d times", told, crashed)
	}
	t.Logf("%d stories, %d crashes", told, crashed)
}

// Whichever read of a home fails, an envelope that was being opened is neither
// lost nor taken for read: the device stops, and goes on when it is opened anew.
func TestAHomeCantBeReadForAMoment(t *testing.T) {
	suite := ciphersuite.X25519_AES128GCM_SHA256_Ed25519
	all := chronicled(t, suite, func(_, _ *testnet.Person) {}).views
	t.Logf("alice reads %d times, bob %d", all[0], all[1])
	if all[0] < 20 || all[1] < 20 {
		t.Fatal("too few reads: the plan would test nothing")
	}
	stride, crashed := 7, 0
	if os.Getenv("BYRE_LONG") != "" {
		stride = 1
	} else {
		t.Logf("one read in %d: set BYRE_LONG=1 for all", stride)
	}
	for who, views := range all {
		for k := 1 + who; k <= views; k += stride {
			t.Run(fmt.Sprintf("%s/%d", []string{"alice", "bob"}[who], k), func(t *testing.T) {
				crashed += chronicled(t, suite, func(alice, bob *testnet.Person) {
					[]*testnet.Person{alice, bob}[who].Store.PlanView(k)
				}).crashes
			})
		}
	}
	if crashed == 0 {
		t.Error("no device ever stopped")
	}
}

func TestThePowerGoesWhileRegistering(t *testing.T) {
	for k := 1; k <= 6; k++ {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := testnet.New(t, testnet.Options{Suite: ciphersuite.X25519_AES128GCM_SHA256_Ed25519})
				defer n.Close()
				alice := n.Newcomer("alice")
				err := alice.RegisterWith(func() { alice.Store.Plan(k, storetest.CrashAfter) })
				t.Logf("the first time: %v", err)
				if err != nil || alice.Crash() != nil {
					if err := alice.Register(); err != nil && !errors.Is(err, enroll.ErrRegistered) {
						t.Fatalf("the second time: %v", err)
					} else if err != nil {
						if err := alice.Open(); err != nil {
							t.Fatal(err)
						}
					}
				}
				alice.Syncs()
				bob := n.Join("bob")
				bob.Says(alice, "welcome")
				bob.Syncs()
				alice.Syncs()
				hears(t, alice, "bob: welcome")
			})
		})
	}
}
