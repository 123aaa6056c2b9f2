package control

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"testing"
)

// onetime is a connection whose peer says one thing and then no more.
type onetime struct {
	net.Conn

	question io.Reader
}

func (a onetime) Read(b []byte) (int, error) { return a.question.Read(b) }

// FuzzQuestion puts anything to the control socket: it is answered with JSON
// that says something, and the server is done with it.
func FuzzQuestion(f *testing.F) {
	for _, q := range []string{`{"op":"status"}`, `{"op":"nothing"}`, `{"op":1}`, `[`, ``, `{"op":"status","args":{"a":[1,2,{"b":null}]}}`, `{"op":"status"}{"op":"status"}`, "\xff\x00"} {
		f.Add([]byte(q))
	}
	s := &Server{ops: Ops{"status": func(context.Context, json.RawMessage) (any, error) { return map[string]int{"cows": 7}, nil }}}
	f.Fuzz(func(t *testing.T, question []byte) {
		mine, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.answer(t.Context(), onetime{theirs, bytes.NewReader(question)})
			_ = theirs.Close()
		}()
		said, _ := io.ReadAll(mine)
		<-done
		_ = mine.Close()
		var a response
		if err := json.NewDecoder(bytes.NewReader(said)).Decode(&a); err != nil {
			t.Fatalf("answered %q: %v", said, err)
		}
		if a.Error == "" && len(a.Result) == 0 {
			t.Errorf("answered nothing: %q", said)
		}
	})
}
