package account

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/group"
)

const suite = ciphersuite.X25519_AES128GCM_SHA256_Ed25519

var noon = time.Unix(1_800_000_000, 0)

func person(t *testing.T) (*Me, devchain.Chain) {
	t.Helper()
	me, chain, err := New(false)
	if err != nil {
		t.Fatal(err)
	}
	return me, chain
}

func offer(t *testing.T, me *Me, chain devchain.Chain) wire.ClaimedKeyPackage {
	t.Helper()
	k, err := me.KeyPackage(chain, KeyPackageOptions{Suite: suite, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	return wire.ClaimedKeyPackage{Device: me.Device[:], KeyPackage: k.Public()}
}

func TestADeviceComesBackFromItsRecord(t *testing.T) {
	me, _ := person(t)
	var rec wire.DeviceRecord
	if err := me.Fill(&rec); err != nil {
		t.Fatal(err)
	}
	var parsed wire.DeviceRecord
	if err := parsed.Parse(rec.Append(nil)); err != nil {
		t.Fatal(err)
	}
	again, err := FromRecord(&parsed)
	if err != nil {
		t.Fatal(err)
	}
	if again.Account != me.Account || again.Device != me.Device || string(again.Leaf.Public()) != string(me.Leaf.Public()) || string(again.Box.Public()) != string(me.Box.Public()) {
		t.Error("another device came back")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, me); s != "[this device]" {
			t.Errorf("%s prints %s", verb, s)
		}
	}
	parsed.BoxPrivate = nil
	if _, err := FromRecord(&parsed); err == nil {
		t.Error("a device without its box key came back")
	}
}

func TestARelayProvesItself(t *testing.T) {
	me, _ := person(t)
	key := sign.NewKey()
	hello := &wire.Hello{ProtocolMin: 1, ProtocolMax: 1, ServerKey: key.Public(), Nonce: make([]byte, 32), RetentionHours: 72}
	if err := CheckHello(hello, nil); err != nil {
		t.Fatal(err)
	}
	if err := CheckHello(hello, sign.NewKey().Public()); !errors.Is(err, ErrPin) {
		t.Errorf("another key than the pinned one: %v", err)
	}
	long := *hello
	long.RetentionHours = 73
	if err := CheckHello(&long, nil); !errors.Is(err, ErrRetention) {
		t.Errorf("73 hours: %v", err)
	}
	newer := *hello
	newer.ProtocolMin, newer.ProtocolMax = 2, 3
	if err := CheckHello(&newer, nil); !errors.Is(err, ErrProtocol) {
		t.Errorf("a newer protocol: %v", err)
	}
	req, payload := me.SignIn(hello, 7)
	if err := sign.Verify(me.Keys.SignIn, sign.SignIn, req.Signature, payload); err != nil {
		t.Error(err)
	}
	if err := CheckProof(hello, payload, key.Sign(sign.Server, payload)); err != nil {
		t.Error(err)
	}
	if err := CheckProof(hello, payload, key.Sign(sign.SignIn, payload)); !errors.Is(err, ErrProof) {
		t.Errorf("a signature for something else: %v", err)
	}
	if other, _ := me.SignIn(hello, 7); string(other.Nonce) == string(req.Nonce) {
		t.Error("a nonce came twice")
	}
}

func TestKeyPackagesAreHeldAgainstTheChain(t *testing.T) {
	bob, chain := person(t)
	mallory, hers := person(t)
	good := offer(t, bob, chain)
	want := []ident.DeviceID{bob.Device}
	for _, c := range []struct {
		what    string
		claimed []wire.ClaimedKeyPackage
		now     time.Time
		suite   ciphersuite.ID
		missing int
		err     error
	}{
		{"his own", []wire.ClaimedKeyPackage{good}, noon, suite, 0, nil},
		{"none", nil, noon, suite, 1, nil},
		{"one that is too old", []wire.ClaimedKeyPackage{good}, noon.Add(LeafLife + time.Second), suite, 1, nil},
		{"one of another suite", []wire.ClaimedKeyPackage{good}, noon, ciphersuite.Default, 1, nil},
		{"mallory's under his device", []wire.ClaimedKeyPackage{{Device: bob.Device[:], KeyPackage: offer(t, mallory, hers).KeyPackage}}, noon, suite, 0, ErrForged},
		{"mallory's beside his", []wire.ClaimedKeyPackage{good, offer(t, mallory, hers)}, noon, suite, 0, ErrForged},
		{"no key package at all", []wire.ClaimedKeyPackage{{Device: bob.Device[:], KeyPackage: []byte("moo")}}, noon, suite, 0, ErrForged},
		{"no device", []wire.ClaimedKeyPackage{{Device: []byte("short"), KeyPackage: good.KeyPackage}}, noon, suite, 0, ErrForged},
	} {
		got, missing, err := CheckKeyPackages(c.claimed, devchain.See(chain), want, c.suite, c.now)
		if !errors.Is(err, c.err) || len(missing) != c.missing || (err == nil && len(got) != 1-c.missing) {
			t.Errorf("%s: %d, missing %v, %v", c.what, len(got), missing, err)
		}
	}
}

func TestALeafSpeaksForItsDeviceAlone(t *testing.T) {
	bob, chain := person(t)
	mallory, hers := person(t)
	leaf := func(me *Me, c devchain.Chain, change func(*group.KeyPackageOptions)) group.Member {
		o := group.KeyPackageOptions{Suite: suite, Identity: me.Identity(), Signer: me.Leaf, Extensions: me.LeafExtensions(c, 1), Supports: Supports(), NotBefore: noon, NotAfter: noon}
		change(&o)
		own, err := group.NewKeyPackage(o)
		if err != nil {
			t.Fatal(err)
		}
		k, err := group.ParseKeyPackage(own.Public())
		if err != nil {
			t.Fatal(err)
		}
		return k.Leaf()
	}
	if m, err := ReadMember(leaf(bob, chain, func(*group.KeyPackageOptions) {})); err != nil || m.Device != bob.Device || len(m.Token) != TokenSize {
		t.Fatalf("bob's own leaf: %+v, %v", m, err)
	}
	for what, change := range map[string]func(*group.KeyPackageOptions){
		"another signature key": func(o *group.KeyPackageOptions) { o.Signer = mallory.Leaf },
		"another account":       func(o *group.KeyPackageOptions) { o.Identity = mallory.Identity() },
		"another chain":         func(o *group.KeyPackageOptions) { o.Extensions = mallory.LeafExtensions(hers, 1) },
		"no extensions":         func(o *group.KeyPackageOptions) { o.Extensions = nil },
		"no identity":           func(o *group.KeyPackageOptions) { o.Identity = []byte("bob") },
		"no introduction":       func(o *group.KeyPackageOptions) { o.Extensions = o.Extensions[:1] },
	} {
		if _, err := ReadMember(leaf(bob, chain, change)); !errors.Is(err, ErrLeaf) {
			t.Errorf("%s: %v", what, err)
		}
	}
	alice, _ := person(t)
	claim := group.Claim{Member: leaf(bob, chain, func(*group.KeyPackageOptions) {})}
	for what, room := range map[string]struct {
		exts group.Extensions
		ok   bool
	}{
		"his room":       {Direct(alice.Account, bob.Account).Extensions(), true},
		"somebody's":     {Direct(alice.Account, mallory.Account).Extensions(), false},
		"no room at all": {nil, false},
	} {
		claim.Group = room.exts
		if err := Validate(claim); (err == nil) != room.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestALeafReplacesAnOlderOne: the number of a device's leaf grows, whatever its
// clock says; and one that takes another's place by Remove and Add was made for
// that, in this room.
func TestALeafReplacesAnOlderOne(t *testing.T) {
	bob, chain := person(t)
	alice, hers := person(t)
	room := Direct(alice.Account, bob.Account)
	madeFor := func(me *Me, c devchain.Chain, number uint64, rejoins []byte) group.Member {
		own, err := group.NewKeyPackage(group.KeyPackageOptions{
			Suite: suite, Identity: me.Identity(), Signer: me.Leaf, Extensions: me.leafExtensions(c, nil, number, rejoins),
			Supports: Supports(), NotBefore: noon, NotAfter: noon,
		})
		if err != nil {
			t.Fatal(err)
		}
		k, err := group.ParseKeyPackage(own.Public())
		if err != nil {
			t.Fatal(err)
		}
		return k.Leaf()
	}
	leaf := func(me *Me, c devchain.Chain, number uint64) group.Member { return madeFor(me, c, number, room.ID[:]) }
	first := LeafNumber(0, noon)
	if first != uint64(noon.Unix()) || LeafNumber(first, noon) != first+1 || LeafNumber(first, noon.Add(-time.Hour)) != first+1 || LeafNumber(first, noon.Add(time.Hour)) != first+3600 {
		t.Errorf("the number of a leaf after %d", first)
	}
	before := leaf(bob, chain, first)
	for _, c := range []struct {
		number uint64
		ok     bool
	}{{first + 1, true}, {first, false}, {first - 1, false}, {0, false}} {
		after := leaf(bob, chain, c.number)
		claim := group.Claim{Member: after, Previous: &before, Group: room.Extensions()}
		if err := Validate(claim); errors.Is(err, ErrLeaf) == c.ok {
			t.Errorf("an update from %d to %d: %v", first, c.number, err)
		}
		if err := CheckReplaced(room.ID, []group.Member{before}, []group.Member{leaf(alice, hers, 0), after}); errors.Is(err, ErrLeaf) == c.ok {
			t.Errorf("taken out at %d and added at %d: %v", first, c.number, err)
		}
	}
	if err := CheckReplaced(room.ID, []group.Member{before}, []group.Member{leaf(alice, hers, 0)}); err != nil {
		t.Errorf("two devices: %v", err)
	}
	other := Direct(alice.Account, ident.AccountID{}).ID
	for what, rejoins := range map[string][]byte{"published": nil, "made for another room": other[:], "cut": room.ID[:8]} {
		if err := CheckReplaced(room.ID, []group.Member{before}, []group.Member{madeFor(bob, chain, first+1, rejoins)}); !errors.Is(err, ErrLeaf) {
			t.Errorf("a leaf that was %s takes the place of another: %v", what, err)
		}
	}
}

func TestARoomIsTheSameForBoth(t *testing.T) {
	a, b := ident.AccountID{1}, ident.AccountID{2}
	x, y := Direct(a, b), Direct(b, a)
	if x.ID != y.ID || x.Other(a) != b || x.Other(b) != a || !x.Has(a) || x.Has(ident.AccountID{3}) {
		t.Errorf("%+v and %+v", x, y)
	}
	back, err := ReadRoom(x.Extensions())
	if err != nil || back.ID != x.ID {
		t.Errorf("%+v, %v", back, err)
	}
	wrong := (&wire.RoomContext{Kind: wire.RoomDirect, Accounts: [][]byte{b[:], a[:]}}).Append(nil)
	if _, err := ReadRoom(group.Extensions{{Type: extRoomContext, Data: wrong}}); !errors.Is(err, ErrLeaf) {
		t.Errorf("accounts out of order: %v", err)
	}
}

func TestPins(t *testing.T) {
	bob, chain := person(t)
	pin := NewPin(chain)
	add := func(c devchain.Chain) devchain.Chain {
		_, request, err := Join(c, false)
		if err != nil {
			t.Fatal(err)
		}
		next, err := bob.Extend(c, request)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	longer := add(chain)
	pin, seen := pin.See(longer)
	if !seen.Changed || seen.Forked || pin.Chain.Len() != 2 {
		t.Fatalf("a longer chain: %+v", seen)
	}
	if pin, seen = pin.See(chain); seen.Changed || seen.Forked {
		t.Errorf("an older one: %+v", seen)
	}
	fork := add(chain) // the same parent, another device
	pin, seen = pin.See(fork)
	if !seen.Forked || !pin.Record.Forked {
		t.Errorf("a fork: %+v", seen)
	}
	if pin, seen = pin.See(fork); seen.Forked {
		t.Error("the same fork alarms twice")
	}
	back, err := PinFrom(pin.Record)
	if err != nil || back.Chain.Head() != pin.Chain.Head() {
		t.Errorf("restored: %v", err)
	}
	_, stranger := person(t)
	if _, seen := pin.See(stranger); seen.Changed || seen.Forked {
		t.Errorf("a stranger's chain: %+v", seen)
	}
	id := chain.ID()
	if _, err := ReadChain(&wire.Account{Account: id[:], Chain: stranger.Wire()}); !errors.Is(err, ErrChain) {
		t.Errorf("a stranger's chain for bob: %v", err)
	}
}

func TestSafetyNumbers(t *testing.T) {
	a, b, c := ident.AccountID{1}, ident.AccountID{2}, ident.AccountID{3}
	x, y := SafetyNumber(a, b), SafetyNumber(b, a)
	if x != y || len(strings.Fields(x)) != 12 || len(x) != 71 {
		t.Errorf("%q and %q", x, y)
	}
	if SafetyNumber(a, c) == x {
		t.Error("two people have one number")
	}
	if !SameNumber(x, strings.ReplaceAll(x, " ", "")) || SameNumber(x, x[1:]) {
		t.Error("numbers are compared wrongly")
	}
}
