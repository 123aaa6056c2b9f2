package testnet_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// answering is a tap that changes what the server answers.
func answering(change func(body wire.ResponseBody) wire.ResponseBody) testnet.Tap {
	return func(up bool, f *wire.Frame) []*wire.Frame {
		if r, ok := f.Body.(*wire.Response); ok && !up {
			r.Body = change(r.Body)
		}
		return []*wire.Frame{f}
	}
}

// stranger is an account that the server makes up, with a key package.
func stranger(t *testing.T, n *testnet.Net) (devchain.Chain, wire.ClaimedKeyPackage) {
	t.Helper()
	me, chain, err := account.New(false)
	if err != nil {
		t.Fatal(err)
	}
	k, err := me.KeyPackage(chain, account.KeyPackageOptions{Suite: n.Suite(), Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return chain, wire.ClaimedKeyPackage{Device: me.Device[:], KeyPackage: k.Public()}
}

func TestMalloryRunsTheServer(t *testing.T) {
	for _, c := range []struct {
		what string
		tap  func(t *testing.T, n *testnet.Net) testnet.Tap
		want string // in the one problem that alice is told
	}{
		{"a key package of another device", func(t *testing.T, n *testnet.Net) testnet.Tap {
			_, forged := stranger(t, n)
			return answering(func(b wire.ResponseBody) wire.ResponseBody {
				if k, ok := b.(*wire.KeyPackages); ok {
					for i := range k.Packages {
						k.Packages[i].KeyPackage = forged.KeyPackage
					}
				}
				return b
			})
		}, "key package that bob's device did not make"},
		{"a key package that is damaged", func(*testing.T, *testnet.Net) testnet.Tap {
			return answering(func(b wire.ResponseBody) wire.ResponseBody {
				if k, ok := b.(*wire.KeyPackages); ok {
					for i := range k.Packages {
						p := bytes.Clone(k.Packages[i].KeyPackage)
						p[len(p)-1] ^= 1
						k.Packages[i].KeyPackage = p
					}
				}
				return b
			})
		}, "key package that bob's device did not make"},
		{"a device more", func(t *testing.T, n *testnet.Net) testnet.Tap {
			_, ghost := stranger(t, n)
			return answering(func(b wire.ResponseBody) wire.ResponseBody {
				if k, ok := b.(*wire.KeyPackages); ok {
					k.Packages = append(k.Packages, ghost)
				}
				return b
			})
		}, "key package that bob's device did not make"},
		{"no key packages", func(*testing.T, *testnet.Net) testnet.Tap {
			return answering(func(b wire.ResponseBody) wire.ResponseBody {
				if k, ok := b.(*wire.KeyPackages); ok {
					k.Packages = nil
				}
				return b
			})
		}, "no device of bob has left a key package"},
		{"a chain with a changed entry", func(*testing.T, *testnet.Net) testnet.Tap {
			return answering(func(b wire.ResponseBody) wire.ResponseBody {
				if a, ok := b.(*wire.Account); ok && a.Name != "alice" {
					e := &a.Chain.Entries[0]
					e.Signature = bytes.Clone(e.Signature)
					e.Signature[0] ^= 1
				}
				return b
			})
		}, "device list"},
		{"the chain of somebody else", func(t *testing.T, n *testnet.Net) testnet.Tap {
			chain, _ := stranger(t, n)
			return answering(func(b wire.ResponseBody) wire.ResponseBody {
				if a, ok := b.(*wire.Account); ok && a.Name != "alice" {
					a.Chain = chain.Wire()
				}
				return b
			})
		}, "device list"},
	} {
		t.Run(c.what, func(t *testing.T) {
			tell(t, ciphersuite.Default, func(t *testing.T, n *testnet.Net) {
				alice, bob := n.Join("alice"), n.Join("bob")
				alice.Switch.Tap(c.tap(t, n))
				m := alice.Says(bob, "secret")
				alice.Syncs()
				got := heard(alice.Took())
				if len(got) != 1 || !strings.Contains(got[0], c.want) {
					t.Fatalf("alice was told %q, want one sentence with %q", got, c.want)
				}
				left, err := alice.Outbox(t.Context())
				if err != nil || len(left) != 1 || left[0].ID != m.ID || left[0].Problem == "" {
					t.Fatalf("the outbox has %+v, %v", left, err)
				}
				// The honest server is back: the message goes.
				alice.Switch.Tap(nil)
				if err := alice.Retry(t.Context()); err != nil {
					t.Fatal(err)
				}
				alice.Syncs()
				bob.Syncs()
				hears(t, bob, "alice: secret")
			})
		})
	}
}

func TestANameLeadsElsewhere(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "hello")
		alice.Syncs()
		// The server answers for bob with an account of its own.
		chain, _ := stranger(t, n)
		alice.Switch.Tap(answering(func(b wire.ResponseBody) wire.ResponseBody {
			if a, ok := b.(*wire.Account); ok && a.Name == "bob" {
				id := chain.ID()
				a.Account, a.Chain = id[:], chain.Wire()
			}
			return b
		}))
		if _, err := alice.AddFriend(t.Context(), "bob"); err == nil || !strings.Contains(err.Error(), "another person") {
			t.Errorf("looking bob up again: %v", err)
		}
		// What alice writes goes where the name was pinned to.
		alice.Says(bob, "still you")
		alice.Syncs()
		bob.Syncs()
		hears(t, bob, "alice: hello", "alice: still you")
		if got := heard(alice.Took()); len(got) != 1 || !strings.HasPrefix(got[0], "key changed: bob") {
			t.Errorf("alice was told %q", got)
		}
	})
}

func TestSomebodyClaimsToBeAlice(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		n.Join("alice")
		bob, mallory := n.Join("bob"), n.Join("mallory")
		mallory.Says(bob, "it is me, alice")
		mallory.Syncs()
		// Mallory has the server say that her account is alice's.
		bob.Switch.Tap(answering(func(b wire.ResponseBody) wire.ResponseBody {
			if a, ok := b.(*wire.Account); ok && a.Name == "mallory" {
				a.Account = bytes.Repeat([]byte{7}, 32)
			}
			return b
		}))
		bob.Syncs()
		got := heard(bob.Took())
		if len(got) != 1 || !strings.HasPrefix(got[0], "?") || !strings.HasSuffix(got[0], ": it is me, alice") {
			t.Errorf("bob heard %q: a name that was not confirmed must not be shown", got)
		}
	})
}

func TestGarbageInTheLogBlocksNobody(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "hello")
		alice.Syncs()
		bob.Syncs()
		hears(t, bob, "alice: hello")
		time.Sleep(25 * time.Hour)
		// Alice's renewal comes behind garbage that somebody put into the log.
		garbage := bytes.Repeat([]byte{9}, 4096)
		alice.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Request); ok && up {
				if a, ok := r.Body.(*wire.AppendEpoch); ok && a.After == 0 {
					more := *a
					more.Commit, more.Welcomes, more.Targets = garbage, nil, nil
					return []*wire.Frame{{Body: &wire.Request{Id: 1 << 40, Body: &more}}, f}
				}
			}
			return []*wire.Frame{f}
		})
		alice.Says(bob, "with new keys")
		alice.Syncs()
		bob.Syncs()
		hears(t, bob, "alice: with new keys")
		bob.Says(alice, "and mine")
		bob.Syncs()
		alice.Syncs()
		hears(t, alice, "bob: and mine")
	})
}

func TestSafetyNumber(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		alice.Says(bob, "hello")
		alice.Syncs()
		bob.Syncs()
		a, errA := alice.Safety(t.Context(), "bob")
		b, errB := bob.Safety(t.Context(), "alice")
		if errA != nil || errB != nil || a.Number != b.Number || len(strings.ReplaceAll(a.Number, " ", "")) != 60 {
			t.Fatalf("alice %+v, %v; bob %+v, %v", a, errA, b, errB)
		}
		if err := alice.ConfirmSafety(t.Context(), "bob", strings.Repeat("1", 60)); err == nil {
			t.Error("a wrong number was confirmed")
		}
		if err := alice.ConfirmSafety(t.Context(), "bob", b.Number); err != nil {
			t.Error(err)
		}
		if f, err := alice.Friends(t.Context()); err != nil || len(f) != 1 || !f[0].Confirmed || f[0].Name != "bob" {
			t.Errorf("friends %+v, %v", f, err)
		}
		if held, err := alice.Held(t.Context()); err != nil || !slices.ContainsFunc(held, func(i told.HeldItem) bool { return i.Kind == "name" && i.Text == "alice" }) {
			t.Errorf("held %+v, %v", held, err)
		}
	})
}
