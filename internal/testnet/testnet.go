// Package testnet is a server and devices in one process: real relay, real
// device cores, stores in memory, and links between them that a test can cut,
// slow down, listen to and forge. Tests run it inside a [testing/synctest]
// bubble, so that days pass at once.
package testnet

import (
	"context"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet/witness"
	"github.com/byre-messenger/byre/internal/vault/vaulttest"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// Options change a net.
type Options struct {
	// Suite of the devices' groups; zero is the post-quantum default.
	Suite ciphersuite.ID
	// Configure changes the relay before it starts.
	Configure func(*relay.Config)
	// Disk and HomeDisk change what the relay's and the devices' commits do on
	// their way to the disk, for tests that plant a bug there. nil changes
	// nothing.
	Disk, HomeDisk func(store.Store) store.Store
	// Vaults gives each device a vault of its own that erases for good. Without
	// it the slots stand in its store, and go with copies of that.
	Vaults bool
}

// Net is a server and the people around it. Its methods are for the test's
// goroutine.
type Net struct {
	// Clock is the server's.
	Clock *clock.Shifted
	// Store is the running server's, to plan faults on. After a crash nothing
	// works until [Net.CrashServer].
	Store *storetest.Faulty
	// Trace is what devices asked of epoch logs and of key packages, and what
	// they were answered.
	Trace witness.Trace

	t       testing.TB
	options Options
	config  relay.Config
	disk    memstore.Disk
	vault   vaulttest.Machine
	relay   *relay.Relay
	stop    func()
	wires   wires
	people  []*Person
}

// New starts a server. It stops, and everybody with it, at the test's end;
// inside a bubble the test must call [Net.Close] itself.
func New(tb testing.TB, o Options) *Net {
	tb.Helper()
	keys, err := atrest.New(secret.New([]byte("a root key of thirty-two bytes!!")))
	if err != nil {
		tb.Fatal(err)
	}
	n := &Net{t: tb, options: o, Clock: clock.Shift(clock.System{}, 0)}
	n.config = relay.Config{Clock: n.Clock, ServerKey: sign.NewKey(), Keys: keys}
	n.wires.trace = &n.Trace
	if o.Configure != nil {
		o.Configure(&n.config)
	}
	n.start()
	return n
}

func (n *Net) start() {
	n.t.Helper()
	s, err := n.disk.Open()
	if err != nil {
		n.t.Fatal(err)
	}
	n.Store = storetest.NewFaulty(through(n.options.Disk, s), n.off)
	n.config.Store, n.config.Vault = n.Store, n.vault.Boot()
	if n.relay, err = relay.New(n.t.Context(), n.config); err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func(r *relay.Relay) { defer close(done); r.Run(ctx) }(n.relay)
	n.stop = func() {
		cancel()
		<-done
		_ = s.Close()
	}
	n.wires.serve(n.relay)
}

// through is a store behind what a test put before it.
func through(change func(store.Store) store.Store, s store.Store) store.Store {
	if change == nil {
		return s
	}
	return change(s)
}

// off takes the server's power.
func (n *Net) off() {
	n.disk.Crash(0)
	n.vault.Off()
}

// CrashServer takes the server's power and starts it anew on what was durable.
// Nobody's connection survives.
func (n *Net) CrashServer() {
	n.t.Helper()
	n.off()
	n.wires.cutAll()
	n.stop()
	n.start()
}

// StopServer drains the server; StartServer starts it again.
func (n *Net) StopServer() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.relay.Drain(ctx); err != nil && !n.Store.Crashed() { // a store without power takes nothing
		n.t.Errorf("drain: %v", err)
	}
	n.wires.serve(nil)
	n.wires.cutAll()
	n.stop()
	time.Sleep(10 * time.Millisecond) //nolint:forbidigo // cables end on their own time
}

// StartServer starts a server that was stopped.
func (n *Net) StartServer() { n.t.Helper(); n.start() }

// ReplaceServerKey gives the server another identity at its next start.
func (n *Net) ReplaceServerKey() { n.config.ServerKey = sign.NewKey() }

// Suite is the suite of the devices' groups.
func (n *Net) Suite() ciphersuite.ID { return n.options.Suite }

// Status are the server's counters.
func (n *Net) Status() relay.Status { return n.relay.Status() }

// Close ends everybody, then the server.
func (n *Net) Close() {
	for _, p := range n.people {
		p.close()
	}
	n.wires.cutAll()
	n.stop()
	time.Sleep(10 * time.Millisecond) //nolint:forbidigo // cables end on their own time
}
