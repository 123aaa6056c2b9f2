// Package control is the socket in the data directory over which byred's other
// commands talk to the running server: one JSON object asks, one answers. The
// socket's mode lets only the server's own user ask.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/localsock"
)

// timeout bounds one question and its answer.
const timeout = 10 * time.Second

// maxQuestion is the longest question in bytes.
const maxQuestion = 64 << 10

// ErrNotRunning says that no server answers at the socket.
var ErrNotRunning = errors.New("byred is not running on this data directory; start it, or name the right one with --data")

// request is a question as it travels.
type request struct {
	Op string `json:"op"`
}

// response is an answer as it travels.
type response struct {
	Error  string          `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// Ops are the questions a server answers, by name. A result must marshal to
// JSON.
type Ops map[string]func(context.Context) (any, error)

// Server answers at a socket.
type Server struct {
	ln  net.Listener
	ops Ops
	wg  sync.WaitGroup
}

// Listen opens the socket at path, replacing one that a crash left. The caller
// holds the data directory's lock, so nobody else serves there.
func Listen(ctx context.Context, path string, ops Ops) (*Server, error) {
	ln, err := localsock.Listen(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return &Server{ln: ln, ops: ops}, nil
}

// Serve answers until the socket is closed.
func (s *Server) Serve(ctx context.Context) {
	defer s.wg.Wait()
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.answer(ctx, conn) })
	}
}

// Close ends Serve and removes the socket.
func (s *Server) Close() error { return s.ln.Close() }

func (s *Server) answer(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(clock.System{}.Now().Add(timeout))
	var q request
	var a response
	if err := json.NewDecoder(io.LimitReader(conn, maxQuestion)).Decode(&q); err != nil {
		a.Error = "the question is no JSON object"
	} else if op, ok := s.ops[q.Op]; !ok {
		a.Error = "this byred does not know the question; the command is of another version"
	} else if result, err := op(ctx); err != nil {
		a.Error = err.Error()
	} else if a.Result, err = json.Marshal(result); err != nil {
		a.Error = err.Error()
	}
	_ = json.NewEncoder(conn).Encode(a)
}

// Ask puts a question to the server at path and reads its answer into result.
func Ask(ctx context.Context, path, op string, result any) error {
	conn, err := localsock.Dial(ctx, path)
	if err != nil {
		return ErrNotRunning
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(clock.System{}.Now().Add(timeout))
	if err := json.NewEncoder(conn).Encode(request{op}); err != nil {
		return fmt.Errorf("ask byred: %w", err)
	}
	var a response
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		return fmt.Errorf("ask byred: %w", err)
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return json.Unmarshal(a.Result, result)
}
