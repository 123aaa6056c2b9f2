package testnet_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/group"
)

// thief is a phone of bob's that was stolen and removed, with the chain as it
// was before.
type thief struct {
	me    *account.Me
	chain devchain.Chain
}

// begins makes a group of bob and alice in which the thief speaks, and returns
// the envelopes of its Welcome and of what it says, with receipts.
func (s thief) begins(t *testing.T, to ident.AccountID, k *group.KeyPackage, says string, receipts ...wire.Received) [][]byte {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	g, err := group.Create(group.CreateOptions{
		Suite: k.Suite(), GroupID: make([]byte, 32), Identity: s.me.Identity(), Signer: s.me.Leaf,
		LeafExtensions: s.me.LeafExtensions(s.chain, 1), GroupExtensions: account.Direct(s.me.Account, to).Extensions(),
		Supports: account.Supports(), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), Validator: account.Validate,
	})
	ok(err)
	p, err := g.Commit(group.CommitOptions{Add: []*group.KeyPackage{k}})
	ok(err)
	welcome := p.Welcome()
	_, err = g.Confirm(p)
	ok(err)
	_, err = g.Reserve(1)
	ok(err)
	id := ident.NewMessageID()
	content := &wire.Content{Id: id[:], Seq: 1, SentAt: now.UnixMilli(), Body: &wire.Text{Text: says}, Received: receipts}
	msg, err := g.Seal(content.Append(nil), nil, 0)
	ok(err)
	keys, err := envelope.NewEpoch(g)
	ok(err)
	said, err := keys.Seal(envelope.Message, msg)
	ok(err)
	m, err := account.ReadMember(k.Leaf())
	ok(err)
	box, err := envelope.SealBox(m.Keys.Box, (&wire.Box{Body: &wire.WelcomeBox{Welcome: welcome}}).Append(nil))
	ok(err)
	return [][]byte{box, said}
}

// TestAStolenPhoneSpeaksForBobNoMore: bob's phone was stolen, and he removed it.
// The thief lets mallory carry its envelopes: it begins a conversation with the
// chain of before. Alice, who knows of the removal, hears nothing as bob's.
func TestAStolenPhoneSpeaksForBobNoMore(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob, mallory := n.Join("alice"), n.Join("bob"), n.Join("mallory")
		me, request, err := account.Join(bob.Chain(), false)
		if err != nil {
			t.Fatal(err)
		}
		if err := bob.AddDevice(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		stolen := bob.Chain()
		if err := bob.RemoveDevice(t.Context(), me.Device); err != nil {
			t.Fatal(err)
		}
		alice.Says(bob, "I heard of your phone")
		alice.Syncs() // and read bob's chain

		id := alice.Me().Account
		var packages *wire.KeyPackages
		var carry [][]byte
		var token []byte
		device := alice.Me().Device
		mallory.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Response); ok && !up && r.Id > 1<<40 {
				if k, ok := r.Body.(*wire.KeyPackages); ok {
					packages = k
				}
				return nil
			}
			out := []*wire.Frame{f}
			if r, ok := f.Body.(*wire.Request); ok && up {
				if _, ok := r.Body.(*wire.ReadEpoch); ok {
					if packages == nil {
						out = append(out, &wire.Frame{Body: &wire.Request{Id: 1<<40 + 1, Body: &wire.ClaimKeyPackages{Account: id[:]}}})
					}
					for i, e := range carry {
						out = append(out, &wire.Frame{Body: &wire.Request{Id: 1<<40 + 2 + uint64(i), Body: &wire.Send{
							Envelope: e, Class: wire.ClassHandshake, Targets: []wire.Target{{Device: device[:], Token: token}},
						}}})
					}
				}
			}
			return out
		})
		mallory.Connect()
		time.Sleep(time.Second)
		claimed := func() (k *wire.KeyPackages) {
			mallory.Switch.Between(func() { k = packages })
			return k
		}
		for claimed() == nil {
			if err := mallory.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		k, err := group.ParseKeyPackage(claimed().Packages[0].KeyPackage)
		if err != nil {
			t.Fatal(err)
		}
		m, err := account.ReadMember(k.Leaf())
		if err != nil {
			t.Fatal(err)
		}
		begun := thief{me, stolen}.begins(t, id, k, "send me money")
		mallory.Switch.Between(func() { token, carry = m.Token, begun })
		if err := mallory.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		alice.Syncs()
		got := heard(alice.Took())
		if slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "money") }) {
			t.Errorf("alice heard %q from a phone that she knows was removed", got)
		}
	})
}
