package testnet_test

import (
	"bytes"
	"slices"
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

// takesOut is bob's PC, which takes alice out of their group and adds her again:
// what it sends her, and what stands in the log of the epoch between.
type takesOut struct {
	first, second [][]byte // Welcome and message
	handle        []byte
	removal       []byte
	// Instead of the removal: a commit that puts her leaf of before in the place
	// of the one that she has, and a message of the epoch that it would end.
	replacement, goesOn []byte
	// The Welcome of the replacement, with a key package given for it alone.
	unasked [][]byte
}

// listedPC is a device of bob's that the test runs itself.
func listedPC(t *testing.T, bob *testnet.Person) (*account.Me, devchain.Chain) {
	t.Helper()
	me, request, err := account.Join(bob.Chain(), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := bob.AddDevice(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	return me, bob.Chain()
}

func takeOut(t *testing.T, me *account.Me, chain devchain.Chain, alice ident.AccountID, k *group.KeyPackage, newer ...*group.KeyPackage) (out takesOut) {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	leaf := &group.LeafOptions{Extensions: me.LeafExtensions(chain, account.LeafNumber(0, now)), Supports: account.Supports()}
	g, err := group.Create(group.CreateOptions{
		Suite: k.Suite(), GroupID: bytes.Repeat([]byte{8}, 32), Identity: me.Identity(), Signer: me.Leaf,
		LeafExtensions: leaf.Extensions, GroupExtensions: account.Direct(me.Account, alice).Extensions(),
		Supports: leaf.Supports, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), Validator: account.Validate,
	})
	ok(err)
	seq := uint64(0)
	says := func(text string) []byte {
		_, err := g.Reserve(1)
		ok(err)
		id := ident.NewMessageID()
		seq++
		content := &wire.Content{Id: id[:], Seq: seq, SentAt: now.UnixMilli(), Body: &wire.Text{Text: text}}
		msg, err := g.Seal(content.Append(nil), nil, 0)
		ok(err)
		keys, err := envelope.NewEpoch(g)
		ok(err)
		said, err := keys.Seal(envelope.Message, msg)
		ok(err)
		return said
	}
	seals := func(welcome []byte) []byte {
		m, err := account.ReadMember(k.Leaf())
		ok(err)
		box, err := envelope.SealBox(m.Keys.Box, (&wire.Box{Body: &wire.WelcomeBox{Welcome: welcome}}).Append(nil))
		ok(err)
		return box
	}
	adds := func(text string) [][]byte {
		p, err := g.Commit(group.CommitOptions{Add: []*group.KeyPackage{k}})
		ok(err)
		welcome := p.Welcome()
		_, err = g.Confirm(p)
		ok(err)
		return [][]byte{seals(welcome), says(text)}
	}
	out.first = adds("before")
	keys, err := envelope.NewEpoch(g)
	ok(err)
	out.handle = bytes.Clone(keys.Handle[:])
	var her group.LeafIndex
	for m := range g.Members() {
		if x, err := account.ReadMember(m); err == nil && x.Account == alice {
			her = x.Leaf
		}
	}
	leaf.Extensions = me.LeafExtensions(chain, account.LeafNumber(0, now.Add(time.Second)))
	p, err := g.Commit(group.CommitOptions{Remove: []group.LeafIndex{her}, Add: append(newer, k)[:1], Leaf: leaf})
	ok(err)
	out.unasked = [][]byte{seals(p.Welcome())}
	out.replacement, err = keys.Seal(envelope.Handshake, p.Commit())
	ok(err)
	p.Discard()
	out.goesOn = says("nothing changed")
	seq-- // it is said instead of what follows
	p, err = g.Commit(group.CommitOptions{Remove: []group.LeafIndex{her}, Leaf: leaf})
	ok(err)
	out.removal, err = keys.Seal(envelope.Handshake, p.Commit())
	ok(err)
	_, err = g.Confirm(p)
	ok(err)
	out.second = adds("after")
	return out
}

// shows is a tap that has a log hold an entry.
func shows(handle []byte, entry *[]byte) testnet.Tap {
	asked := map[uint64]uint64{}
	return func(up bool, f *wire.Frame) []*wire.Frame {
		switch b := f.Body.(type) {
		case *wire.Request:
			if r, ok := b.Body.(*wire.ReadEpoch); ok && up && bytes.Equal(r.Handle, handle) {
				asked[b.Id] = r.From
			}
		case *wire.Response:
			l, ok := b.Body.(*wire.EpochLog)
			from, its := asked[b.Id]
			if ok && its && !up && *entry != nil {
				if delete(asked, b.Id); from == 0 {
					l.Entries = [][]byte{*entry}
				}
			}
		}
		return []*wire.Frame{f}
	}
}

// meetsThePC has alice hear what bob's PC says first. The function returned has
// her sync while envelopes come and the log holds *entry.
func meetsThePC(t *testing.T, n *testnet.Net, entry *[]byte) (alice *testnet.Person, pc takesOut, syncs func(...[]byte)) {
	t.Helper()
	alice, bob := n.Join("alice"), n.Join("bob")
	me, chain := listedPC(t, bob)
	if _, err := alice.AddFriend(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	var last []byte
	alice.Switch.Tap(published(&last))
	time.Sleep(25 * time.Hour)
	alice.Syncs()
	k, err := group.ParseKeyPackage(last)
	if err != nil {
		t.Fatal(err)
	}
	pc = takeOut(t, me, chain, alice.Me().Account, k)
	var comes [][]byte
	syncs = func(envelopes ...[]byte) {
		t.Helper()
		comes = envelopes
		alice.Switch.Tap(both(shows(pc.handle, entry), pushes(func() [][]byte { return comes })))
		alice.Syncs()
	}
	syncs(pc.first...)
	if got := heard(alice.Took()); !slices.Equal(got, []string{"bob: before"}) {
		t.Fatalf("alice heard %q", got)
	}
	return alice, pc, syncs
}

// TestAnOldLeafReplacesNoNewerOne: bob's PC puts alice's first leaf in the place
// of the one she has, whose keys it might know. Nobody takes that for valid, and
// the conversation goes on.
func TestAnOldLeafReplacesNoNewerOne(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		var entry []byte
		alice, pc, syncs := meetsThePC(t, n, &entry)
		entry = pc.replacement
		syncs(pc.replacement, pc.goesOn)
		if got := heard(alice.Took()); !slices.Equal(got, []string{"bob: nothing changed"}) {
			t.Errorf("alice heard %q", got)
		}
	})
}

// TestAddedAgainToTheSameGroup: alice is taken out of a group and added again to
// the same one. She reads on, whether she learns of both at once or one by one;
// but not while the log does not show that she was taken out, and a Welcome of
// before does not bring her back.
func TestAddedAgainToTheSameGroup(t *testing.T) {
	const out = "problem: this device was taken out of the conversation"
	for name, tc := range map[string]struct {
		shown bool // the removal stands in the log
		apart bool // alice learns of it before she is added again
		want  []string
	}{
		"both at once":              {true, false, []string{out, "bob: after"}},
		"one by one":                {true, true, []string{out, "bob: after"}},
		"a Welcome without its log": {false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, n *testnet.Net) {
				var entry []byte
				alice, pc, syncs := meetsThePC(t, n, &entry)
				time.Sleep(time.Hour)
				if tc.shown {
					entry = pc.removal
				}
				if tc.apart {
					syncs(pc.removal)
				}
				syncs(pc.second...)
				if err := alice.Crash(); err != nil {
					t.Fatal(err)
				}
				syncs(pc.second...)
				got := slices.DeleteFunc(heard(alice.Took()), func(s string) bool { return s == "expired" || s == "healed" })
				if !slices.Equal(got, tc.want) {
					t.Errorf("alice heard %q, want %q", got, tc.want)
				}
			})
		})
	}
}
