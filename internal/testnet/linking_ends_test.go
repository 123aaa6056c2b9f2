package testnet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// ends waits for the end of a linking at the device that shows the code.
func (s *screen) ends(t *testing.T) (took time.Duration, err error) {
	t.Helper()
	began := time.Now()
	select {
	case err = <-s.done:
	case <-time.After(10 * time.Minute):
		t.Fatal("linking does not end")
	}
	return time.Since(began), err
}

// speechless are alice's hands while she is asked and says nothing.
type speechless struct {
	asked chan struct{}
	left  chan error // why she need not answer
}

func (a speechless) Compare(ctx context.Context, _ linking.Ask) (bool, error) {
	close(a.asked)
	<-ctx.Done()
	a.left <- ctx.Err()
	return false, ctx.Err()
}

func (speechless) Waits(string) {}

// TestADeviceThatEndsEndsItsLinking: alice locks, wipes or closes the phone that
// shows a code, or asks her for her passphrase: the code and the question are gone
// at once, and nothing is linked.
func TestADeviceThatEndsEndsItsLinking(t *testing.T) {
	for what, c := range map[string]struct {
		do   func(context.Context, *testnet.Person) error
		want error
	}{
		"lock":  {func(ctx context.Context, p *testnet.Person) error { return p.Lock(ctx) }, why.ErrLocked},
		"wipe":  {func(ctx context.Context, p *testnet.Person) error { return p.Wipe(ctx) }, home.ErrGone},
		"close": {func(_ context.Context, p *testnet.Person) error { return p.Close() }, why.ErrClosed},
	} {
		for _, asked := range []bool{false, true} {
			linkStory(t, func(t *testing.T, n *testnet.Net) {
				alice, pc := n.Join("alice"), n.Newcomer("alice's PC")
				h := speechless{make(chan struct{}), make(chan error, 1)}
				s := &screen{done: make(chan error, 1)}
				there := make(chan linking.Link, 1)
				phone := alice.Client
				go func() { s.done <- phone.Link(t.Context(), h, func(l linking.Link) { there <- l }) }()
				s.link = <-there
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				joined := make(chan error, 1)
				if asked {
					go func() { joined <- pc.Joins(ctx, s.link.Code, &hands{}) }()
					<-h.asked
				}
				if err := c.do(t.Context(), alice); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if took, err := s.ends(t); !errors.Is(err, c.want) || took > 10*time.Second {
					t.Errorf("%s, asked %v: it ends after %v with %v", what, asked, took, err)
				}
				if asked {
					if err := <-h.left; !errors.Is(err, context.Canceled) {
						t.Errorf("%s: the question ends with %v", what, err)
					}
					cancel()
					if err := <-joined; err == nil {
						t.Errorf("%s: the PC is linked", what)
					}
				}
			})
		}
	}
}

// TestALineThatCanNotBeHadEndsLinking: the phone that shows a code is removed by
// another device, or connects elsewhere: the code ends with that, and not when its
// time is over.
func TestALineThatCanNotBeHadEndsLinking(t *testing.T) {
	for what, want := range map[string]error{"removed": why.ErrDeviceRemoved, "elsewhere": line.ErrSuperseded} {
		linkStory(t, func(t *testing.T, n *testnet.Net) {
			alice := n.Join("alice")
			tablet := alice.Adds("alice's tablet")
			tablet.Syncs()
			s := links(t, alice, &hands{})
			switch what {
			case "removed":
				if err := tablet.RemoveDevice(t.Context(), alice.Me().Device); err != nil {
					t.Fatal(err)
				}
			case "elsewhere":
				alice.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
					if _, ok := f.Body.(*wire.Response); ok && !up {
						return []*wire.Frame{f, {Body: &wire.Push{Body: &wire.Superseded{}}}}
					}
					return []*wire.Frame{f}
				})
				_, _ = alice.Held(t.Context()) // something to answer
			}
			if took, err := s.ends(t); !errors.Is(err, want) || took > time.Minute {
				t.Errorf("%s: it ends after %v with %v", what, took, err)
			}
		})
	}
}

// TestTheRefusalOfAStepKeepsTheNewerOne: while the server sits on a step of alice's
// phone the tablet takes another, and the phone signs a newer one, which is lost
// with its line. That the first is refused then is no reason to forget the newer
// one: it is offered at the next connection.
func TestTheRefusalOfAStepKeepsTheNewerOne(t *testing.T) {
	linkStory(t, func(t *testing.T, n *testnet.Net) {
		phone := n.Join("alice")
		tablet, old := phone.Adds("alice's tablet"), phone.Adds("alice's old PC")
		for _, p := range []*testnet.Person{tablet, old} {
			p.Syncs()
		}
		first, err := n.Newcomer("first").Asks(phone, func() {})
		if err != nil {
			t.Fatal(err)
		}
		var held *wire.Request
		sitting := make(chan struct{})
		phone.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			r, ok := f.Body.(*wire.Request)
			if !ok || !up {
				if r, ok := f.Body.(*wire.Response); ok && held != nil && r.Id == held.Id {
					r.Body = &wire.Failure{Code: wire.FailureChainRefused, Text: "no"}
				}
				return []*wire.Frame{f}
			}
			switch _, signs := r.Body.(*wire.AppendChain); {
			case !signs:
				return []*wire.Frame{f}
			case held == nil:
				held = r
				close(sitting)
				return nil
			}
			return []*wire.Frame{{Body: held}} // in place of the newer one
		})
		added, removed := make(chan error, 1), make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { added <- phone.AddDevice(t.Context(), first) }()
		<-sitting
		second, err := n.Newcomer("second").Asks(tablet, func() {})
		if err != nil {
			t.Fatal(err)
		}
		if err := tablet.AddDevice(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		go func() { removed <- phone.RemoveDevice(ctx, old.Me().Device) }()
		err = <-added
		if refusal, refused := errors.AsType[*line.RefusedError](err); !refused || refusal.Code != wire.FailureChainRefused {
			t.Fatalf("the first step: %v: this story shows nothing", err)
		}
		phone.Switch.Tap(nil)
		cancel()
		<-removed
		phone.Switch.Cut()
		time.Sleep(time.Minute)
		if d, _ := phone.Chain().Device(old.Me().Device); !d.Active {
			t.Fatal("the newer step has arrived: this story shows nothing")
		}
		phone.Syncs()
		time.Sleep(time.Second)
		phone.Syncs()
		if d, _ := phone.Chain().Device(old.Me().Device); d.Active {
			t.Error("the newer step was forgotten")
		}
	})
}
