package relay_test

import (
	"testing"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/wire"
)

// FuzzHandle gives a signed-in session two frames of anybody's making: nothing
// panics, and an honest neighbour is still served.
func FuzzHandle(f *testing.F) {
	frame := func(body wire.RequestBody) []byte {
		f := wire.Frame{Body: &wire.Request{Id: 9, Body: body}}
		return f.Append(nil)
	}
	f.Add([]byte{}, []byte("GET / HTTP/1.1"))
	f.Add(frame(&wire.Ack{N: 1}), frame(&wire.AckGap{Generation: 1}))
	f.Add(frame(&wire.SetAudience{Audience: 1, Add: []wire.Target{{Device: make([]byte, 16), Token: make([]byte, 16)}}}), frame(&wire.Send{Envelope: envelope("x"), Audience: 1}))
	f.Add(frame(appends(1, 0, "x")), frame(readEpoch(1)))
	f.Add(frame(&wire.AppendChain{Account: make([]byte, 32), Entries: []wire.SignedEntry{{Entry: []byte("x")}}}), frame(&wire.ReadHeld{}))
	f.Add(frame(&wire.PublishKeyPackages{OneTime: [][]byte{{1}}, Replace: true}), frame(&wire.ClaimKeyPackages{Account: make([]byte, 32)}))
	f.Add(frame(&wire.Register{Protocol: 1, Name: "x"}), frame(&wire.LookUp{Name: "alice"}))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		w := emptyWorld(t, nil)
		w.wait = func() { _ = w.relay.Settle(t.Context()) }
		w.cfg.Clock = clock.System{}
		w.start()
		defer w.stop()
		mallory, alice := w.online("mallory"), w.person("alice")
		mallory.session.Handle(one)
		mallory.session.Handle(two)
		w.wait()
		alice.signIn()
		got, ok := alice.ask(&wire.LookUp{Name: "alice"}).(*wire.Account)
		if !ok {
			t.Fatalf("alice is not found: %s", show(got))
		}
		if chain, err := devchain.Verify(got.Chain); err != nil || chain.ID() != alice.chain.ID() {
			t.Fatalf("alice is another: %v", err)
		}
	})
}
