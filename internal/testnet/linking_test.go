package testnet_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	place "github.com/byre-messenger/byre/internal/client/meet"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/linking/link"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// hands are alice's at one device: what she is asked there, and what she says.
type hands struct {
	mu     sync.Mutex
	asked  []linking.Ask
	waited []string
	no     bool
	err    error
	wait   time.Duration // until she says it
}

func (h *hands) Compare(ctx context.Context, a linking.Ask) (bool, error) {
	h.mu.Lock()
	h.asked = append(h.asked, a)
	h.mu.Unlock()
	select {
	case <-time.After(h.wait):
		return !h.no, h.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (h *hands) Waits(name string) {
	h.mu.Lock()
	h.waited = append(h.waited, name)
	h.mu.Unlock()
}

// shown are the digits that she saw last.
func (h *hands) shown() linking.Ask {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asked) == 0 {
		return linking.Ask{}
	}
	return h.asked[len(h.asked)-1]
}

// screen is a code on a device's screen.
type screen struct {
	link linking.Link
	done chan error // how linking ended there
}

// links has a device show a code.
func links(t *testing.T, p *testnet.Person, h *hands) *screen {
	t.Helper()
	s, there := &screen{done: make(chan error, 1)}, make(chan linking.Link, 1)
	c := p.Client
	go func() { s.done <- c.Link(t.Context(), h, func(l linking.Link) { there <- l }) }()
	select {
	case s.link = <-there:
	case err := <-s.done:
		t.Fatalf("%s shows no code: %v", p.Name, err)
	case <-time.After(time.Minute):
		t.Fatalf("%s shows no code", p.Name)
	}
	if read, err := link.Read(s.link.Text()); err != nil || read.Server != s.link.Server {
		t.Fatalf("the link can't be read: %v", err)
	}
	return s
}

// ended is how it ended, other than by linking.
func ended(t *testing.T, err error) linking.Why {
	t.Helper()
	e, ok := errors.AsType[place.EndedError](err)
	if !ok {
		t.Fatalf("it ended with %v", err)
	}
	return e.Why
}

// quick is the suite of stories that are not about cryptography.
var quick = testnet.Options{Suite: ciphersuite.X25519_AES128GCM_SHA256_Ed25519}

func linkStory(t *testing.T, fn func(t *testing.T, n *testnet.Net)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New(t, quick)
		defer n.Close()
		fn(t, n)
	})
}

// TestAliceLinksHerPC: the same digits are on both screens, and phone and PC write
// in turn with bob and read the same.
func TestAliceLinksHerPC(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := n.Join("alice"), n.Join("bob")
		bob.Says(alice, "to the phone alone")
		bob.Syncs()
		alice.Connect()
		pc, onPhone, onPC := n.Newcomer("alice's PC"), &hands{wait: 3 * time.Second}, &hands{wait: time.Second}
		s := links(t, alice, onPhone)
		if err := alice.Link(t.Context(), onPhone, nil); !errors.Is(err, why.ErrLinking) {
			t.Errorf("a second code at once: %v", err)
		}
		began := time.Now()
		if err := pc.Joins(t.Context(), s.link.Code, onPC); err != nil {
			t.Fatal(err)
		}
		if err := <-s.done; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		a, b := onPhone.shown(), onPC.shown()
		if a.Digits == "" || a.Digits != b.Digits || b.Name.String() != "alice" || len(onPC.waited) != 1 || len(onPhone.waited) != 0 {
			t.Errorf("asked %+v and %+v, waited %v, %v", onPhone.asked, onPC.asked, onPhone.waited, onPC.waited)
		}
		if me := pc.Me(); me.Name != "alice" || me.Account != alice.Me().Account || me.Device == alice.Me().Device {
			t.Errorf("the PC is %+v", me)
		}
		if d, err := alice.Devices(t.Context()); err != nil || len(d) != 2 || !d[1].Active {
			t.Errorf("devices %+v, %v", d, err)
		}
		if err := alice.Disconnect(); err != nil {
			t.Fatal(err)
		}
		alice.Took()
		bob.Took()

		bob.Says(alice, "to both")
		bob.Syncs()
		alice.Syncs()
		pc.Syncs()
		hears(t, alice, "bob: to both")
		hears(t, pc, "bob: to both")
		for i, p := range []*testnet.Person{pc, alice, pc} {
			other := []*testnet.Person{alice, pc, alice}[i]
			text := fmt.Sprintf("turn %d", i)
			if _, err := p.Send(t.Context(), "bob", text, outbox.Options{}); err != nil {
				t.Fatal(err)
			}
			p.Syncs()
			bob.Syncs()
			other.Syncs()
			hears(t, bob, "alice: "+text)
			hears(t, other, "alice: "+text)
		}
	})
}

// TestLinkingIsRefused: what alice says no to, what she mistypes, and what nobody
// waits for leaves the home of the new device empty, and she begins anew with it.
func TestLinkingIsRefused(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, pc := n.Join("alice"), n.Newcomer("alice's PC")
		join := func(code linking.Code, h *hands) linking.Why {
			t.Helper()
			return ended(t, pc.Joins(t.Context(), code, h))
		}
		if why := join(linking.NewCode(), &hands{}); why != linking.Refused {
			t.Errorf("a code that nobody shows: %v", why)
		}
		// She says no at the phone, and at the PC.
		s := links(t, alice, &hands{no: true, wait: time.Second})
		if why := join(s.link.Code, &hands{wait: time.Minute}); why != linking.Refused && why != linking.Declined {
			t.Errorf("no at the phone: the PC says %v", why)
		}
		if why := ended(t, <-s.done); why != linking.Declined {
			t.Errorf("no at the phone: %v", why)
		}
		s = links(t, alice, &hands{wait: time.Minute})
		if why := join(s.link.Code, &hands{no: true}); why != linking.Declined {
			t.Errorf("no at the PC: %v", why)
		}
		if why := ended(t, <-s.done); why != linking.Refused {
			t.Errorf("no at the PC: the phone says %v", why)
		}
		// The passphrase is wrong, behind the PC's consent: the phone tells it so.
		s = links(t, alice, &hands{err: home.ErrPassphrase, wait: time.Minute})
		if why := join(s.link.Code, &hands{}); why != linking.Refused && why != linking.Declined {
			t.Errorf("wrong passphrase: the PC says %v", why)
		}
		if err := <-s.done; !errors.Is(err, home.ErrPassphrase) {
			t.Errorf("wrong passphrase: %v", err)
		}
		// Nobody comes; and a code is used later.
		began := time.Now()
		s = links(t, alice, &hands{})
		if why := ended(t, <-s.done); why != linking.Expired || time.Since(began) > 6*time.Minute {
			t.Errorf("nobody comes: %v after %v", why, time.Since(began))
		}
		if why := join(s.link.Code, &hands{}); why != linking.Refused {
			t.Errorf("an old code: %v", why)
		}
		// Nothing of all that is left.
		if d, err := alice.Devices(t.Context()); err != nil || len(d) != 1 {
			t.Errorf("devices %+v, %v", d, err)
		}
		s = links(t, alice, &hands{})
		if err := pc.Joins(t.Context(), s.link.Code, &hands{}); err != nil {
			t.Fatal(err)
		}
		if err := <-s.done; err != nil {
			t.Fatal(err)
		}
		// The code was used.
		if why := ended(t, n.Newcomer("another").Joins(t.Context(), s.link.Code, &hands{})); why == linking.Linked {
			t.Error("one code links two devices")
		}
		if err := n.Newcomer("x").Joins(t.Context(), linking.NewCode(), &hands{}); err == nil {
			t.Error("nobody's code links")
		}
		if err := pc.Close(); err != nil {
			t.Fatal(err)
		}
		if err := pc.Joins(t.Context(), linking.NewCode(), &hands{}); !errors.Is(err, enroll.ErrRegistered) {
			t.Errorf("a device joins again: %v", err)
		}
	})
}

// TestASecondJoinerEndsLinking: mallory has seen the code as well.
func TestASecondJoinerEndsLinking(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, pc, mallory := n.Join("alice"), n.Newcomer("alice's PC"), n.Newcomer("mallory")
		s := links(t, alice, &hands{wait: time.Minute})
		first := make(chan error, 1)
		go func() { first <- pc.Joins(t.Context(), s.link.Code, &hands{wait: 2 * time.Minute}) }()
		time.Sleep(10 * time.Second)
		if why := ended(t, mallory.Joins(t.Context(), s.link.Code, &hands{})); why == linking.Linked {
			t.Error("mallory is linked")
		}
		if why := ended(t, <-s.done); why != linking.Contested {
			t.Errorf("the phone says %v", why)
		}
		if why := ended(t, <-first); why != linking.Contested {
			t.Errorf("the PC says %v", why)
		}
		if d, err := alice.Devices(t.Context()); err != nil || len(d) != 1 {
			t.Errorf("devices %+v, %v", d, err)
		}
	})
}

// TestLinkingOverBadLines: the line breaks at each frame, of either device, before
// or behind its effect, and in between the relay forgets everything. It ends well
// all the same.
func TestLinkingOverBadLines(t *testing.T) {
	for _, who := range []string{"phone", "PC"} {
		for _, up := range []bool{true, false} {
			for _, before := range []bool{true, false} {
				for k, more := 1, true; more; k++ {
					linkStory(t, func(t *testing.T, n *testnet.Net) {
						alice, pc := n.Join("alice"), n.Newcomer("alice's PC")
						alice.Syncs()
						alice.Connect()
						s := links(t, alice, &hands{wait: time.Second})
						p := map[string]*testnet.Person{"phone": alice, "PC": pc}[who]
						p.Switch.Break(up, k, before)
						err := pc.Joins(t.Context(), s.link.Code, &hands{})
						if err != nil && pc.Switch.Breaks() > 0 && k <= 2 {
							more = true // its very first line: alice sees that it can't connect
							return
						}
						if err != nil {
							t.Fatalf("%s %d up=%v before=%v: %v", who, k, up, before, err)
						}
						if err := <-s.done; err != nil {
							t.Fatalf("%s %d up=%v before=%v: the phone says %v", who, k, up, before, err)
						}
						more = p.Switch.Breaks() > 0 && k < 40
					})
				}
			}
		}
	}
	for wait := range 8 {
		linkStory(t, func(t *testing.T, n *testnet.Net) {
			alice, pc := n.Join("alice"), n.Newcomer("alice's PC")
			alice.Connect()
			s := links(t, alice, &hands{wait: 4 * time.Second})
			joined := make(chan error, 1)
			go func() { joined <- pc.Joins(t.Context(), s.link.Code, &hands{wait: 2 * time.Second}) }()
			time.Sleep(time.Duration(wait)*time.Second + time.Second/2)
			n.CrashServer()
			if onPC, onPhone := <-joined, <-s.done; onPC != nil || onPhone != nil {
				t.Errorf("a restart after %d s: the PC says %v, the phone %v", wait, onPC, onPhone)
			}
		})
	}
}

// TestAJoinerWaitsForItsPhone: the PC has consented, and the phone loses its line,
// is off for a day, and comes back: whatever it had signed is listed then.
func TestAJoinerWaitsForItsPhone(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, pc := n.Join("alice"), n.Newcomer("alice's PC")
		alice.Syncs()
		s := links(t, alice, &hands{})
		// What the phone signs does not arrive; then it is off.
		alice.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			if r, ok := f.Body.(*wire.Request); ok && up {
				if _, ok := r.Body.(*wire.AppendChain); ok {
					return nil
				}
			}
			return []*wire.Frame{f}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		onPC := &hands{}
		if err := pc.Joins(ctx, s.link.Code, onPC); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the PC says %v", err)
		}
		cancel()
		if err := pc.Open(); !errors.Is(err, enroll.ErrWaits) {
			t.Errorf("the PC opens: %v", err)
		}
		alice.Switch.Tap(nil)
		if err := alice.Close(); err != nil {
			t.Fatal(err)
		}
		<-s.done
		time.Sleep(24 * time.Hour)
		if len(onPC.waited) != 1 {
			t.Errorf("it was told to wait %d times", len(onPC.waited))
		}
		joined := make(chan error, 1)
		go func() { joined <- pc.Joins(t.Context(), linking.NewCode(), onPC) }()
		time.Sleep(5 * time.Minute)
		if err := alice.Open(); err != nil {
			t.Fatal(err)
		}
		alice.Syncs()
		if err := <-joined; err != nil {
			t.Fatal(err)
		}
		if len(onPC.waited) != 2 || len(onPC.asked) != 1 {
			t.Errorf("waited %v, asked %v", onPC.waited, onPC.asked)
		}
	})
}

// TestAnOldServer can't link.
func TestAnOldServer(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		alice, pc := n.Join("alice"), n.Newcomer("alice's PC")
		old := func(_ bool, f *wire.Frame) []*wire.Frame {
			if h, ok := f.Body.(*wire.Hello); ok {
				h.Features &^= 2
			}
			return []*wire.Frame{f}
		}
		alice.Switch.Tap(old)
		pc.Switch.Tap(old)
		if err := alice.Link(t.Context(), &hands{}, nil); !errors.Is(err, place.ErrTooOld) {
			t.Errorf("the phone says %v", err)
		}
		if err := pc.Joins(t.Context(), linking.NewCode(), &hands{}); !errors.Is(err, place.ErrTooOld) {
			t.Errorf("the PC says %v", err)
		}
	})
}
