package byrecmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/localsock"
)

// errInUse says that another process, which takes no commands, has the home.
var errInUse = errors.New("another byre is using this home; wait until it ends, or name another home with --home")

// errEnded says that it is not known how far a handed-over command came.
var errEnded = errors.New("the byre that listens on this home ended before it answered; 'byre history' shows whether it took a message")

// A handed-over command travels as one JSON object; its output comes back as
// objects with one field each, "exit" being the last.
type (
	handover struct {
		Args []string `json:"args"`
	}
	piece struct {
		Out  string `json:"out,omitempty"`
		Err  string `json:"err,omitempty"`
		Exit *int   `json:"exit,omitempty"`
	}
)

func agentSocket(home string) string { return filepath.Join(home, "agent.sock") }

// elsewhereError says that a listening byre has the home and takes commands, on
// conn, which run closes.
type elsewhereError struct{ conn net.Conn }

func (e *elsewhereError) Error() string { return errInUse.Error() }

// run hands the command over and copies its output.
func (e *elsewhereError) run(ctx context.Context, env *cli.Env, args []string) int {
	refuse := func(err error) int {
		_, _ = fmt.Fprintf(env.Stderr, "byre: %s\n", cli.Sentence(err))
		return cli.ExitRefused
	}
	conn := e.conn
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer env.Slow("waiting for the byre that listens on this home")()
	if err := json.NewEncoder(conn).Encode(handover{args}); err != nil {
		return refuse(errEnded)
	}
	for in := json.NewDecoder(conn); ; {
		var p piece
		if err := in.Decode(&p); err != nil {
			return refuse(errEnded)
		}
		if _, err := io.WriteString(env.Stdout, p.Out); err != nil {
			if errors.Is(err, syscall.EPIPE) {
				return cli.ExitRefused
			}
			return refuse(err)
		}
		_, _ = io.WriteString(env.Stderr, p.Err)
		if p.Exit != nil {
			return *p.Exit
		}
	}
}

// serveAgent runs handed-over commands on c until ctx ends. The caller holds
// the home's lock. stop ends the commands under way; with finish they end by
// themselves, as they do where one of them ended the device.
func serveAgent(ctx context.Context, home string, c *client.Client) (stop func(finish bool), err error) {
	ln, err := localsock.Listen(ctx, agentSocket(home))
	if err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { runHandedOver(ctx, conn, c) })
		}
	})
	return func(finish bool) {
		if !finish {
			cancel()
		}
		_ = ln.Close()
		wg.Wait()
		cancel()
	}, nil
}

func runHandedOver(ctx context.Context, conn net.Conn, c *client.Client) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	in := json.NewDecoder(io.LimitReader(conn, 1<<20))
	var h handover
	if err := in.Decode(&h); err != nil {
		return
	}
	go func() { // the other side goes away: so does its command
		_ = in.Decode(new(piece))
		cancel()
	}()
	out := &pieces{enc: json.NewEncoder(conn)}
	env := &cli.Env{
		Stdout: writer(func(s string) piece { return piece{Out: s} }, out),
		Stderr: writer(func(s string) piece { return piece{Err: s} }, out),
		Getenv: func(string) string { return "" },
	}
	p := &program{here: c}
	code := cli.Main(ctx, p.root(func(err error) error { return err }), env, h.Args)
	_ = out.write(piece{Exit: &code})
}

// pieces writes the output of one command.
type pieces struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (p *pieces) write(v piece) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.enc.Encode(v)
}

type pieceWriter func(b []byte) (int, error)

// Write implements io.Writer.
func (w pieceWriter) Write(b []byte) (int, error) { return w(b) }

func writer(wrap func(string) piece, to *pieces) io.Writer {
	return pieceWriter(func(b []byte) (int, error) {
		if err := to.write(wrap(string(b))); err != nil {
			return 0, err
		}
		return len(b), nil
	})
}
