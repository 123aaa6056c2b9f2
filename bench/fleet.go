package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/byre-messenger/byre/bench/several"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/directory"
	"github.com/byre-messenger/byre/internal/relay/session"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/store/pebblestore"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/internal/work"
)

// device is one account with one device, and what it must remember.
type device struct {
	name    ident.Name
	chain   devchain.Chain
	id      ident.DeviceID
	key     sign.Key // of sign-ins
	token   [session.TokenSize]byte
	counter uint64
}

func newDevice(n int) (*device, error) {
	name, err := ident.ParseName(letters(n))
	if err != nil {
		return nil, err
	}
	d := &device{name: name, key: sign.NewKey()}
	_, _ = rand.Read(d.token[:]) // never fails
	chainKey := sign.NewKey()
	keys := &wire.DeviceKeys{
		Algorithms: 1, Chain: chainKey.Public(), SignIn: d.key.Public(), Mls: sign.NewKey().Public(), Box: make([]byte, 1216),
	}
	_, _ = rand.Read(keys.Box)
	d.id = devchain.DeviceID(keys)
	d.chain, err = devchain.Begin(keys, nil, chainKey)
	return d, err
}

// letters names the nth account. No two of these names look alike.
func letters(n int) string {
	const of = "abcdefghjkmpqrstwxyz"
	name := []byte("bench")
	for range 5 {
		name = append(name, of[n%len(of)])
		n /= len(of)
	}
	return string(name)
}

// target is the way to the device's mailbox.
func (d *device) target() wire.Target { return wire.Target{Device: d.id[:], Token: d.token[:]} }

// signIn signs a sign-in for one connection.
func (d *device) signIn(hello *wire.Hello) *wire.SignIn {
	d.counter++
	account, hash := d.chain.ID(), sha256.Sum256(d.token[:])
	nonce := make([]byte, session.NonceSize)
	_, _ = rand.Read(nonce)
	m := &wire.SignIn{Protocol: 1, Account: account[:], Device: d.id[:], Nonce: nonce, Counter: d.counter, DeliveryHash: hash[:]}
	// docs/spec/relay.md, Signatures.
	m.Signature = d.key.Sign(sign.SignIn, slices.Concat(hello.ServerKey, hello.Nonce, nonce, account[:], d.id[:],
		binary.BigEndian.AppendUint64(nil, m.Counter), hash[:]))
	return m
}

// seed makes a data directory with n accounts in it, as byred would have it
// after n registrations: limits of registration are not what is measured here.
func seed(ctx context.Context, data string, n int) (devices []*device, err error) {
	dir, err := datadir.Open(data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	store, err := pebblestore.Open(filepath.Join(data, "relay"), pebblestore.Options{Server: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	keys, err := atrest.New(dir.Root)
	if err != nil {
		return nil, err
	}
	of := directory.Directory{Store: store, Keys: keys}
	return makeAll(n, 64, func(_ int, d *device) error {
		if _, err := of.Register(ctx, machine.Now(), d.name, d.chain, nil); err != nil {
			return err
		}
		// The first sign-in is what gives the mailbox its token.
		d.counter++
		in := session.SignIn{Account: d.chain.ID(), Device: d.id, Counter: d.counter, Hash: sha256.Sum256(d.token[:])}
		_, err := of.SignIn(ctx, in, nil)
		return err
	})
}

// perConnection is how many accounts one connection may make at once
// (docs/spec/relay.md, Connection).
const perConnection = 20

// registerAll makes n accounts over the network, each of which signs in once.
// Each costs the work that the server asks for.
func registerAll(ctx context.Context, t *target, n int) ([]*device, error) {
	var c *conn
	var hello *wire.Hello
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	return makeAll(n, 1, func(i int, d *device) (err error) {
		if i%perConnection == 0 {
			if c != nil {
				c.close()
			}
			if c, err = dial(ctx, t, dialOptions{}); err == nil {
				hello, err = c.hello()
			}
			if err != nil {
				return err
			}
		}
		done, err := work.Find(ctx, hello.Nonce, d.chain.ID(), int(hello.RegisterWork), nil)
		if err != nil {
			return err
		}
		answer, err := c.ask(&wire.Register{Protocol: 1, Name: d.name.String(), Chain: d.chain.Wire(), Work: done})
		if err != nil {
			return err
		}
		if f, ok := answer.(*wire.Failure); ok {
			return fmt.Errorf("the server refuses an account (%s): start it with --registration open", f.Text)
		}
		first, err := connect(ctx, t, d, dialOptions{})
		if err != nil {
			return err
		}
		first.close()
		return nil
	})
}

// makeAll makes n devices, workers at a time.
func makeAll(n, workers int, add func(int, *device) error) ([]*device, error) {
	devices, failed := make([]*device, n), several.NewFailures()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for failed.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				d, err := newDevice(i)
				if err == nil {
					err = add(i, d)
				}
				if err != nil {
					failed.Add(fmt.Errorf("make accounts: %w", err))
					return
				}
				devices[i] = d
			}
		})
	}
	wg.Wait()
	return devices, failed.Err()
}
