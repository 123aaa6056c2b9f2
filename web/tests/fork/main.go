// Command fork is a person of the web client's tests with three devices, who
// does as told on its input, a line at a time, and answers each with "ok". The
// test sets the server back between two lines, so that two of the devices sign
// steps that contradict each other.
//
//	fork URL CA NAME
//
//	PHONE removes TABLET    (any two of phone, pc, tablet)
package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/transport"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "fork:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if len(args) != 3 {
		return errors.New("usage: fork URL CA NAME")
	}
	pem, err := os.ReadFile(args[1]) //nolint:gosec // the test names it
	if err != nil {
		return err
	}
	devices, err := devicesOf(ctx, client.Server{URL: args[0], CA: pem}, args[2])
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, "ok")
	for lines := bufio.NewScanner(in); lines.Scan(); {
		who, whom, found := strings.Cut(lines.Text(), " removes ")
		a, b := devices[who], devices[whom]
		if !found || a == nil || b == nil {
			return fmt.Errorf("nobody understands %q", lines.Text())
		}
		if err := a.RemoveDevice(ctx, b.Me().Device); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(out, "ok")
	}
	return nil
}

// devicesOf makes an account with three devices.
func devicesOf(ctx context.Context, server client.Server, name string) (map[string]*client.Client, error) {
	phone, err := client.Register(ctx, config(server), name)
	if err != nil {
		return nil, err
	}
	devices := map[string]*client.Client{"phone": phone}
	for _, other := range []string{"pc", "tablet"} {
		inv, err := phone.Invite(ctx)
		if err != nil {
			return nil, err
		}
		cfg := config(server)
		request, err := client.Ask(ctx, cfg, inv)
		if err != nil {
			return nil, err
		}
		if err := phone.AddDevice(ctx, request); err != nil {
			return nil, err
		}
		if devices[other], err = client.Open(ctx, cfg); err != nil {
			return nil, err
		}
		if err := devices[other].Sync(ctx); err != nil {
			return nil, err
		}
	}
	return devices, nil
}

func config(server client.Server) client.Config {
	return client.Config{
		Store: memstore.New(), Clock: clock.System{}, Server: server, Cost: home.WeakCostForTests(),
		Passphrase: func() (secret.Bytes, error) { return secret.New([]byte("eine Kuh macht Muh")), nil },
		Connect: func(s client.Server) (client.Transport, error) {
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(server.CA)
			return dialer{transport.Dialer{URL: s.URL, Roots: roots, Clock: clock.System{}}}, nil
		},
	}
}

// dialer gives the transport the client's types.
type dialer struct{ transport.Dialer }

// Dial implements [client.Transport].
func (d dialer) Dial(ctx context.Context) (client.Conn, error) {
	conn, err := d.Dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return conn, nil
}
