package testnet

import (
	"context"
	"errors"
	"fmt"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/meet"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// Adds gives the person one more device, by the durable steps of linking but
// without meeting it: see [Person.Joins] for all of it.
func (p *Person) Adds(name string) *Person {
	p.net.t.Helper()
	d := p.net.Newcomer(name)
	request, err := d.Asks(p, func() {})
	if err != nil {
		p.net.t.Fatalf("%s asks for a place: %v", name, err)
	}
	if err := p.AddDevice(p.net.t.Context(), request); err != nil {
		p.net.t.Fatalf("%s adds %s: %v", p.Name, name, err)
	}
	if err := d.Open(); err != nil {
		p.net.t.Fatalf("%s: %v", name, err)
	}
	return d
}

// Asks makes a newcomer the home of one more device of a person, who may then
// add it. Something may be done to the store before.
func (p *Person) Asks(of *Person, before func()) (*wire.AddDevice, error) {
	if err := p.mount(); err != nil {
		return nil, err
	}
	before()
	request, err := p.keeps(of)
	if err != nil {
		p.unmount()
		return nil, fmt.Errorf("ask: %w", err)
	}
	return request, nil
}

// enroll is what the home of a new device is made with.
func (p *Person) enroll() enroll.Config {
	c := p.config()
	return enroll.Config{Store: c.Store, Home: home.Options{Passphrase: c.Passphrase, Vault: c.Vault, Cost: c.Cost}, Server: c.Server.URL}
}

func (p *Person) keeps(of *Person) (*wire.AddDevice, error) {
	ctx := p.net.t.Context()
	chain := of.Chain()
	j, err := enroll.Join(ctx, p.enroll())
	if err != nil {
		return nil, err
	}
	name, err := ident.ParseName(of.Me().Name)
	if err != nil {
		return nil, err
	}
	a := linking.Asked{Account: chain.ID(), Name: name, Length: chain.Len(), Head: chain.Head(), Device: j.Me.Device, Sponsor: of.Me().Device}
	copy(a.ServerKey[:], p.net.config.ServerKey.Public())
	if err := j.Keep(ctx, a); err != nil {
		return nil, err
	}
	p.asks = j
	return j.Me.Request(chain), nil
}

// becomes makes a device that asked a device, if the directory lists it by now.
func (p *Person) becomes() error {
	chain, known := p.net.chain(p.asks.Me.Account)
	if !known {
		return enroll.ErrNotRegistered
	}
	if d, ok := chain.Device(p.asks.Me.Device); !ok || !d.Active {
		return enroll.ErrNotRegistered
	}
	_, err := p.asks.Become(p.net.t.Context(), chain)
	if err == nil {
		p.asks = nil
	}
	return err
}

// Chain is the person's account as the directory shows it to whoever asks.
// A server that never had it is told of it first, as at every connection.
func (p *Person) Chain() devchain.Chain {
	p.net.t.Helper()
	chain, known := p.net.chain(p.Me().Account)
	if !known {
		p.Syncs()
		if chain, known = p.net.chain(p.Me().Account); !known {
			p.net.t.Fatalf("the server does not know %s", p.Name)
		}
	}
	return chain
}

func (n *Net) chain(of ident.AccountID) (chain devchain.Chain, known bool) {
	n.t.Helper()
	ok := func(err error) {
		n.t.Helper()
		if err != nil {
			n.t.Fatalf("read a chain: %v", err)
		}
	}
	conn, err := (&Switch{wires: &n.wires, who: -1}).Dial(n.t.Context())
	ok(err)
	l, err := line.Open(n.t.Context(), conn, nil)
	ok(err)
	defer l.End(line.ErrOffline)
	body, err := l.Ask(n.t.Context(), &wire.ReadChain{Account: of[:]})
	if _, refused := errors.AsType[*line.RefusedError](err); refused {
		return devchain.Chain{}, false
	}
	ok(err)
	shown, _ := body.(*wire.Account)
	chain, err = account.ReadChain(shown)
	ok(err)
	return chain, true
}

// Mount gets at the disk of a device that is off, to plan faults on its Store.
func (p *Person) Mount() error { return p.mount() }

// PowerOff takes the device's power and leaves it off.
func (p *Person) PowerOff() {
	p.disk.Crash(0)
	p.close()
	p.unmount()
}

// Joins makes a newcomer's home one more device of an account, with the code that
// another device shows. The device is on when it returns nil.
func (p *Person) Joins(ctx context.Context, code linking.Code, who meet.Person) (err error) {
	if err := p.mount(); err != nil {
		return err
	}
	if p.Client, err = client.Join(ctx, p.config(), code, nil, who); err != nil {
		p.Client = nil
		p.unmount()
	}
	return err
}

// Recovers makes a newcomer's home the only device of the account of its name, with
// something done to the store before. The device is on when it returns nil.
func (p *Person) Recovers(ctx context.Context, phrase func(public []byte) (sign.Key, error), before func()) (err error) {
	if err := p.mount(); err != nil {
		return err
	}
	before()
	if p.Client, err = client.Recover(ctx, p.config(), p.Name, phrase); err != nil {
		p.Client = nil
		p.unmount()
	}
	return err
}

// GivesUp has a device that is off wait no longer to be listed.
func (p *Person) GivesUp() error {
	if err := p.mount(); err != nil {
		return err
	}
	defer p.unmount()
	return enroll.GiveUp(p.net.t.Context(), p.enroll())
}
