package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/byre-messenger/byre/bench/proc"
	"github.com/byre-messenger/byre/bench/several"
)

const (
	idleConnections = 10_000
	// perAddress is how many of them come from one address of this machine.
	perAddress = 500
	// settleTime lets the server come to rest before its memory is read: it gives
	// back what a rush of sign-ins took once that is over. A run of a few
	// connections does not wait for it all.
	settleTime = 15 * time.Second
)

// idle is W3: sign-ins with full handshakes, the memory of what then stands
// idle, and sign-ins of the same devices with resumed TLS.
func idle(ctx context.Context, o options, r *result) error {
	n := or(o.n, idleConnections)
	t, devices, err := serve(ctx, o, n)
	if err != nil {
		return err
	}
	i := &idlers{t: t, devices: devices, sessions: make([]tls.ClientSessionCache, n)}
	for k := range i.sessions {
		i.sessions[k] = tls.NewLRUClientSessionCache(1)
	}
	return errors.Join(i.measure(ctx, r), t.stop())
}

// idlers are devices that sign in and then do nothing.
type idlers struct {
	t        *target
	devices  []*device
	sessions []tls.ClientSessionCache
}

func (i *idlers) measure(ctx context.Context, r *result) error {
	n := len(i.devices)
	before, err := i.t.proc.Memory()
	if err != nil {
		return err
	}
	r.tell("%d connections", n)
	conns, u, err := i.signIn(ctx, false)
	if err != nil {
		return err
	}
	r.Connections, r.SignInsPerS, r.SignInCPU, r.Elsewhere = n, float64(n)/u.Seconds, u.Server*1e3/float64(n), u.Elsewhere
	err = machine.Sleep(ctx, min(settleTime, time.Duration(n)*5*time.Millisecond))
	if after, err2 := i.t.proc.Memory(); err == nil && err2 == nil && i.t.proc != nil {
		r.KBPerConnection = float64(after-before) / 1000 / float64(n)
	}
	hangUp(conns)
	if err == nil {
		err = machine.Sleep(ctx, min(time.Second, time.Duration(n)*time.Millisecond)) // until the server has noticed
	}
	if err != nil {
		return err
	}
	conns, u, err = i.signIn(ctx, true)
	hangUp(conns)
	r.Elsewhere = max(r.Elsewhere, u.Elsewhere)
	r.ResumedPerS, r.ResumedCPU = float64(n)/u.Seconds, u.Server*1e3/float64(n)
	return err
}

// signIn connects all devices and signs them in.
func (i *idlers) signIn(ctx context.Context, resumed bool) (conns []*conn, u proc.Usage, err error) {
	conns = make([]*conn, len(i.devices))
	m, err := proc.NewMeter(i.t.proc)
	if err != nil {
		return nil, u, err
	}
	err = several.Do(len(conns), dialers, func(k int) error {
		from := net.IPv4(127, 0, 1, byte(1+k/perAddress)) //nolint:gosec // n is bounded by the file handles of a process
		if i.t.proc == nil {
			from = nil // the addresses of this machine's loopback lead nowhere else
		}
		c, err := connect(ctx, i.t, i.devices[k], dialOptions{from: from, sessions: i.sessions[k], small: true})
		if err != nil {
			return err
		}
		conns[k] = c
		if did := c.tls.ConnectionState().DidResume; did != resumed {
			return fmt.Errorf("a connection was resumed: %t, want %t", did, resumed)
		}
		return nil
	})
	if err == nil {
		u, err = m.Read()
	}
	if err != nil {
		hangUp(conns)
		return nil, u, err
	}
	return conns, u, nil
}
