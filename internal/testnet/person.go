package testnet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/store/storetest"
)

// Person is one person's device: a disk, a way to the server, and a client when
// it is switched on.
type Person struct {
	*client.Client // nil while it is off
	Name           string
	Passphrase     string
	Switch         *Switch
	// Store is the open home's, to plan faults on.
	Store *storetest.Faulty
	// Clock is the device's.
	Clock *clock.Shifted
	// Vault is the home's, nil unless the net has vaults.
	Vault home.Vault
	// Seen is what a client's Config has under this name, from the next opening on.
	Seen bool

	net  *Net
	disk *memstore.Disk
	asks *enroll.Joining // of a device that waits to be listed
	done chan error      // of Run, nil unless it runs
	quit context.CancelFunc
}

// Join registers a person and leaves the device on, not connected.
func (n *Net) Join(name string) *Person {
	n.t.Helper()
	p := n.Newcomer(name)
	if err := p.Register(); err != nil {
		n.t.Fatalf("%s registers: %v", name, err)
	}
	return p
}

// Newcomer is a person without an account.
func (n *Net) Newcomer(name string) *Person {
	p := &Person{
		Name: name, Passphrase: name + "'s passphrase", Clock: clock.Shift(clock.System{}, 0),
		Switch: &Switch{wires: &n.wires, who: len(n.people)}, net: n, disk: &memstore.Disk{},
	}
	if n.options.Vaults {
		p.Vault = home.NewVaultForTests()
	}
	n.people = append(n.people, p)
	return p
}

func (p *Person) config() client.Config {
	return client.Config{
		Store:      p.Store,
		Passphrase: func() (secret.Bytes, error) { return secret.New([]byte(p.Passphrase)), nil },
		Connect:    func(client.Server) (line.Transport, error) { return p.Switch, nil },
		Clock:      p.Clock,
		Vault:      p.Vault,
		Seen:       p.Seen,
		Server:     client.Server{URL: "https://byre.test"},
		Suite:      p.net.options.Suite,
		Cost:       home.WeakCostForTests(),
	}
}

func (p *Person) mount() error {
	if p.Store != nil {
		return nil
	}
	s, err := p.disk.Open()
	if err != nil {
		return fmt.Errorf("open %s's disk: %w", p.Name, err)
	}
	disk := p.disk
	p.Store = storetest.NewFaulty(through(p.net.options.HomeDisk, s), func() { disk.Crash(0) })
	return nil
}

func (p *Person) unmount() {
	if p.Store != nil {
		_ = p.Store.Close()
		p.Store = nil
	}
}

// Register makes the account. A device that failed is off.
func (p *Person) Register() error { return p.RegisterWith(func() {}) }

// RegisterWith is Register with something done to the store before.
func (p *Person) RegisterWith(before func()) (err error) {
	if err := p.mount(); err != nil {
		return err
	}
	before()
	if p.Client, err = client.Register(p.net.t.Context(), p.config(), p.Name); err != nil {
		p.Client = nil
		p.unmount()
	}
	return err
}

// Open switches the device on.
func (p *Person) Open() (err error) {
	if err := p.mount(); err != nil {
		return err
	}
	if p.asks != nil {
		if err := p.becomes(); err != nil {
			return err
		}
	}
	if p.Client, err = client.Open(p.net.t.Context(), p.config()); err != nil {
		p.Client = nil
		p.unmount()
	}
	return err
}

// Connect stays connected until Disconnect.
func (p *Person) Connect() {
	ctx, cancel := context.WithCancel(context.Background())
	p.quit, p.done = cancel, make(chan error, 1)
	go func(c *client.Client, done chan<- error) { done <- c.Run(ctx) }(p.Client, p.done)
}

// Disconnect ends the connection and returns why it had ended, if it had.
func (p *Person) Disconnect() error {
	if p.done == nil {
		return nil
	}
	p.quit()
	err := <-p.done
	p.done = nil
	return err
}

// Close switches the device off.
func (p *Person) Close() error {
	if p.Client == nil {
		return nil
	}
	err := errors.Join(p.Disconnect(), p.Client.Close())
	p.Client = nil
	p.unmount()
	return err
}

// close is Close for what may have crashed.
func (p *Person) close() { _ = p.Close() }

// Crash takes the device's power, and switches it on again.
func (p *Person) Crash() error {
	p.disk.Crash(0)
	p.close()
	return p.Open()
}

// Copy keeps what stands on the disk as a backup would. Restore puts it back.
func (p *Person) Copy() (store.Batch, error) {
	var b store.Batch
	err := p.Store.View(p.net.t.Context(), func(r store.Reader) error {
		for kv, err := range r.Scan(nil, nil, 0) {
			if err != nil {
				return err
			}
			b.Set(kv.Key, kv.Val)
		}
		return nil
	})
	return b, err
}

// Restore puts an older copy in place of the disk and switches the device on.
func (p *Person) Restore(b store.Batch) error {
	p.close()
	p.disk = &memstore.Disk{}
	if err := p.mount(); err != nil {
		return err
	}
	if err := p.Store.Commit(p.net.t.Context(), &b); err != nil {
		return err
	}
	return p.Open()
}

// Took returns the events that came since it was called last.
func (p *Person) Took() []told.Event {
	p.net.t.Helper()
	var out []told.Event
	for ev, err := range p.Events(p.net.t.Context(), false) {
		if err != nil {
			p.net.t.Fatalf("%s's events: %v", p.Name, err)
		}
		out = append(out, ev)
	}
	return out
}

// Says sends and returns the message as it stands in the outbox.
func (p *Person) Says(to *Person, text string) told.Message {
	p.net.t.Helper()
	m, err := p.Send(p.net.t.Context(), to.Name, text, outbox.Options{})
	if err != nil {
		p.net.t.Fatalf("%s writes to %s: %v", p.Name, to.Name, err)
	}
	return m
}

// Syncs connects, reads and sends what waits, and disconnects.
func (p *Person) Syncs() {
	p.net.t.Helper()
	ctx, cancel := context.WithTimeout(p.net.t.Context(), time.Minute)
	defer cancel()
	if err := p.Sync(ctx); err != nil {
		p.net.t.Fatalf("%s syncs: %v", p.Name, err)
	}
}

// Stopped reports whether the client has stopped by itself, as it does when its
// disk fails.
func (p *Person) Stopped() bool {
	_, err := p.Outbox(p.net.t.Context())
	return err != nil
}
