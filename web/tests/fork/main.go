// Command fork is a person of the web client's tests with some devices, who does
// as told on its input, a line at a time, and answers each with "ok". A test that
// sets the server back between two lines has two of the devices sign steps that
// contradict each other.
//
//	fork URL CA NAME DEVICE [DEVICE ...]
//
//	phone removes tablet     (two of the devices)
//	phone writes alice 500   (as many messages, as fast as they are confirmed)
package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/linking"
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
	if len(args) < 4 {
		return errors.New("usage: fork URL CA NAME DEVICE [DEVICE ...]")
	}
	pem, err := os.ReadFile(args[1]) //nolint:gosec // the test names it
	if err != nil {
		return err
	}
	devices, err := devicesOf(ctx, client.Server{URL: args[0], CA: pem}, args[2], args[3:])
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, "ok")
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := do(ctx, devices, strings.Fields(lines.Text())); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(out, "ok")
	}
	return nil
}

func do(ctx context.Context, devices map[string]*client.Client, line []string) error {
	if len(line) == 3 && line[1] == "removes" && devices[line[0]] != nil && devices[line[2]] != nil {
		return devices[line[0]].RemoveDevice(ctx, devices[line[2]].Me().Device)
	}
	if len(line) == 4 && line[1] == "writes" && devices[line[0]] != nil {
		count, err := strconv.Atoi(line[3])
		return errors.Join(err, write(ctx, devices[line[0]], line[2], count))
	}
	return fmt.Errorf("nobody understands %q", line)
}

const (
	// waiting is how many messages are not confirmed at a time, at most.
	waiting = 128
	// patience is how often somebody looks whether they are.
	patience = 10 * time.Millisecond
)

var words = strings.Fields("A cow stands in the byre and thinks of the meadow, of rain, of nothing at all. 소는 외양간에 서서 풀밭을 생각한다.")

// write writes messages of all lengths, each with its number, and returns when
// all are confirmed.
func write(ctx context.Context, c *client.Client, to string, count int) error {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	fewer := func(than int) error {
		for {
			list, err := c.Outbox(ctx)
			if err != nil || len(list) < than {
				return err
			}
			if err := (clock.System{}).Sleep(ctx, patience); err != nil {
				return err
			}
		}
	}
	err := func() error {
		for n := range count {
			if n%(waiting/2) == 0 {
				if err := fewer(waiting / 2); err != nil {
					return err
				}
			}
			text := []string{strconv.Itoa(n)}
			for i := range 1 + n*7%40 {
				text = append(text, words[(n+i)%len(words)])
			}
			if _, err := c.Send(ctx, to, strings.Join(text, " "), outbox.Options{}); err != nil {
				return err
			}
		}
		return fewer(1)
	}()
	stop()
	return errors.Join(err, <-ended)
}

// agreeing is a person who says yes.
type agreeing struct{}

// Compare implements meet.Person.
func (agreeing) Compare(context.Context, linking.Ask) (bool, error) { return true, nil }

// Waits implements meet.Person.
func (agreeing) Waits(string) {}

// devicesOf makes an account with its devices.
func devicesOf(ctx context.Context, server client.Server, name string, names []string) (map[string]*client.Client, error) {
	first, err := client.Register(ctx, config(server), name)
	if err != nil {
		return nil, err
	}
	devices := map[string]*client.Client{names[0]: first}
	for _, other := range names[1:] {
		code, linked := make(chan linking.Link, 1), make(chan error, 1)
		go func() { linked <- first.Link(ctx, agreeing{}, func(l linking.Link) { code <- l }) }()
		select {
		case l := <-code:
			if devices[other], err = client.Join(ctx, config(server), l.Code, l.ServerKey[:], agreeing{}); err != nil {
				return nil, err
			}
			err = <-linked
		case err = <-linked:
		}
		if err != nil {
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
		Connect: func(s client.Server) (line.Transport, error) {
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(server.CA)
			return dialer{transport.Dialer{URL: s.URL, Roots: roots, Clock: clock.System{}}}, nil
		},
	}
}

// dialer gives the transport the client's types.
type dialer struct{ transport.Dialer }

// Dial implements [line.Transport].
func (d dialer) Dial(ctx context.Context) (line.Conn, error) {
	conn, err := d.Dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return conn, nil
}
