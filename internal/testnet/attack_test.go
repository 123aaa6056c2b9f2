package testnet_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

// TestBobIsNotCalledCarol: the server, which mallory runs, answers for carol
// with bob's account. Bob keeps his name, and bob's name leads to bob alone,
// before a restart and after it.
func TestBobIsNotCalledCarol(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "hello")
		alice.Syncs()
		bob.Syncs()
		hears(t, bob, "alice: hello")
		id := bob.Me().Account
		var chain *wire.Chain
		alice.Switch.Tap(answering(func(b wire.ResponseBody) wire.ResponseBody {
			if a, ok := b.(*wire.Account); ok && bytes.Equal(a.Account, id[:]) {
				chain = a.Chain
			}
			if f, ok := b.(*wire.Failure); ok && f.Code == wire.FailureNameUnknown {
				return &wire.Account{Account: id[:], Name: "carol", Chain: chain}
			}
			return b
		}))
		alice.Syncs()
		if _, err := alice.AddFriend(t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
		if _, err := alice.AddFriend(t.Context(), "carol"); err == nil {
			t.Error("alice takes bob for carol")
		}
		alice.Switch.Tap(nil)
		bob.Says(alice, "it is bob")
		bob.Syncs()
		alice.Syncs()
		got := heard(alice.Took())
		if !slices.Contains(got, "bob: it is bob") {
			t.Errorf("alice heard %q", got)
		}
		if err := alice.Close(); err != nil {
			t.Fatal(err)
		}
		if err := alice.Open(); err != nil {
			t.Fatal(err)
		}
		if _, err := alice.Safety(t.Context(), "bob"); err != nil {
			t.Errorf("after a restart nobody is pinned as bob: %v", err)
		}
	})
}

// broken is an account whose device has a box key that is none.
func broken(t *testing.T, n *testnet.Net) (*wire.Account, wire.ClaimedKeyPackage) {
	t.Helper()
	suite, err := ciphersuite.Lookup(ciphersuite.Default)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := suite.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	key := sign.NewKey()
	keys := &wire.DeviceKeys{Algorithms: 1, Chain: key.Public(), SignIn: sign.NewKey().Public(), Mls: leaf.Public(), Box: bytes.Repeat([]byte{0xff}, 1216)}
	chain, err := devchain.Begin(keys, nil, key)
	if err != nil {
		t.Fatal(err)
	}
	id, dev, head := chain.ID(), devchain.DeviceID(keys), chain.Head()
	info := &wire.LeafInfo{ChainLength: 1, ChainHead: head[:], DeliveryToken: make([]byte, account.TokenSize)}
	intro := &wire.Introduction{Chain: chain.Wire()}
	k, err := group.NewKeyPackage(group.KeyPackageOptions{
		Suite: n.Suite(), Identity: (&wire.Credential{Account: id[:], Device: dev[:]}).Append(nil), Signer: leaf,
		Extensions: group.Extensions{{Type: 0xF100, Data: info.Append(nil)}, {Type: 0xF101, Data: intro.Append(nil)}},
		Supports:   account.Supports(), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &wire.Account{Account: id[:], Name: "mallory", Chain: chain.Wire()}, wire.ClaimedKeyPackage{Device: dev[:], KeyPackage: k.Public()}
}

// TestABrokenBoxKeyHarmsNobody: alice writes to mallory, whose box key is none,
// then mallory sends her an envelope of noise. Alice's home opens again.
func TestABrokenBoxKeyHarmsNobody(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice := n.Join("alice")
		mallory, kp := broken(t, n)
		noise := bytes.Repeat([]byte{3}, 256)
		claims := map[uint64]bool{}
		alice.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Request); ok && up {
				if c, ok := r.Body.(*wire.ClaimKeyPackages); ok && bytes.Equal(c.Account, mallory.Account) {
					claims[r.Id] = true
				}
				if _, ok := r.Body.(*wire.Ack); ok {
					return nil
				}
			}
			switch body := f.Body.(type) {
			case *wire.Push:
				if _, ok := body.Body.(*wire.Drained); ok {
					noise = bytes.Clone(noise)
					noise[0]++
					return []*wire.Frame{{Body: &wire.Push{Body: &wire.Deliver{N: 1, Envelope: noise}}}, f}
				}
			case *wire.Response:
				e, ok := body.Body.(*wire.Failure)
				switch {
				case !ok:
				case claims[body.Id]:
					body.Body = &wire.KeyPackages{Packages: []wire.ClaimedKeyPackage{kp}}
				case e.Code == wire.FailureNameUnknown || e.Code == wire.FailureAccountUnknown:
					body.Body = mallory
				}
			}
			return []*wire.Frame{f}
		})
		if _, err := alice.AddFriend(t.Context(), "mallory"); err != nil {
			t.Fatal(err)
		}
		alice.Says(&testnet.Person{Name: "mallory"}, "hello")
		alice.Syncs()
		alice.Syncs() // the noise has every group's log read, and the group written
		if got := heard(alice.Took()); len(got) != 1 || !strings.Contains(got[0], "no device of mallory") {
			t.Errorf("alice was told %q", got)
		}
		if err := alice.Close(); err != nil {
			t.Fatal(err)
		}
		if err := alice.Open(); err != nil {
			t.Fatalf("alice's home: %v", err)
		}
	})
}

// pushes is a tap that has the server deliver envelopes behind all that waits.
func pushes(envelopes func() [][]byte) testnet.Tap {
	n, honest := uint64(0), uint64(0)
	return func(up bool, f *wire.Frame) []*wire.Frame {
		if r, ok := f.Body.(*wire.Request); ok && up {
			if a, ok := r.Body.(*wire.Ack); ok {
				a.N = min(a.N, honest)
			}
		}
		p, ok := f.Body.(*wire.Push)
		if !ok {
			return []*wire.Frame{f}
		}
		switch body := p.Body.(type) {
		case *wire.Deliver:
			n, honest = body.N, body.N
		case *wire.Drained:
			out := []*wire.Frame{}
			for _, e := range envelopes() {
				n++
				out = append(out, &wire.Frame{Body: &wire.Push{Body: &wire.Deliver{N: n, Envelope: e}}})
			}
			return append(out, f)
		}
		return []*wire.Frame{f}
	}
}

// published is a tap that keeps the last-resort key package of a device.
func published(into *[]byte) testnet.Tap {
	return func(up bool, f *wire.Frame) []*wire.Frame {
		if r, ok := f.Body.(*wire.Request); ok && up {
			if p, ok := r.Body.(*wire.PublishKeyPackages); ok && len(p.LastResort) > 0 {
				*into = p.LastResort
			}
		}
		return []*wire.Frame{f}
	}
}

// TestARemovedDeviceBeginsNothing: a phone that bob removed makes a Welcome, with
// the chain of before. Alice, who knows of the removal, does not join.
func TestARemovedDeviceBeginsNothing(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		me, request, err := account.Join(bob.Chain(), false)
		if err != nil {
			t.Fatal(err)
		}
		if err := bob.AddDevice(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		stolen := bob.Chain()
		for _, removed := range []bool{false, true} {
			if removed {
				if err := bob.RemoveDevice(t.Context(), me.Device); err != nil {
					t.Fatal(err)
				}
				if _, err := alice.AddFriend(t.Context(), "bob"); err != nil { // and read his chain
					t.Fatal(err)
				}
			}
			var last []byte
			alice.Switch.Tap(published(&last))
			time.Sleep(25 * time.Hour)
			alice.Syncs()
			k, err := group.ParseKeyPackage(last)
			if err != nil {
				t.Fatal(err)
			}
			begun := thief{me, stolen}.begins(t, alice.Me().Account, k, "send me money")
			alice.Took()
			alice.Switch.Tap(pushes(func() [][]byte { return begun }))
			alice.Syncs()
			alice.Switch.Tap(nil)
			rooms, err := alice.Rooms(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := heard(alice.Took())
			switch {
			case !removed && (len(rooms) != 1 || rooms[0].Messages != 1): // the control
				t.Fatalf("a phone that is listed begins nothing: rooms %+v, alice heard %q", rooms, got)
			case removed && (rooms[0].Messages != 1 || len(got) != 1 || !strings.Contains(got[0], "does not hold: it was refused")):
				t.Errorf("rooms %+v, alice heard %q", rooms, got)
			}
		}
	})
}

// TestAnEndlessWelcomeIsRefused: the lists that come with a Welcome have an end.
func TestAnEndlessWelcomeIsRefused(t *testing.T) {
	for _, w := range []*wire.WelcomeBox{
		{Names: make([]wire.Named, 2000)}, {Sent: make([]wire.Received, 2000)}, {Replaces: make([][]byte, 2000)},
	} {
		if account.CheckWelcomeBox(w) == nil {
			t.Errorf("%d names, %d numbers and %d groups are taken", len(w.Names), len(w.Sent), len(w.Replaces))
		}
	}
	if err := account.CheckWelcomeBox(&wire.WelcomeBox{Names: make([]wire.Named, 2), Sent: make([]wire.Received, 40)}); err != nil {
		t.Error(err)
	}
}

// TestJunkDoesNotShout: a member of nothing pours envelopes that no key opens,
// and forged boxes, into alice's mailbox. What bob said in an epoch that alice
// has yet to reach is read, and she is told few sentences.
func TestJunkDoesNotShout(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		bob.Says(alice, "hello")
		bob.Syncs()
		alice.Syncs()
		hears(t, alice, "bob: hello")
		time.Sleep(25 * time.Hour) // bob renews his keys: alice must read the log
		for i := range 300 {
			bob.Says(alice, fmt.Sprint("news ", i))
			if i%100 == 99 {
				bob.Syncs()
			}
		}
		i := 0
		alice.Switch.Tap(pushes(func() (out [][]byte) {
			for range 400 {
				i++
				junk := bytes.Repeat([]byte{byte(i), byte(i >> 8), 5}, 86)[:256]
				out = append(out, junk)
			}
			return out
		}))
		alice.Syncs()
		if got := heard(alice.Took()); len(got) != 300 || !strings.HasPrefix(got[0], "bob: news") {
			t.Errorf("alice heard %d of 300, from %q to %q", len(got), got[0], got[len(got)-1])
		}
	})
}
