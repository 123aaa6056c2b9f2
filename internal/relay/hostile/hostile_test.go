// Package hostile gives the relay frames of anybody's making. It stands apart
// from the relay's other tests so that it links no storage engine: fuzzing
// builds everything it links anew.
package hostile

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"testing"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/vault/vaulttest"
	"github.com/byre-messenger/byre/internal/wire"
)

// link keeps what the relay says.
type link struct {
	mu     sync.Mutex
	frames []wire.Frame
	closed bool
}

func (l *link) Write(b []byte) {
	var f wire.Frame
	if err := f.Parse(b); err != nil {
		panic(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frames = append(l.frames, f)
}

func (l *link) Close(relay.Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// last returns the last thing said.
func (l *link) last() wire.FrameBody {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.frames[len(l.frames)-1].Body
}

func frame(id uint64, body wire.RequestBody) []byte {
	f := wire.Frame{Body: &wire.Request{Id: id, Body: body}}
	return f.Append(nil)
}

// enter registers somebody and signs in.
func enter(t *testing.T, r *relay.Relay, name string) (*relay.Session, *link, devchain.Chain) {
	t.Helper()
	chainKey, signKey := sign.NewKey(), sign.NewKey()
	keys := &wire.DeviceKeys{Algorithms: 1, Chain: chainKey.Public(), SignIn: signKey.Public(), Mls: sign.NewKey().Public(), Box: make([]byte, 1216)}
	chain, err := devchain.Begin(keys, nil, chainKey)
	if err != nil {
		t.Fatal(err)
	}
	l := &link{}
	s := r.Open(l)
	hello, ok := l.last().(*wire.Hello)
	if !ok {
		t.Fatal("no Hello")
	}
	s.Handle(frame(1, &wire.Register{Protocol: 1, Name: name, Chain: chain.Wire()}))
	account, device := chain.ID(), devchain.DeviceID(keys)
	in := &wire.SignIn{Protocol: 1, Account: account[:], Device: device[:], Nonce: make([]byte, 32), Counter: 1}
	hash := sha256.Sum256(make([]byte, 16))
	in.DeliveryHash = hash[:]
	in.Signature = signKey.Sign(sign.SignIn, slices.Concat(hello.ServerKey, hello.Nonce, in.Nonce, in.Account, in.Device,
		binary.BigEndian.AppendUint64(nil, in.Counter), in.DeliveryHash))
	s.Handle(frame(2, in))
	if p, ok := l.last().(*wire.Push); !ok || p.Body == nil {
		t.Fatalf("%s can't sign in", name)
	}
	return s, l, chain
}

// FuzzHandle gives a signed-in session, and one that is not, two frames of
// anybody's making: nothing panics, and an honest neighbour is still served.
func FuzzHandle(f *testing.F) {
	envelope, id := make([]byte, 256), make([]byte, 32)
	me := []wire.Target{{Device: id[:16], Token: id[:16]}}
	f.Add([]byte{}, []byte("GET / HTTP/1.1"))
	f.Add(frame(0, &wire.Ack{N: 1}), frame(9, &wire.AckGap{Generation: 1}))
	f.Add(frame(8, &wire.SetAudience{Audience: 1, Add: me}), frame(9, &wire.Send{Envelope: envelope, Audience: 1}))
	f.Add(frame(8, &wire.AppendEpoch{Handle: id, Commit: envelope, Targets: me}), frame(9, &wire.ReadEpoch{Handle: id}))
	f.Add(frame(8, &wire.AppendChain{Account: id, Entries: []wire.SignedEntry{{Entry: []byte("x")}}}), frame(9, &wire.ReadHeld{}))
	f.Add(frame(8, &wire.PublishKeyPackages{OneTime: [][]byte{{1}}, Replace: true}), frame(9, &wire.ClaimKeyPackages{Account: id}))
	f.Add(frame(8, &wire.Register{Protocol: 1, Name: "somebody"}), frame(9, &wire.LookUp{Name: "alice"}))
	keys, err := atrest.New(secret.New(make([]byte, atrest.RootSize)))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		r, err := relay.New(t.Context(), relay.Config{Store: memstore.New(), Clock: clock.System{}, ServerKey: sign.NewKey(), Keys: keys, Vault: new(vaulttest.Machine).Boot()})
		if err != nil {
			t.Fatal(err)
		}
		alice, heard, chain := enter(t, r, "alice")
		mallory, _, _ := enter(t, r, "mallory")
		stranger := r.Open(&link{})
		for _, s := range []*relay.Session{mallory, stranger} {
			s.Handle(one)
			s.Handle(two)
			s.Closed()
		}
		alice.Handle(frame(3, &wire.LookUp{Name: "alice"}))
		answer, ok := heard.last().(*wire.Response)
		if !ok || heard.closed {
			t.Fatal("alice gets no answer")
		}
		got, ok := answer.Body.(*wire.Account)
		if !ok {
			t.Fatalf("alice is not found: %T", answer.Body)
		}
		if found, err := devchain.Verify(got.Chain); err != nil || found.ID() != chain.ID() {
			t.Fatalf("alice is another: %v", err)
		}
		if err := r.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
