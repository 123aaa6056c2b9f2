//go:build js && wasm

package browser

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall/js"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
)

// Path is where a server speaks the relay protocol.
const Path = "/byre/v1"

// Bounds of a connection.
const (
	// maxWaiting is how many bytes may wait to be read; the relay has at most
	// 4 MiB of deliveries under way.
	maxWaiting = 16 << 20
	// maxBuffered is how many bytes the browser may hold before Send waits.
	maxBuffered = 4 << 20
	bufferPause = 20 * time.Millisecond
	dialTimeout = 20 * time.Second
	busyPause   = 5 * time.Second
	maxPause    = time.Hour
)

// What may go wrong; a browser says no more than this of a connection. Each text
// says what to do.
var (
	ErrAddress   = errors.New("the server's address must look like https://host:port")
	ErrDown      = errors.New("the server can't be reached: check your network; byre tries again by itself")
	ErrBusy      = errors.New("the server is busy")
	ErrGoingDown = errors.New("the server is going down or starts anew")
	ErrLost      = errors.New("the connection to the server was lost")
	ErrEnded     = errors.New("the server ended the connection: reload this page, or ask the operator to update byred")
)

// Dialer opens connections to one server. It is safe for concurrent use.
type Dialer struct {
	// URL is the server's address as the page has it: https, or http on this
	// machine.
	URL   string
	Clock clock.Clock
}

// address returns where the WebSocket is.
func (d Dialer) address() (string, error) {
	for scheme, ws := range map[string]string{"https://": "wss://", "http://": "ws://"} {
		if host, ok := strings.CutPrefix(d.URL, scheme); ok && host != "" && !strings.ContainsAny(host, "/?#@ ") {
			return ws + host + Path, nil
		}
	}
	return "", fmt.Errorf("%w (not %q)", ErrAddress, d.URL)
}

// Dial connects. The error is one of those above.
func (d Dialer) Dial(ctx context.Context) (*Conn, error) {
	url, err := d.address()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c := &Conn{clock: d.Clock, opened: make(chan struct{}), closed: make(chan struct{}), more: make(chan struct{}, 1)}
	c.ws = js.Global().Get("WebSocket").New(url)
	c.ws.Set("binaryType", "arraybuffer")
	c.on("open", func(js.Value) { close(c.opened) })
	c.on("message", c.message)
	c.on("close", func(ev js.Value) { c.end(ended(ev.Get("code").Int(), ev.Get("reason").String())) })
	// Without a network the socket would notice only when it speaks.
	c.offline = js.FuncOf(func(js.Value, []js.Value) any { c.end(ErrLost); return nil })
	js.Global().Call("addEventListener", "offline", c.offline)
	select {
	case <-c.opened:
		return c, nil
	case <-c.closed:
		if errors.Is(c.why, ErrLost) {
			return nil, ErrDown
		}
		return nil, c.why
	case <-ctx.Done():
		c.end(ErrDown)
		return nil, ErrDown
	}
}

// Conn is one connection. Send and Recv may run at the same time, but each has
// one caller at a time.
type Conn struct {
	ws      js.Value
	clock   clock.Clock
	opened  chan struct{} // closed when it is open
	more    chan struct{} // there is something to read
	funcs   []js.Func
	offline js.Func

	mu      sync.Mutex
	queue   [][]byte
	waiting int           // bytes in queue
	closed  chan struct{} // closed when why is set
	why     error
}

// on calls f for an event of the socket. Callbacks must not wait.
func (c *Conn) on(event string, f func(ev js.Value)) {
	cb := js.FuncOf(func(_ js.Value, args []js.Value) any { f(args[0]); return nil })
	c.funcs = append(c.funcs, cb)
	c.ws.Set("on"+event, cb)
}

func (c *Conn) message(ev js.Value) {
	data := ev.Get("data")
	if data.Type() == js.TypeString {
		c.end(ErrEnded)
		return
	}
	a := js.Global().Get("Uint8Array").New(data)
	frame := make([]byte, a.Get("length").Int())
	js.CopyBytesToGo(frame, a)
	c.mu.Lock()
	c.queue = append(c.queue, frame)
	c.waiting += len(frame)
	over := c.waiting > maxWaiting
	c.mu.Unlock()
	if over {
		c.end(ErrLost)
		return
	}
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// end ends the connection, once.
func (c *Conn) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return
	}
	c.why = why
	close(c.closed)
	for _, event := range []string{"onopen", "onmessage", "onclose"} {
		c.ws.Set(event, js.Null())
	}
	js.Global().Call("removeEventListener", "offline", c.offline)
	c.ws.Call("close")
	for _, f := range append(c.funcs, c.offline) {
		f.Release()
	}
}

// Send hands one frame to the browser, and waits while that holds too much.
func (c *Conn) Send(ctx context.Context, frame []byte) error {
	for c.ws.Get("bufferedAmount").Int() > maxBuffered {
		if err := c.clock.Sleep(ctx, bufferPause); err != nil {
			return err
		}
		select {
		case <-c.closed:
			return c.why
		default:
		}
	}
	a := js.Global().Get("Uint8Array").New(len(frame))
	js.CopyBytesToJS(a, frame)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return c.why
	}
	c.ws.Call("send", a)
	return nil
}

// Recv returns the next frame; it is the caller's.
func (c *Conn) Recv(ctx context.Context) ([]byte, error) {
	for {
		c.mu.Lock()
		if len(c.queue) > 0 {
			frame := c.queue[0]
			c.queue[0] = nil
			c.queue = c.queue[1:]
			c.waiting -= len(frame)
			c.mu.Unlock()
			return frame, nil
		}
		why := c.why
		c.mu.Unlock()
		if why != nil {
			return nil, why
		}
		select {
		case <-c.more:
		case <-c.closed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close ends the connection without waiting for the other side.
func (c *Conn) Close() error {
	c.end(ErrLost)
	return nil
}

// busyError is the failure of a server that asks to come again.
type busyError struct{ after time.Duration }

func (b busyError) Error() string {
	return ErrBusy.Error() + " (come again in " + b.after.String() + ")"
}
func (b busyError) Unwrap() error             { return ErrBusy }
func (b busyError) RetryAfter() time.Duration { return b.after }

// ended turns a close code (RFC 6455 7.4.1) into one of this package's errors.
func ended(code int, reason string) error {
	switch code {
	case 1013:
		seconds, _ := strings.CutPrefix(reason, "retry-after=")
		after, _ := strconv.Atoi(seconds)
		pause := time.Duration(min(after, 1<<20)) * time.Second
		if pause <= 0 || pause > maxPause {
			pause = busyPause
		}
		return busyError{pause}
	case 1001, 1012:
		return ErrGoingDown
	case 1005, 1006:
		return ErrLost
	default:
		return fmt.Errorf("%w (code %d)", ErrEnded, code)
	}
}
