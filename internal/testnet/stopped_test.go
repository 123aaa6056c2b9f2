package testnet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/testnet"
)

// TestWhoIsStoppedSaysSo: alice stops the program on one of the two devices. The
// other one ends within seconds, not when its five minutes are over: where nobody
// came yet, where both are asked, and where the PC has consented.
func TestWhoIsStoppedSaysSo(t *testing.T) {
	link := func(t *testing.T, n *testnet.Net, phone *hands) (pc *testnet.Person, code linking.Code, stop func() error) {
		t.Helper()
		alice := n.Join("alice")
		ctx, cancel := context.WithCancel(t.Context())
		done, there := make(chan error, 1), make(chan linking.Link, 1)
		go func() { done <- alice.Link(ctx, phone, func(l linking.Link) { there <- l }) }()
		return n.Newcomer("alice's PC"), (<-there).Code, func() error {
			cancel()
			return <-done
		}
	}
	for what, onPC := range map[string]*hands{"both are asked": {wait: time.Hour}, "the PC has consented": {}} {
		linkStory(t, func(t *testing.T, n *testnet.Net) {
			pc, code, stop := link(t, n, &hands{wait: time.Hour})
			joined := make(chan error, 1)
			go func() { joined <- pc.Joins(t.Context(), code, onPC) }()
			time.Sleep(10 * time.Second)
			began := time.Now()
			if err := stop(); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: the phone says %v", what, err)
			}
			if why := ended(t, <-joined); why != linking.Refused || time.Since(began) > 3*time.Second {
				t.Errorf("%s: the PC says %v after %v", what, why, time.Since(began))
			}
			if err := pc.Open(); !errors.Is(err, enroll.ErrNotRegistered) {
				t.Errorf("%s: the PC opens: %v", what, err)
			}
		})
	}
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		pc, code, stop := link(t, n, &hands{})
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("nobody came: the phone says %v", err)
		}
		began := time.Now()
		if why := ended(t, pc.Joins(t.Context(), code, &hands{})); why != linking.Refused || time.Since(began) > time.Second {
			t.Errorf("nobody came: the PC says %v after %v", why, time.Since(began))
		}
	})
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, pc := n.Join("alice"), n.Newcomer("alice's PC")
		s := links(t, alice, &hands{wait: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		joined := make(chan error, 1)
		go func() { joined <- pc.Joins(ctx, s.link.Code, &hands{wait: time.Hour}) }()
		time.Sleep(10 * time.Second)
		cancel()
		if err := <-joined; !errors.Is(err, context.Canceled) {
			t.Errorf("the PC was stopped: it says %v", err)
		}
		if took, err := s.ends(t); ended(t, err) != linking.Refused || took > 3*time.Second {
			t.Errorf("the PC was stopped: the phone says %v after %v", err, took)
		}
	})
}
