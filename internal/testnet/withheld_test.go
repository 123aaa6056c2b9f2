package testnet_test

import (
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// withholding is the tap of a relay that keeps one delivery for itself and lets the
// device believe that there was none.
type withholding struct {
	which  int // of the deliveries, from 1
	seen   int
	passed uint64 // to the device
	kept   *wire.Deliver
}

func (h *withholding) tap(up bool, f *wire.Frame) []*wire.Frame {
	switch body := f.Body.(type) {
	case *wire.Request:
		if ack, ok := body.Body.(*wire.Ack); ok && up {
			if ack.N >= uint64(h.which) {
				body.Body = &wire.Ack{N: ack.N + 1}
			}
		}
	case *wire.Push:
		d, ok := body.Body.(*wire.Deliver)
		if !ok {
			break
		}
		if h.seen++; h.seen == h.which {
			h.kept = d
			return nil
		}
		h.passed++
		body.Body = &wire.Deliver{N: h.passed, Envelope: d.Envelope, Class: d.Class, Stored: d.Stored, WaitedMs: d.WaitedMs}
	}
	return []*wire.Frame{f}
}

// TestTheRelaySwallowsTheSecondOfThree: bob is told that one is missing, and is
// healed when it comes after all.
func TestTheRelaySwallowsTheSecondOfThree(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "hello")
		alice.Syncs()
		bob.Syncs()
		hears(t, bob, "alice: hello")
		for _, words := range []string{"one", "two", "three"} {
			alice.Says(bob, words)
		}
		alice.Syncs()
		mallory := &withholding{which: 2}
		bob.Switch.Tap(mallory.tap)
		bob.Connect()
		time.Sleep(2 * time.Minute)
		hears(t, bob, "alice: one", "expired", "alice: three")
		if err := bob.Disconnect(); err != nil {
			t.Fatal(err)
		}
		if n.Status().Waiting != 0 {
			t.Error("the relay believes that something waits: mallory is seen by the count")
		}
		kept := mallory.kept
		bob.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Request); ok && up {
				if _, ok := r.Body.(*wire.Ack); ok {
					return nil // the relay gave nothing out
				}
			}
			if p, ok := f.Body.(*wire.Push); ok && !up && kept != nil {
				if _, ok := p.Body.(*wire.Drained); ok {
					late := *kept
					late.N, kept = 1, nil
					return []*wire.Frame{{Body: &wire.Push{Body: &late}}, f}
				}
			}
			return []*wire.Frame{f}
		})
		bob.Connect()
		time.Sleep(2 * time.Minute)
		bob.Switch.Tap(nil)
		hears(t, bob, "healed", "alice: two")
	})
}

// TestAForgedSupersededLosesNothing: the relay tells bob that another session took
// his place, which is not so.
func TestAForgedSupersededLosesNothing(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "hello")
		alice.Syncs()
		forged := false
		bob.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if p, ok := f.Body.(*wire.Push); ok && !up && !forged {
				if _, ok := p.Body.(*wire.Deliver); ok {
					forged = true
					return []*wire.Frame{{Body: &wire.Push{Body: &wire.Superseded{}}}, f}
				}
			}
			return []*wire.Frame{f}
		})
		_ = bob.Sync(t.Context()) // it ends in whatever way; what counts is what is lost
		bob.Switch.Tap(nil)
		bob.Syncs()
		if !forged {
			t.Fatal("nothing was forged")
		}
		if got := heard(bob.Took()); len(got) == 0 || got[len(got)-1] != "alice: hello" {
			t.Errorf("bob heard %q", got)
		}
	})
}
