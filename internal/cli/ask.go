package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errNobody says that a question has no answer.
var errNobody = errors.New("nobody answers: run it on a terminal, or give the answers on its input, a line each")

// maxLine is how long an answer may be, in bytes.
const maxLine = 1024

// Line asks a question and returns the line that is answered, without the spaces
// around it. It returns ctx's error when that ends before; what is typed then is
// lost.
func (e *Env) Line(ctx context.Context, question string) (string, error) {
	if e.Ask != nil {
		return e.Ask(ctx, question)
	}
	_, _ = fmt.Fprint(e.Stderr, question)
	type line struct {
		text string
		err  error
	}
	got := make(chan line, 1)
	go func() {
		text, err := readLine(e.Stdin)
		got <- line{text, err}
	}()
	select {
	case l := <-got:
		return l.text, l.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// readLine reads no more than a line: what follows may be a passphrase.
func readLine(r io.Reader) (string, error) {
	if r == nil {
		return "", errNobody
	}
	var text []byte
	for b := make([]byte, 1); len(text) < maxLine; {
		n, err := r.Read(b)
		if n == 1 && b[0] == '\n' {
			break
		}
		text = append(text, b[:n]...)
		if errors.Is(err, io.EOF) && len(text) > 0 {
			break
		} else if err != nil {
			return "", errNobody
		}
	}
	return strings.TrimSpace(string(text)), nil
}
