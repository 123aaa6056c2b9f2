package testnet_test

import (
	"bytes"
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
