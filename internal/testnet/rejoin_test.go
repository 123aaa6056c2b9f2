package testnet_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/envelope"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// household is alice, and bob with a phone and a PC, who have all heard each
// other.
func household(t *testing.T, n *testnet.Net) (alice, phone, pc *testnet.Person) {
	t.Helper()
	alice, phone = acquainted(t, n)
	pc = phone.Adds("bob's PC")
	pc.Syncs()
	alice.Says(phone, "to both of you")
	alice.Syncs()
	for _, p := range []*testnet.Person{phone, pc} {
		p.Syncs()
		p.Says(alice, "here")
		p.Syncs()
	}
	for _, p := range []*testnet.Person{alice, phone, pc} {
		p.Syncs()
		p.Took()
	}
	return alice, phone, pc
}

// drawer leaves the PC in a drawer, until it can't follow any more: alice and the
// phone have changed their keys, and what waited for it has expired.
func drawer(alice, phone *testnet.Person) {
	goesOn(alice, phone)
	time.Sleep(80 * time.Hour)
}

// goesOn has alice and the phone change their keys and hear each other after it.
func goesOn(alice, phone *testnet.Person) {
	time.Sleep(25 * time.Hour)
	alice.Says(phone, "the PC is off")
	turns(alice, phone)
	phone.Says(alice, "so it is")
	turns(phone, alice)
	alice.Says(phone, "good")
	turns(alice, phone)
	alice.Took()
	phone.Took()
}

// turns has one come and then the other.
func turns(a, b *testnet.Person) { a.Syncs(); b.Syncs() }

// missed is what the PC is sent again.
var missed = []string{"bob: so it is", "alice: the PC is off", "alice: good"}

// through is who brought a device back into its one conversation.
func through(t *testing.T, p *testnet.Person) string {
	t.Helper()
	rooms, err := p.Rooms(t.Context())
	if err != nil || len(rooms) != 1 {
		t.Fatalf("%s has rooms %+v, %v", p.Name, rooms, err)
	}
	return rooms[0].Through
}

// given is how many key packages the server has given out: a conversation that is
// begun anew takes some.
func given(n *testnet.Net) int {
	_, given := n.Trace.Counts()
	return given
}

// said is the messages among what somebody was told.
func said(p *testnet.Person) []string {
	return slices.DeleteFunc(heard(p.Took()), func(s string) bool {
		return s == "expired" || s == "healed" || strings.HasPrefix(s, "problem: ")
	})
}

// TestAPCComesBackThroughThePhone: bob's PC can't follow the conversation any
// more. His phone brings it back, alone; it is shown as such until alice is
// heard; what it missed is sent again, and nothing was begun anew.
func TestAPCComesBackThroughThePhone(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, phone, pc := household(t, n)
		drawer(alice, phone)
		before := given(n)
		pc.Syncs()
		if told := heard(pc.Took()); !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "away for too long") }) {
			t.Errorf("the PC was told %q", told)
		}
		pc.Syncs() // and waits
		time.Sleep(time.Minute)
		phone.Syncs()
		pc.Syncs()
		if got := through(t, pc); got != "bob" {
			t.Errorf("the PC is back through %q", got)
		}
		back := func(ev told.Event) bool {
			x, ok := ev.(told.DeviceChanged)
			return ok && x.Through == "bob" && x.Device == pc.Me().Device && !x.Removed
		}
		pcTold := pc.Took()
		if !slices.ContainsFunc(pcTold, back) {
			t.Errorf("the PC was told %+v", pcTold)
		}
		alice.Syncs()
		if told := alice.Took(); !slices.ContainsFunc(told, back) {
			t.Errorf("alice was told %+v", told)
		}
		pc.Syncs()
		if got := append(textsOf(pcTold), said(pc)...); !slices.Equal(got, missed) {
			t.Errorf("the PC heard %q", got)
		}
		if got := through(t, pc); got != "" {
			t.Errorf("alice was heard, and it is said that only %q vouches", got)
		}
		pc.Says(alice, "back at the desk")
		meet(pc, alice, phone)
		if got := said(alice); !slices.Equal(got, []string{"bob: back at the desk"}) {
			t.Errorf("alice heard %q", got)
		}
		if got := said(phone); !slices.Equal(got, []string{"bob: back at the desk"}) {
			t.Errorf("the phone heard %q", got)
		}
		if got := given(n); got != before {
			t.Errorf("%d key packages were taken: it was begun anew", got-before)
		}
	})
}

// TestAMemberDrawsNoMoreThanItsShare: bob's devices have been brought back so often
// that alice has sent again to them what she sends again in two days. His PC comes
// back once more: she sends it nothing of before, his phone does; and what she
// writes from then on it reads. (How much that is: package drawn.)
func TestAMemberDrawsNoMoreThanItsShare(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, phone, pc := household(t, n)
		drawer(alice, phone)
		h, bob := alice.Home(), pc.Me().Account
		room := account.Direct(alice.Me().Account, bob).ID
		var rec wire.RoomRecord
		if ok, err := h.Get(t.Context(), h.Key(home.Room, room[:]), &rec); err != nil || !ok {
			t.Fatal(ok, err)
		}
		rec.Drawn = []wire.DrawnRecord{{Account: bob[:], Count: 10_000, At: time.Now().UnixMilli()}}
		tx := h.Begin()
		tx.Put(h.Key(home.Room, room[:]), &rec)
		must(t, tx.Commit(t.Context()))
		must(t, alice.Crash())
		pc.Syncs()
		time.Sleep(time.Minute)
		meet(phone, pc, alice)
		if got := through(t, pc); got != "bob" {
			t.Fatalf("the PC is back through %q", got)
		}
		if got := said(pc); !slices.Equal(got, missed[:1]) {
			t.Errorf("the PC heard %q", got)
		}
		alice.Says(phone, "and now")
		meet(alice, pc)
		if got := said(pc); !slices.Equal(got, []string{"alice: and now"}) {
			t.Errorf("the PC heard %q then", got)
		}
	})
}

// textsOf is the messages among events.
func textsOf(events []told.Event) (out []string) {
	for _, ev := range events {
		if m, ok := ev.(told.MessageRead); ok {
			out = append(out, m.Message.FromName+": "+m.Message.Text)
		}
	}
	return out
}

// TestAPCHasSomethingToSay: what waits on the PC goes in the conversation as it
// is where somebody is there to help, and after some seconds in a new one where
// nobody is, in the same sync.
func TestAPCHasSomethingToSay(t *testing.T) {
	for what, there := range map[string]bool{"alice is connected": true, "nobody is": false} {
		t.Run(what, func(t *testing.T) {
			story(t, func(t *testing.T, n *testnet.Net) {
				alice, phone, pc := household(t, n)
				drawer(alice, phone)
				before := given(n)
				if there {
					alice.Connect()
					time.Sleep(time.Minute)
				}
				m := pc.Says(alice, "from the drawer")
				began := time.Now()
				pc.Syncs()
				if m, err := pc.Message(t.Context(), m.ID); err != nil || !told.Confirmed(m) || len(m.Devices) != 2 {
					t.Errorf("after the sync: %+v, %v", m, err)
				}
				took := time.Since(began)
				if there && took > 15*time.Second || !there && (took < 19*time.Second || took > 40*time.Second) {
					t.Errorf("it took %v", took)
				}
				if got := given(n) == before; got != there {
					t.Errorf("begun anew: %v", !got)
				}
				if err := alice.Disconnect(); err != nil {
					t.Error(err)
				}
				meet(alice, phone, pc)
				if got := said(alice); !slices.Equal(got, []string{"bob: from the drawer"}) {
					t.Errorf("alice heard %q", got)
				}
				if got := said(phone); !slices.Equal(got, []string{"bob: from the drawer"}) {
					t.Errorf("the phone heard %q", got)
				}
				alice.Says(phone, "so you are back")
				meet(alice, phone, pc)
				if got := said(pc); !slices.Contains(got, "alice: so you are back") {
					t.Errorf("the PC heard %q", got)
				}
			})
		})
	}
}

// TestAHelperThatWasAway: the phone was told of a gap, so it can't vouch for the
// PC's silence. It helps a day later.
func TestAHelperThatWasAway(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, phone, pc := household(t, n)
		goesOn(alice, phone)
		alice.Says(phone, "and now the phone too")
		alice.Syncs()
		time.Sleep(80 * time.Hour)
		pc.Syncs()
		time.Sleep(time.Minute)
		phone.Syncs()
		if told := heard(phone.Took()); !slices.Contains(told, "expired") {
			t.Fatalf("the phone was told %q: this story shows nothing", told)
		}
		pc.Syncs()
		if got := through(t, pc); got != "" {
			t.Errorf("the PC was brought back through %q, who was away", got)
		}
		time.Sleep(25 * time.Hour)
		pc.Syncs()
		time.Sleep(time.Minute)
		phone.Syncs()
		pc.Syncs()
		if got := through(t, pc); got != "bob" {
			t.Errorf("a day later it is back through %q", got)
		}
	})
}

// impostor is who has the keys of somebody's device, and nothing else of it.
type impostor struct {
	me    *account.Me
	chain devchain.Chain
}

func stealsKeys(t *testing.T, from *testnet.Person) impostor {
	t.Helper()
	h := from.Home()
	var rec wire.DeviceRecord
	if ok, err := h.Get(t.Context(), h.Key(home.Device), &rec); err != nil || !ok {
		t.Fatalf("no keys: %v", err)
	}
	me, err := account.FromRecord(&rec)
	if err != nil {
		t.Fatal(err)
	}
	var pin wire.PinRecord
	if ok, err := h.Get(t.Context(), h.Key(home.Pin, me.Account[:]), &pin); err != nil || !ok {
		t.Fatalf("no chain: %v", err)
	}
	chain, err := devchain.Verify(pin.Chain)
	if err != nil {
		t.Fatal(err)
	}
	return impostor{me, chain}
}

// asks is the impostor's request to come back into the room with alice, sealed to a
// device.
func (x impostor) asks(t *testing.T, n *testnet.Net, alice, to *testnet.Person) []byte {
	t.Helper()
	room := account.Direct(alice.Me().Account, x.me.Account).ID
	k, err := x.me.KeyPackage(x.chain, account.KeyPackageOptions{Suite: n.Suite(), Now: time.Now(), Rejoins: room[:]})
	if err != nil {
		t.Fatal(err)
	}
	box, err := envelope.SealBox(stealsKeys(t, to).me.Keys.Box, (&wire.Box{Body: &wire.RejoinBox{Room: room[:], KeyPackage: k.Public()}}).Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// TestAThiefAsksToComeBack: somebody has the keys of bob's PC and asks in its
// name. While the PC is heard nobody helps him. When it was silent for days he is
// let in, which everybody is shown, and the PC tells its owner.
func TestAThiefAsksToComeBack(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, phone, pc := household(t, n)
		time.Sleep(25 * time.Hour)
		x := stealsKeys(t, pc)
		pc.Says(alice, "I am here")
		meet(pc, alice, phone)
		alice.Took()
		time.Sleep(time.Hour)
		var comes [][]byte
		shown := func() bool {
			return slices.ContainsFunc(alice.Took(), func(ev told.Event) bool {
				d, ok := ev.(told.DeviceChanged)
				return ok && d.Through == "alice"
			})
		}
		asks := func() bool {
			t.Helper()
			comes = [][]byte{x.asks(t, n, alice, alice)}
			alice.Switch.Tap(pushes(func() [][]byte { return comes }))
			alice.Syncs()
			alice.Switch.Tap(nil)
			time.Sleep(time.Minute)
			alice.Syncs() // it is her turn by now
			return shown()
		}
		if asks() {
			t.Fatal("alice let a thief in while the PC was heard")
		}
		alice.Says(phone, "still three of us")
		meet(alice, pc, phone)
		if got := said(pc); !slices.Equal(got, []string{"alice: still three of us"}) {
			t.Errorf("the PC heard %q", got)
		}
		alice.Took()
		time.Sleep(26 * time.Hour)
		if !asks() {
			t.Fatal("alice was not shown that a device came back: this story shows nothing")
		}
		pc.Syncs()
		told := heard(pc.Took())
		if !slices.ContainsFunc(told, func(s string) bool {
			return strings.HasPrefix(s, "key changed: ") && strings.Contains(s, "a copy of this home")
		}) {
			t.Errorf("the PC's owner was told %q", told)
		}
	})
}

// TestThePowerGoesWhileADeviceComesBack takes the power at each commit of the PC
// that asks, of the phone that helps, of the PC that comes back, and of alice who
// sees it.
func TestThePowerGoesWhileADeviceComesBack(t *testing.T) {
	t.Parallel()
	for stage, what := range []string{"the PC asks", "the phone helps", "the PC comes back", "alice sees it"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for _, fault := range []storetest.Fault{storetest.CrashBefore, storetest.CrashAfter} {
				more := true
				for k := 1; more; k++ {
					tell(t, suites[1], func(t *testing.T, n *testnet.Net) { more = comesBackThroughACrash(t, n, stage, k, fault) })
				}
			}
		})
	}
}

func comesBackThroughACrash(t *testing.T, n *testnet.Net, stage, k int, fault storetest.Fault) (more bool) {
	alice, phone, pc := household(t, n)
	drawer(alice, phone)
	before := given(n)
	acts := []*testnet.Person{pc, phone, pc, alice}
	for i, p := range acts {
		if i != stage {
			p.Syncs()
			time.Sleep(time.Minute)
			continue
		}
		commits := p.Store.Commits()
		p.Store.Plan(k, fault)
		err := p.Sync(t.Context())
		if more = p.Store.Commits()-commits >= k; !more && err != nil {
			t.Fatal(err)
		}
		again(t, rarity{who: p, act: func(ctx context.Context) error { return p.Sync(ctx) }})
		time.Sleep(time.Minute)
	}
	meet(pc, phone, alice)
	got := said(pc)
	slices.SortFunc(got, func(a, b string) int { return slices.Index(missed, a) - slices.Index(missed, b) })
	if !slices.Equal(got, missed) {
		t.Errorf("the PC heard %q", got)
	}
	alice.Took()
	pc.Says(alice, "back at the desk")
	meet(pc, alice, phone)
	for _, p := range []*testnet.Person{alice, phone} {
		if got := said(p); !slices.Equal(got, []string{"bob: back at the desk"}) {
			t.Errorf("%s heard %q", p.Name, got)
		}
	}
	// Who saw the commit's fan-out and forgot it in the crash can't tell how old the
	// Welcome is, and begins anew rather than write to somebody who may not follow.
	if got := given(n); got != before && acts[stage] != alice {
		t.Errorf("%d key packages were taken: it was begun anew", got-before)
	}
	if t.Failed() {
		t.Fatalf("with fault %d at commit %d", fault, k)
	}
	return more
}
