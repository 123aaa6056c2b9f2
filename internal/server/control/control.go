// Package control is the socket in the data directory over which byred's other
// commands talk to the running server: one JSON object asks, one answers, and
// where the answer is long its bytes follow. The socket's mode lets only the
// server's own user ask.
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

const (
	// timeout bounds a question, its answer, and each block of a long one.
	timeout = 10 * time.Second
	// maxQuestion is the longest question in bytes.
	maxQuestion = 64 << 10
	// maxOpen is how many questions are answered at a time. More wait in the
	// socket's queue; it is the operator alone who can ask.
	maxOpen = 16
	// acceptPause is how long the server waits when it can't accept, most often
	// for want of file handles.
	acceptPause = 100 * time.Millisecond
)

// ErrNotRunning says that no server answers at the socket.
var ErrNotRunning = errors.New("byred is not running on this data directory; start it, or name the right one with --data")

// request is a question as it travels.
type request struct {
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args,omitempty"`
}

// response is an answer as it travels. With Stream set, blocks follow it, and
// behind the empty block that ends them another response: how it ended.
type response struct {
	Error  string          `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Stream bool            `json:"stream,omitempty"`
}

// Op answers a question. args is what came with it as JSON, nil if nothing did.
// The result must marshal to JSON, or be a [Stream]. An error is told as it is,
// so it must be a sentence for people.
type Op func(ctx context.Context, args json.RawMessage) (any, error)

// Stream is a long answer: it writes to w until it is done. What it returned
// reaches the asker, who so never takes a broken answer for a whole one.
type Stream func(ctx context.Context, w io.Writer) error

// Ops are the questions a server answers, by name.
type Ops map[string]Op

// Server answers at a socket.
type Server struct {
	ln    net.Listener
	ops   Ops
	clock clock.Clock
	slots chan struct{}
	wg    sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
}

// Listen opens the socket at path, replacing one that a crash left. The caller
// holds the data directory's lock, so nobody else serves there.
func Listen(ctx context.Context, path string, ops Ops) (*Server, error) {
	ln, err := localsock.Listen(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return on(ln, ops), nil
}

func on(ln net.Listener, ops Ops) *Server {
	return &Server{ln: ln, ops: ops, clock: clock.System{}, slots: make(chan struct{}, maxOpen), open: map[net.Conn]struct{}{}}
}

// Serve answers until the socket is closed or ctx ends. A failure to accept is
// waited out: the socket stays for whoever asks next.
func (s *Server) Serve(ctx context.Context) {
	defer s.wg.Wait()
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		conn, err := s.ln.Accept()
		if err != nil {
			<-s.slots
			if errors.Is(err, net.ErrClosed) || s.clock.Sleep(ctx, acceptPause) != nil {
				return
			}
			continue
		}
		if !s.begin(conn) {
			_ = conn.Close()
			return
		}
		s.wg.Go(func() {
			defer func() { <-s.slots }()
			defer s.end(conn)
			s.answer(ctx, conn)
		})
	}
}

// Close ends Serve, cuts what is being answered, and removes the socket.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for conn := range s.open {
		_ = conn.Close()
	}
	s.mu.Unlock()
	return s.ln.Close()
}

func (s *Server) begin(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.open[conn] = struct{}{}
	return true
}

func (s *Server) end(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
	_ = conn.Close()
}

func (s *Server) answer(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	extend(conn)
	var q request
	if err := json.NewDecoder(io.LimitReader(conn, maxQuestion)).Decode(&q); err != nil {
		reply(conn, response{Error: "the question is no JSON object of at most 64 KiB"})
		return
	}
	op, ok := s.ops[q.Op]
	if !ok {
		reply(conn, response{Error: "this byred does not know the question; the command is of another version"})
		return
	}
	result, err := op(ctx, q.Args)
	if err != nil {
		reply(conn, response{Error: err.Error()})
		return
	}
	if stream, long := result.(Stream); long {
		reply(conn, response{Stream: true})
		w := &blocks{conn: conn}
		err := stream(ctx, w)
		if w.end() != nil {
			return // nobody listens any more
		}
		reply(conn, ended(err))
		return
	}
	raw, err := json.Marshal(result)
	if err != nil {
		reply(conn, response{Error: err.Error()})
		return
	}
	reply(conn, response{Result: raw})
}

func ended(err error) response {
	if err != nil {
		return response{Error: err.Error()}
	}
	return response{}
}

func reply(conn net.Conn, a response) {
	extend(conn)
	_ = json.NewEncoder(conn).Encode(a)
}

func extend(conn net.Conn) { _ = conn.SetDeadline(clock.System{}.Now().Add(timeout)) }

// Ask puts a question to the server at path and reads its answer into result,
// which may be nil. ctx ends it.
func Ask(ctx context.Context, path, op string, result any) error {
	return AskWith(ctx, path, op, nil, result)
}

// AskWith is [Ask] with an argument, which must marshal to JSON.
func AskWith(ctx context.Context, path, op string, args, result any) error {
	a, _, done, err := ask(ctx, path, op, args)
	if err != nil {
		return err
	}
	defer done()
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(a.Result, result); err != nil {
		return fmt.Errorf("ask byred: %w", err)
	}
	return nil
}

// Copy puts a question whose answer is long, and writes the answer to w. It
// returns nil only if the server said that the answer is whole.
func Copy(ctx context.Context, path, op string, args any, w io.Writer) error {
	a, conn, done, err := ask(ctx, path, op, args)
	if err != nil {
		return err
	}
	defer done()
	if !a.Stream {
		return errors.New("ask byred: the answer is of another kind; the command is of another version")
	}
	if err := copyBlocks(w, conn); err != nil {
		return err
	}
	var last response
	extend(conn.Conn)
	if err := json.NewDecoder(conn).Decode(&last); err != nil {
		return errCut
	}
	if last.Error != "" {
		return errors.New(last.Error)
	}
	return nil
}

// ask sends the question and reads the first answer. conn is nil after an
// error; else done closes it.
func ask(ctx context.Context, path, op string, args any) (response, *asked, func(), error) {
	q := request{Op: op}
	if args != nil {
		raw, err := json.Marshal(args)
		if err != nil {
			return response{}, nil, nil, fmt.Errorf("ask byred: %w", err)
		}
		q.Args = raw
	}
	dialled, err := localsock.Dial(ctx, path)
	if err != nil {
		return response{}, nil, nil, ErrNotRunning
	}
	stop := context.AfterFunc(ctx, func() { _ = dialled.Close() })
	done := func() { stop(); _ = dialled.Close() }
	conn := newAsked(dialled)
	extend(conn)
	err = json.NewEncoder(conn).Encode(q)
	var a response
	if err == nil {
		a, err = conn.response()
	}
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	} else if err != nil {
		err = fmt.Errorf("ask byred: %w", err)
	}
	if err != nil {
		done()
		return response{}, nil, nil, err
	}
	return a, conn, done, nil
}
