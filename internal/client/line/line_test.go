package line

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// pipe is a connection whose other end is the test.
type pipe struct {
	in   chan []byte
	gone chan struct{}
	once sync.Once

	mu  sync.Mutex
	out []*wire.Request
}

func newPipe() *pipe { return &pipe{in: make(chan []byte, 16), gone: make(chan struct{})} }

var errGone = errors.New("gone")

func (p *pipe) Send(_ context.Context, b []byte) error {
	f := &wire.Frame{}
	if err := f.Parse(slices.Clone(b)); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = append(p.out, f.Body.(*wire.Request))
	return nil
}

func (p *pipe) Recv(ctx context.Context) ([]byte, error) {
	select {
	case b := <-p.in:
		return b, nil
	case <-p.gone:
		return nil, errGone
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipe) Close() error { p.once.Do(func() { close(p.gone) }); return nil }

func (p *pipe) says(body wire.FrameBody) {
	f := wire.Frame{Body: body}
	p.in <- f.Append(nil)
}

func (p *pipe) asked() []*wire.Request {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.out)
}

func hello() *wire.Hello {
	return &wire.Hello{ProtocolMin: 1, ProtocolMax: 1, ServerKey: sign.NewKey().Public(), Nonce: make([]byte, 32), RetentionHours: 72}
}

// talk opens a line that runs; done gets why it ended.
func talk(t *testing.T, pushed func(wire.PushBody)) (*Line, *pipe, <-chan error) {
	t.Helper()
	p := newPipe()
	p.says(hello())
	l, err := Open(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Run(pushed) }()
	return l, p, done
}

func TestAnswersFindTheirQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p, done := talk(t, func(wire.PushBody) {})
		var got []uint64
		for i := range uint64(3) {
			l.Request(&wire.AckGap{Generation: i}, func(body wire.ResponseBody, err error) {
				if _, ok := body.(*wire.Done); !ok || err != nil {
					t.Errorf("question %d: %v, %v", i, body, err)
				}
				got = append(got, i)
			})
		}
		l.Tell(&wire.Ack{N: 7})
		asked := p.asked()
		if len(asked) != 4 || asked[3].Body.(*wire.Ack).N != 7 {
			t.Fatalf("asked %v", asked)
		}
		for _, i := range []int{2, 0, 1} { // answers come in any order
			if asked[i].Body.(*wire.AckGap).Generation != uint64(i) {
				t.Errorf("question %d was written as %v", i, asked[i].Body)
			}
			p.says(&wire.Response{Id: asked[i].Id, Body: &wire.Done{}})
		}
		p.says(&wire.Response{Id: 1 << 40, Body: &wire.Done{}}) // to nothing
		synctest.Wait()
		if !slices.Equal(got, []uint64{2, 0, 1}) {
			t.Errorf("answered %v", got)
		}
		l.End(errGone)
		if err := <-done; !errors.Is(err, errGone) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestWhatIsOpenAtTheEndIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p, done := talk(t, func(wire.PushBody) {})
		answers := 0
		for range 3 {
			l.Request(&wire.ReadHeld{}, func(_ wire.ResponseBody, err error) {
				if answers++; !errors.Is(err, ErrOffline) {
					t.Errorf("answered %v", err)
				}
			})
		}
		_ = p.Close()
		if err := <-done; !errors.Is(err, errGone) {
			t.Errorf("ended with %v", err)
		}
		if answers != 3 {
			t.Errorf("%d of 3 were answered", answers)
		}
		if l.Request(&wire.ReadHeld{}, func(wire.ResponseBody, error) { t.Error("answered after the end") }) {
			t.Error("a line that ended takes questions")
		}
	})
}

func TestRefusalsAndPushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pushed []uint64
		l, p, done := talk(t, func(b wire.PushBody) { pushed = append(pushed, b.(*wire.Deliver).N) })
		l.Request(&wire.ReadHeld{}, func(_ wire.ResponseBody, err error) {
			if r, ok := errors.AsType[*RefusedError](err); !ok || r.Code != wire.FailureLimited || r.RetryAfter != time.Second {
				t.Errorf("refused with %v", err)
			}
		})
		asked := p.asked()
		p.says(&wire.Response{Id: asked[0].Id, Body: &wire.Failure{Code: wire.FailureLimited, Text: "slower", RetryAfterMs: 1000}})
		p.says(&wire.Push{Body: &wire.Deliver{N: 1}})
		p.says(&wire.Push{Body: &wire.Deliver{N: 2}})
		p.says(&wire.Push{Body: &wire.Superseded{}})
		if err := <-done; !errors.Is(err, ErrSuperseded) {
			t.Errorf("ended with %v", err)
		}
		if !slices.Equal(pushed, []uint64{1, 2}) {
			t.Errorf("pushed %v", pushed)
		}
	})
}

func TestHellos(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*wire.Hello)
		pin    []byte
		want   error
	}{
		"good":             {func(*wire.Hello) {}, nil, nil},
		"another key":      {func(*wire.Hello) {}, sign.NewKey().Public(), ErrServerKey},
		"kept too long":    {func(h *wire.Hello) { h.RetentionHours = 96 }, nil, ErrRetention},
		"a newer protocol": {func(h *wire.Hello) { h.ProtocolMin = 9 }, nil, ErrProtocol},
	} {
		p, h := newPipe(), hello()
		c.change(h)
		p.says(h)
		if _, err := Open(t.Context(), p, c.pin); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		select {
		case <-p.gone:
			if c.want == nil {
				t.Errorf("%s: the connection was closed", what)
			}
		default:
			if c.want != nil {
				t.Errorf("%s: the connection is still open", what)
			}
		}
	}
	p := newPipe()
	p.says(&wire.Push{Body: &wire.Drained{}})
	if _, err := Open(t.Context(), p, nil); !errors.Is(err, ErrNonsense) {
		t.Errorf("no hello: %v", err)
	}
}

func TestASilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, err := Open(t.Context(), newPipe(), nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a server that says nothing: %v", err)
		}
	})
}
