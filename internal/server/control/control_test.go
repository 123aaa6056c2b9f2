package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/byre-messenger/byre/internal/localsock"
	"github.com/byre-messenger/byre/internal/server/control"
)

// long is an answer of more than one block.
var long = bytes.Repeat([]byte("moo "), 100_000)

var ops = control.Ops{
	"status": func(context.Context, json.RawMessage) (any, error) { return 42, nil },
	"fail":   func(context.Context, json.RawMessage) (any, error) { return nil, errors.New("the disk is full") },
	"echo": func(_ context.Context, args json.RawMessage) (any, error) {
		var s string
		err := json.Unmarshal(args, &s)
		return s, err
	},
	"long": func(context.Context, json.RawMessage) (any, error) {
		return control.Stream(func(_ context.Context, w io.Writer) error { _, err := w.Write(long); return err }), nil
	},
	"broken": func(context.Context, json.RawMessage) (any, error) {
		return control.Stream(func(_ context.Context, w io.Writer) error {
			_, _ = w.Write(long)
			return errors.New("a record does not open")
		}), nil
	},
}

// serve answers at a new socket until the test ends.
func serve(t *testing.T, ops control.Ops) (path string, s *control.Server) {
	t.Helper()
	dir, err := os.MkdirTemp("", "byre") //nolint:usetesting // the socket's path must stay short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path = filepath.Join(dir, "control.sock")
	// What a crash left must not stand in the way.
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = control.Listen(t.Context(), path, ops)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { s.Serve(t.Context()); close(done) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return path, s
}

func TestTheOperatorAsks(t *testing.T) {
	var n int
	if err := control.Ask(t.Context(), filepath.Join(t.TempDir(), "none"), "status", &n); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("without a server: %v", err)
	}
	path, _ := serve(t, ops)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode: %v, %v", info.Mode(), err)
	}
	if err := control.Ask(t.Context(), path, "status", &n); err != nil || n != 42 {
		t.Errorf("status: %d, %v", n, err)
	}
	if err := control.Ask(t.Context(), path, "fail", &n); err == nil || err.Error() != "the disk is full" {
		t.Errorf("fail: %v", err)
	}
	if err := control.Ask(t.Context(), path, "read everything", &n); err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("an unknown question: %v", err)
	}
	var said string
	if err := control.AskWith(t.Context(), path, "echo", "안녕", &said); err != nil || said != "안녕" {
		t.Errorf("echo: %q, %v", said, err)
	}
}

func TestALongAnswerIsWholeOrAnError(t *testing.T) {
	path, s := serve(t, ops)
	var got bytes.Buffer
	if err := control.Copy(t.Context(), path, "long", nil, &got); err != nil || !bytes.Equal(got.Bytes(), long) {
		t.Errorf("%d bytes, %v; want %d", got.Len(), err, len(long))
	}
	if err := control.Copy(t.Context(), path, "broken", nil, io.Discard); err == nil || err.Error() != "a record does not open" {
		t.Errorf("an answer that broke: %v", err)
	}
	if err := control.Copy(t.Context(), path, "status", nil, io.Discard); err == nil || !strings.Contains(err.Error(), "another kind") {
		t.Errorf("a short answer where a long one was meant: %v", err)
	}
	// The server goes in the middle.
	if err := control.Copy(t.Context(), path, "long", nil, closing{s}); err == nil {
		t.Error("half an answer passed for a whole one")
	}
}

// closing ends a server when the first bytes of its answer come.
type closing struct{ s *control.Server }

func (c closing) Write(p []byte) (int, error) { return len(p), c.s.Close() }

func TestManyAskAtOnce(t *testing.T) {
	path, _ := serve(t, ops)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			var said string
			if err := control.AskWith(t.Context(), path, "echo", fmt.Sprint(i), &said); err != nil || said != fmt.Sprint(i) {
				t.Errorf("asked %d, heard %q, %v", i, said, err)
			}
		})
	}
	wg.Wait()
}

func TestBadQuestions(t *testing.T) {
	path, _ := serve(t, ops)
	for what, question := range map[string]string{
		"no JSON":         "GET / HTTP/1.1\r\n\r\n",
		"longer than all": `{"op":"` + strings.Repeat("x", 1<<20) + `"}`,
		"no operation":    "{}\n",
	} {
		conn, err := localsock.Dial(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, question) }()
		var a struct{ Error string }
		if err := json.NewDecoder(conn).Decode(&a); err != nil || !strings.HasPrefix(a.Error, "th") {
			t.Errorf("%s: %q, %v; want a sentence", what, a.Error, err)
		}
		_ = conn.Close()
	}
	var n int
	if err := control.Ask(t.Context(), path, "status", &n); err != nil || n != 42 {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

// TestAnInterruptedAskerLetsGo: Ctrl-C ends a command whose answer does not
// come.
func TestAnInterruptedAskerLetsGo(t *testing.T) {
	asked, stop := make(chan struct{}), make(chan struct{})
	path, _ := serve(t, control.Ops{"wait": func(context.Context, json.RawMessage) (any, error) {
		close(asked)
		<-stop
		return nil, nil
	}})
	defer close(stop)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if err := control.Ask(ctx, path, "wait", nil); err == nil {
		t.Error("an answer came from nowhere")
	}
}

// flaky is a listener that fails now and then, as when file handles run out.
type flaky struct {
	net.Listener

	left int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, errors.New("accept: too many open files")
	}
	return f.Listener.Accept()
}

func TestServeOutlivesAFailedAccept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c")
	ln, err := localsock.Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	s := control.On(&flaky{ln, 2}, ops)
	done := make(chan struct{})
	go func() { s.Serve(t.Context()); close(done) }()
	var n int
	if err := control.Ask(t.Context(), path, "status", &n); err != nil || n != 42 {
		t.Errorf("after two failures: %d, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-done
}
