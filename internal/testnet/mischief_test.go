package testnet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// mischief is what a hostile server does with the answer to a request.
type mischief string

const (
	withheld mischief = "withheld" // it never comes
	repeated mischief = "repeated" // it comes twice
	late     mischief = "late"     // it comes behind the next one
	swapped  mischief = "swapped"  // the answer to something else comes
	forged   mischief = "forged"   // one of the right kind comes, made up
)

var mischiefs = []mischief{withheld, repeated, late, swapped, forged}

// kindOf names a request's kind.
func kindOf(body any) string { return strings.TrimPrefix(fmt.Sprintf("%T", body), "*wire.") }

// requestKinds are all kinds of requests that the wire has, as its codec says.
func requestKinds() (kinds []string) {
	for n := range 4000 {
		if n < 2 {
			continue
		}
		b := []byte{8, 1} // id 1, then an empty message in field n
		tag := uint64(n)<<3 | 2
		for ; tag >= 0x80; tag >>= 7 {
			b = append(b, byte(tag)|0x80)
		}
		b = append(b, byte(tag), 0)
		var r wire.Request
		if r.Parse(b) == nil && r.Body != nil {
			kinds = append(kinds, kindOf(r.Body))
		}
	}
	return kinds
}

// made up answers, by the kind of the request.
func makeUp(kind string, honest wire.ResponseBody) wire.ResponseBody {
	junk := slices.Repeat([]byte{0xee}, 32)
	switch kind {
	case "Register":
		return &wire.Done{}
	case "LookUp", "ReadChain", "AppendChain":
		return &wire.Account{Account: junk, Name: "bob", Chain: &wire.Chain{Entries: []wire.SignedEntry{{Entry: junk, Signature: slices.Repeat(junk, 2)}}}}
	case "SignIn":
		return &wire.SignedIn{Proof: slices.Repeat(junk, 2), Waiting: 7}
	case "ClaimKeyPackages":
		return &wire.KeyPackages{Packages: []wire.ClaimedKeyPackage{{Device: junk[:16], KeyPackage: junk}}}
	case "Send":
		// Live for devices that were never asked for.
		return &wire.Sent{Outcomes: []wire.DeviceOutcome{{Device: junk[:16], Outcome: wire.OutcomeLive}, {Device: junk, Outcome: 99}}}
	case "AppendEpoch", "ReadEpoch":
		return &wire.EpochLog{Entries: [][]byte{junk, slices.Repeat(junk, 128)}}
	case "ReadHeld":
		return &wire.Held{Items: []wire.HeldItem{{Kind: "key_packages", Device: junk, Count: 1 << 62}}}
	}
	return honest // Done: there is nothing to make up
}

// plays returns the tap of a server that does so with every answer to a kind.
func plays(kind string, m mischief) testnet.Tap {
	asked := map[uint64]string{}
	var kept []*wire.Frame
	return func(up bool, f *wire.Frame) []*wire.Frame {
		if r, ok := f.Body.(*wire.Request); ok && up {
			asked[r.Id] = kindOf(r.Body)
			if m == forged && asked[r.Id] == kind && kind == "Register" {
				r.Body = &wire.LookUp{Name: "nobody"} // it never comes to the directory
			}
			return []*wire.Frame{f}
		}
		r, ok := f.Body.(*wire.Response)
		if _, hello := f.Body.(*wire.Hello); hello {
			asked, kept = map[uint64]string{}, nil
		}
		if !ok || asked[r.Id] != kind {
			return append([]*wire.Frame{f}, take(&kept)...)
		}
		switch m {
		case withheld:
			return nil
		case repeated:
			return []*wire.Frame{f, f}
		case late:
			kept = append(kept, f)
			return nil
		case swapped:
			if _, ok := r.Body.(*wire.Held); ok {
				r.Body = &wire.Sent{}
			} else {
				r.Body = &wire.Held{}
			}
		case forged:
			r.Body = makeUp(kind, r.Body)
		}
		return []*wire.Frame{f}
	}
}

func take(list *[]*wire.Frame) []*wire.Frame {
	out := *list
	*list = nil
	return out
}

// patiently is how long alice waits for a server that does not answer.
const patiently = 10 * time.Minute

// tries collects what somebody is told, as errors and as events.
type tries struct{ told []string }

func (tr *tries) that(err error) {
	if err != nil && (!errors.Is(err, context.DeadlineExceeded) || err.Error() != context.DeadlineExceeded.Error()) {
		tr.told = append(tr.told, err.Error())
	}
}

func (tr *tries) sync(t *testing.T, p *testnet.Person) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patiently)
	defer cancel()
	err := p.Sync(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		tr.told = append(tr.told, "waits")
	}
	tr.that(err)
}

// TestEveryAnswerOfAHostileServer plays each mischief with the answers to each
// kind of request. What alice is told stands in the table; and when the server is
// honest again everything comes, once.
func TestEveryAnswerOfAHostileServer(t *testing.T) {
	t.Parallel()
	for _, kind := range requestKinds() {
		row, ok := hostileAnswers[kind]
		if !ok {
			t.Errorf("requests of kind %s have no row in hostileAnswers: say what a device says of each mischief with their answers", kind)
			continue
		}
		if row.why != "" {
			continue
		}
		for _, m := range mischiefs {
			want, ok := row.says[m]
			if !ok {
				t.Errorf("%s answers that are %s have no entry in hostileAnswers", kind, m)
				continue
			}
			t.Run(kind+" "+string(m), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					n := testnet.New(t, testnet.Options{Suite: ciphersuite.X25519_AES128GCM_SHA256_Ed25519})
					defer n.Close()
					told := hostileDays(t, n, kind, m)
					offline := func(s string) bool { return s == line.ErrOffline.Error() }
					if m == late && !slices.ContainsFunc(told, func(s string) bool { return !offline(s) }) {
						return // something else came, and the answer behind it: in time
					}
					if want == "" && len(told) > 0 || want != "" && !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, want) }) {
						t.Errorf("told\n  %s\nwant %q", strings.Join(told, "\n  "), want)
					}
				})
			})
		}
	}
	for kind := range hostileAnswers {
		if !slices.Contains(requestKinds(), kind) {
			t.Errorf("hostileAnswers has a row for %s, which is no request", kind)
		}
	}
}

// hostileDays plays the mischief, then lets the server be honest, and checks that
// nothing was lost. It returns what alice was told meanwhile.
func hostileDays(t *testing.T, n *testnet.Net, kind string, m mischief) []string {
	t.Helper()
	tr := &tries{}
	bob, carol := n.Join("bob"), n.Join("carol")
	alice := n.Newcomer("alice")
	if kind == "Register" {
		alice.Switch.Tap(plays(kind, m))
		tr.that(alice.Register())
		alice.Switch.Tap(nil)
	}
	if alice.Client == nil {
		if err := alice.Register(); err != nil {
			t.Fatalf("the server is honest again, and alice can't register: %v", err)
		}
	}
	tablet := alice.Adds("alice's tablet")
	// Something of carol's expires, so that there is a gap; and key packages are
	// to be made anew.
	alice.Says(carol, "hello")
	alice.Syncs()
	carol.Syncs()
	carol.Says(alice, "too late")
	carol.Syncs()
	time.Sleep(96 * time.Hour)
	alice.Took()

	alice.Switch.Tap(plays(kind, m))
	alice.Says(bob, "one")
	tr.sync(t, alice)
	if kind == "ReadHeld" {
		ctx, cancel := context.WithTimeout(t.Context(), patiently)
		_, err := alice.Held(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			tr.told = append(tr.told, "waits")
		}
		tr.that(err)
		cancel()
	}
	if kind == "AppendChain" {
		ctx, cancel := context.WithTimeout(t.Context(), patiently)
		err := alice.RemoveDevice(ctx, tablet.Me().Device)
		if errors.Is(err, context.DeadlineExceeded) {
			tr.told = append(tr.told, "waits")
		}
		tr.that(err)
		cancel()
	}
	if kind == "Withdraw" {
		regret := alice.Says(bob, "regret")
		tr.sync(t, alice)
		tr.that(alice.Delete(t.Context(), regret.ID, true))
		tr.sync(t, alice)
	}
	bob.Says(alice, "from bob")
	bob.Syncs()
	tr.sync(t, alice)
	events := alice.Took()
	if kind == "Withdraw" && n.Status().Withdrawn != 1 {
		t.Errorf("%d envelopes were withdrawn, want that of the regret", n.Status().Withdrawn)
	}

	alice.Switch.Tap(nil)
	time.Sleep(5 * time.Minute)
	if err := alice.RemoveDevice(t.Context(), tablet.Me().Device); err != nil && !errors.Is(err, account.ErrNoDevice) {
		t.Errorf("honest again: alice removes her tablet: %v", err)
	}
	for range 3 {
		if err := alice.Retry(t.Context()); err != nil {
			t.Fatal(err)
		}
		alice.Syncs()
		bob.Syncs()
		time.Sleep(time.Hour)
	}
	heardOnce(t, "alice", append(slices.Clone(events), alice.Took()...), "bob: from bob")
	heardOnce(t, "bob", bob.Took(), "alice: one")
	if left, err := alice.Outbox(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("alice's outbox has %+v, %v", left, err)
	}
	if d, err := alice.Devices(t.Context()); err != nil || len(d) != 1 {
		t.Errorf("alice has devices %+v, %v", d, err)
	}
	for _, line := range heard(events) {
		if strings.HasPrefix(line, "problem: ") || strings.HasPrefix(line, "key changed: ") {
			tr.told = append(tr.told, line)
		}
	}
	return tr.told
}

// heardOnce fails unless exactly one message came, and it is this one.
func heardOnce(t *testing.T, who string, events []told.Event, want string) {
	t.Helper()
	var got []string
	for _, line := range heard(events) {
		if !strings.HasPrefix(line, "problem: ") && !strings.HasPrefix(line, "key changed: ") && line != "expired" && line != "healed" {
			if from, text, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(from, "?") && strings.HasSuffix(want, ": "+text) {
				line = want // told before the directory had confirmed the name
			}
			got = append(got, line)
		}
	}
	if !slices.Equal(got, []string{want}) {
		t.Errorf("%s heard %q, want %q once", who, got, want)
	}
}
