package relay_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/session"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/vault/vaulttest"
	"github.com/byre-messenger/byre/internal/wire"
)

// world is a relay and the people around it, in one synctest bubble.
type world struct {
	t     testing.TB
	disk  *memstore.Disk
	vault vaulttest.Machine
	// confirmed: the operator believes a clock that is far ahead.
	confirmed bool
	// through, unless nil, puts something between the relay and its store.
	through func(store.Store) store.Store
	store   *storetest.Faulty
	cfg     relay.Config
	relay   *relay.Relay
	stop    func()
	log     strings.Builder
	wait    func() // until nothing happens by itself any more
	people  map[string]*device
}

// story runs a test in a bubble with simulated time.
func story(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	storyWith(t, nil, fn)
}

func storyWith(t *testing.T, configure func(*relay.Config), fn func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, configure)
		fn(t, w)
		w.stop()
	})
}

var rootKey = []byte("a root key of thirty-two bytes!!")

func newWorld(tb testing.TB, configure func(*relay.Config)) *world {
	tb.Helper()
	w := emptyWorld(tb, configure)
	w.start()
	return w
}

// emptyWorld is a world whose relay is not there yet.
func emptyWorld(tb testing.TB, configure func(*relay.Config)) *world {
	tb.Helper()
	keys, err := atrest.New(secret.New(bytes.Clone(rootKey)))
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{t: tb, wait: synctest.Wait, disk: new(memstore.Disk), people: map[string]*device{}}
	w.cfg = relay.Config{Clock: clock.System{}, ServerKey: sign.NewKey(), Keys: keys}
	w.cfg.Log = slog.New(slog.NewTextHandler(&w.log, nil))
	if configure != nil {
		configure(&w.cfg)
	}
	return w
}

// start begins a relay on the disk.
func (w *world) start() {
	w.t.Helper()
	s, err := w.disk.Open()
	if err != nil {
		w.t.Fatal(err)
	}
	w.store = storetest.NewFaulty(s, w.off)
	if w.through != nil {
		w.startOn(w.through(w.store))
		return
	}
	w.startOn(w.store)
}

// off takes the power.
func (w *world) off() {
	w.disk.Crash(0)
	w.vault.Off()
}

// startOn begins a relay on a store.
func (w *world) startOn(s store.Store) {
	w.t.Helper()
	w.cfg.Store, w.cfg.Vault = s, w.vault.Boot()
	w.cfg.Vault.Confirmed = w.confirmed
	r, err := relay.New(w.t.Context(), w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	w.relay, w.stop = r, func() { cancel(); <-done }
}

// halt ends the relay at once, as if the power went. Nobody's connection
// survives.
func (w *world) halt() {
	w.t.Helper()
	w.off()
	w.stop()
	for _, d := range w.people {
		d.hangUp()
	}
}

// crash halts the relay and starts it anew on what was durable.
func (w *world) crash() {
	w.t.Helper()
	w.halt()
	w.start()
}

// link is a connection without a network: frames are kept for the device.
type link struct {
	wait   func()
	mu     sync.Mutex
	frames []*wire.Frame
	closed relay.Reason
	onGone func()
}

func (l *link) Write(b []byte) {
	var f wire.Frame
	if err := f.Parse(b); err != nil {
		panic(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == 0 {
		l.frames = append(l.frames, &f)
	}
}

func (l *link) Close(r relay.Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == 0 {
		l.closed = r
		go l.onGone()
	}
}

// reason returns why the relay closed the connection, 0 if it did not.
func (l *link) reason() relay.Reason {
	l.wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// take removes and returns the frames that match.
func (l *link) take(match func(*wire.Frame) bool) []*wire.Frame {
	l.wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	var got []*wire.Frame
	l.frames = slices.DeleteFunc(l.frames, func(f *wire.Frame) bool {
		if match(f) {
			got = append(got, f)
			return true
		}
		return false
	})
	return got
}

// device is one device of a person, with what it must remember.
type device struct {
	w       *world
	name    string
	chain   devchain.Chain
	id      ident.DeviceID
	keys    *wire.DeviceKeys
	chainBy sign.Key
	signBy  sign.Key
	token   [session.TokenSize]byte
	counter uint64

	link    *link
	session *relay.Session
	nextID  uint64
}

// newDevice makes keys; it belongs to no account yet.
func (w *world) newDevice(name string) *device {
	d := &device{w: w, name: name, chainBy: sign.NewKey(), signBy: sign.NewKey()}
	d.keys = &wire.DeviceKeys{
		Algorithms: 1, Chain: d.chainBy.Public(), SignIn: d.signBy.Public(), Mls: sign.NewKey().Public(), Box: make([]byte, 1216),
	}
	copy(d.keys.Box, name)
	d.id = devchain.DeviceID(d.keys)
	sum := sha256.Sum256(d.id[:])
	copy(d.token[:], sum[:])
	return d
}

// person makes an account with one device at the relay; it is not signed in.
func (w *world) person(name string) *device {
	w.t.Helper()
	d := w.newDevice(name)
	chain, err := devchain.Begin(d.keys, nil, d.chainBy)
	if err != nil {
		w.t.Fatal(err)
	}
	d.chain = chain
	d.dial()
	d.want(&wire.Register{Protocol: 1, Name: name, Chain: chain.Wire()}, &wire.Done{})
	d.hangUp()
	w.people[name] = d
	return d
}

// online makes a person who is signed in.
func (w *world) online(name string) *device {
	w.t.Helper()
	d := w.person(name)
	d.signIn()
	return d
}

// dial opens a connection without signing in.
func (d *device) dial() *wire.Hello {
	d.w.t.Helper()
	l := &link{wait: d.w.wait}
	var s *relay.Session
	ready := make(chan struct{})
	l.onGone = func() { <-ready; s.Closed() }
	s = d.w.relay.Open(l)
	close(ready)
	d.link, d.session = l, s
	hello := l.take(func(f *wire.Frame) bool { _, ok := f.Body.(*wire.Hello); return ok })
	if len(hello) != 1 {
		d.w.t.Fatalf("%s: no Hello", d.name)
	}
	return hello[0].Body.(*wire.Hello)
}

// hangUp ends the connection from the device's side.
func (d *device) hangUp() {
	if d.session != nil {
		d.session.Closed()
		d.session, d.link = nil, nil
	}
	d.w.wait()
}

// signInFrame signs the hello of a new connection.
func (d *device) signInRequest(hello *wire.Hello) *wire.SignIn {
	d.counter++
	id := d.chain.ID()
	hash := sha256.Sum256(d.token[:])
	m := &wire.SignIn{
		Protocol: 1, Account: id[:], Device: d.id[:], Nonce: make([]byte, 32), Counter: d.counter, DeliveryHash: hash[:],
	}
	copy(m.Nonce, d.name)
	m.Signature = d.signBy.Sign(sign.SignIn, transcript(hello, m))
	return m
}

// signIn connects and signs in.
func (d *device) signIn() *wire.SignedIn {
	d.w.t.Helper()
	hello := d.dial()
	in := d.signInRequest(hello)
	got, ok := d.ask(in).(*wire.SignedIn)
	if !ok {
		d.w.t.Fatalf("%s: sign-in was refused", d.name)
	}
	if err := sign.Verify(hello.ServerKey, sign.Server, got.Proof, transcript(hello, in)); err != nil {
		d.w.t.Fatalf("%s: the relay's proof: %v", d.name, err)
	}
	return got
}

// post sends a request and returns its id.
func (d *device) post(body wire.RequestBody) uint64 {
	d.nextID++
	f := wire.Frame{Body: &wire.Request{Id: d.nextID, Body: body}}
	b := f.Append(nil)
	d.session.Handle(b)
	clear(b) // the relay must not keep it
	return d.nextID
}

// answer returns the answer to a request, or nil if there is none yet.
func (d *device) answer(id uint64) wire.ResponseBody {
	got := d.link.take(func(f *wire.Frame) bool {
		r, ok := f.Body.(*wire.Response)
		return ok && r.Id == id
	})
	if len(got) == 0 {
		return nil
	}
	if len(got) > 1 {
		d.w.t.Errorf("%s: request %d has %d answers", d.name, id, len(got))
	}
	return got[0].Body.(*wire.Response).Body
}

// ask sends a request and returns its answer.
func (d *device) ask(body wire.RequestBody) wire.ResponseBody { return d.answer(d.post(body)) }
