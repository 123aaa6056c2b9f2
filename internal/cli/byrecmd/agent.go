package byrecmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/cli/carry"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/localsock"
	"github.com/byre-messenger/byre/internal/secret"
)

// errInUse says that another process, which takes no commands, has the home.
var errInUse = errors.New("another byre is using this home; wait until it ends, or name another home with --home")

// errEnded says that it is not known how far a handed-over command came.
var errEnded = errors.New("the byre that listens on this home ended before it answered; 'byre history' shows whether it took a message")

// A handed-over command travels as one JSON object; its output comes back as
// objects with one field each, "exit" being the last. What it asks is answered
// with objects in the other direction, one each.
type (
	handover struct {
		Args     []string `json:"args"`
		Terminal bool     `json:"terminal,omitempty"` // a person looks
		Dir      string   `json:"dir,omitempty"`      // where relative paths begin
	}
	piece struct {
		Out      string `json:"out,omitempty"`
		Err      string `json:"err,omitempty"`
		Ask      string `json:"ask,omitempty"` // what is asked for
		Question string `json:"question,omitempty"`
		Exit     *int   `json:"exit,omitempty"`
	}
	reply struct {
		Text   string `json:"text"`
		Nobody string `json:"nobody,omitempty"` // why there is no answer
	}
)

// What a command may ask for.
const (
	askLine   = "line"
	askSecret = "passphrase"
	askFile   = "passphrase of a file"
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
	told := env.Slow("waiting for the byre that listens on this home")
	defer func() { told() }()
	enc := json.NewEncoder(conn)
	dir, _ := os.Getwd() // without one, relative paths are refused there
	if err := enc.Encode(handover{args, env.Terminal, dir}); err != nil {
		return refuse(errEnded)
	}
	for in := json.NewDecoder(conn); ; {
		var p piece
		if err := in.Decode(&p); err != nil {
			return refuse(errEnded)
		}
		told()
		if p.Ask != "" {
			go func() { _ = enc.Encode(answer(ctx, env, p)) }() // it may end meanwhile
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

// answer asks whoever is here on behalf of the other process, which has one
// question at a time.
func answer(ctx context.Context, env *cli.Env, p piece) (r reply) {
	var err error
	if p.Ask == askLine {
		r.Text, err = env.Line(ctx, p.Question)
	} else {
		from := passphrase
		if p.Ask == askFile {
			from = carry.Ask
		}
		var s secret.Bytes
		if s, err = from(env, p.Question); err == nil {
			r.Text = string(s.Reveal())
		}
		s.Wipe()
	}
	if err != nil {
		r.Nobody = err.Error()
	}
	return r
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
	replies := make(chan reply)
	go func() { // the other side goes away: so does its command
		defer cancel()
		for {
			var r reply
			if in.Decode(&r) != nil {
				return
			}
			select {
			case replies <- r:
			case <-ctx.Done():
				return
			}
		}
	}()
	out := &pieces{enc: json.NewEncoder(conn)}
	ask := func(ctx context.Context, p piece) (string, error) {
		if err := out.write(p); err != nil {
			return "", err
		}
		select {
		case r := <-replies:
			if r.Nobody != "" {
				return "", errors.New(r.Nobody)
			}
			return r.Text, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	secretly := func(what string) func(string) ([]byte, error) {
		return func(question string) ([]byte, error) {
			text, err := ask(ctx, piece{Ask: what, Question: question})
			return []byte(text), err
		}
	}
	env := &cli.Env{
		Stdout: writer(func(s string) piece { return piece{Out: s} }, out),
		Stderr: writer(func(s string) piece { return piece{Err: s} }, out),
		Getenv: func(string) string { return "" }, Terminal: h.Terminal,
		Dir: h.Dir, Prompt: secretly(askSecret), Words: secretly(askFile),
		Ask: func(ctx context.Context, question string) (string, error) {
			return ask(ctx, piece{Ask: askLine, Question: question})
		},
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
