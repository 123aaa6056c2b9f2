package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/byre-messenger/byre/internal/transport"
	"github.com/byre-messenger/byre/internal/wire"
)

const (
	// readSize is one TLS record, so that what came together is handled
	// together.
	readSize = 16 << 10
	// patience ends a run in which the server says nothing any more.
	patience = 30 * time.Second
)

// conn is a thin client of the relay: TLS 1.3 and WebSocket frames, and nothing
// of a device behind them. It shares the machine with the server, so it must be
// cheap: one reader, no goroutine and no allocation for a message, and what is
// written while what came is handled leaves in one record. It is for one
// goroutine at a time.
type conn struct {
	tls *tls.Conn
	in  *bufio.Reader
	out []byte // WebSocket frames to be written
	buf []byte // the last frame that was read

	frame  wire.Frame // what is written; its parts are reused
	asked  wire.Request
	nextID uint64
}

// dialOptions say how to connect.
type dialOptions struct {
	from     net.IP                 // address of this side, nil: any
	sessions tls.ClientSessionCache // for resumption, nil: none
	small    bool                   // many of them: keep buffers small
}

// dial connects: TCP, TLS, WebSocket.
func dial(ctx context.Context, t *target, o dialOptions) (*conn, error) {
	d := net.Dialer{Timeout: patience}
	if o.from != nil {
		d.LocalAddr = &net.TCPAddr{IP: o.from}
	}
	raw, err := d.DialContext(ctx, "tcp", t.host)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	host, _, _ := net.SplitHostPort(t.host) // it was dialled
	size := readSize
	if o.small {
		size = 512
	}
	// As native clients do: hybrid post-quantum alone (DESIGN 4).
	secure := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: host, ClientSessionCache: o.sessions,
		InsecureSkipVerify: true, VerifyConnection: t.verify, //nolint:gosec // verify does it
		CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}, NextProtos: []string{"http/1.1"},
	})
	c := &conn{tls: secure, in: bufio.NewReaderSize(secure, size)}
	if err := c.upgrade(ctx, t.host); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

// upgrade does the TLS and WebSocket handshakes (RFC 6455 4.1).
func (c *conn) upgrade(ctx context.Context, host string) error {
	_ = c.tls.SetDeadline(machine.Now().Add(patience))
	if err := c.tls.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	// A key of random bytes is for proxies, of which there is none here.
	_, err := io.WriteString(c.tls, "GET "+transport.Path+" HTTP/1.1\r\nHost: "+host+
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YmVuY2ggYmVuY2ggYmVuYw==\r\n\r\n")
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("connect: the server answers %s", resp.Status)
	}
	return c.tls.SetDeadline(time.Time{})
}

func (c *conn) close() { _ = c.tls.NetConn().Close() }

// post queues a request and returns its id; flush sends it.
func (c *conn) post(body wire.RequestBody) uint64 {
	c.nextID++
	c.request(c.nextID, body)
	return c.nextID
}

func (c *conn) request(id uint64, body wire.RequestBody) {
	c.asked = wire.Request{Id: id, Body: body}
	c.frame.Body = &c.asked
	n := c.frame.EncodedLen()
	// RFC 6455 5.2: final, binary, masked. The mask is zero: it protects
	// proxies, and what it costs the server is the same.
	switch {
	case n < 126:
		c.out = append(c.out, 0x82, 0x80|byte(n)) //nolint:gosec // below 126
	case n < 1<<16:
		c.out = append(c.out, 0x82, 0x80|126)
		c.out = binary.BigEndian.AppendUint16(c.out, uint16(n))
	default:
		c.out = append(c.out, 0x82, 0x80|127)
		c.out = binary.BigEndian.AppendUint64(c.out, uint64(n))
	}
	c.out = append(c.out, 0, 0, 0, 0)
	c.out = c.frame.Append(c.out)
}

// flush writes what is queued.
func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.tls.Write(c.out)
	c.out = c.out[:0]
	return err
}

// more reports whether a whole frame can be read without waiting.
func (c *conn) more() bool {
	n := c.in.Buffered()
	if n < 2 {
		return false
	}
	head, err := c.in.Peek(min(n, 10))
	if err != nil {
		return false
	}
	h, length, ok := frameHead(head)
	return ok && n >= h+length
}

var errFraming = errors.New("the server breaks WebSocket framing")

// frameHead reads the head of an unmasked WebSocket frame: its own length and
// that of what follows.
func frameHead(b []byte) (head, length int, ok bool) {
	switch n := int(b[1] & 0x7f); {
	case n < 126:
		return 2, n, true
	case n == 126 && len(b) >= 4:
		return 4, int(binary.BigEndian.Uint16(b[2:])), true
	case n == 127 && len(b) >= 10 && binary.BigEndian.Uint64(b[2:]) <= 1<<21:
		return 10, int(binary.BigEndian.Uint64(b[2:])), true //nolint:gosec // bounded above
	}
	return 0, 0, false
}

// closedError says that the server closed the connection, and why.
type closedError struct{ reason string }

func (e closedError) Error() string { return "the server closed the connection: " + e.reason }

// read waits for the next frame, into f. What f holds is valid until the next
// read.
func (c *conn) read(f *wire.Frame) error {
	for {
		op, err := c.next()
		switch {
		case err != nil:
			return err
		case op == 0x8 && len(c.buf) >= 2:
			return closedError{string(c.buf[2:])}
		case op == 0x8:
			return closedError{"no reason"}
		case op == 0x2:
			return f.Parse(c.buf)
		}
		// Pings and pongs do not matter in runs of seconds.
	}
}

// next reads one WebSocket frame into buf.
func (c *conn) next() (op byte, err error) {
	head, err := c.in.Peek(2)
	if err != nil {
		return 0, err
	}
	if size := head[1] & 0x7f; size == 126 {
		head, err = c.in.Peek(4)
	} else if size == 127 {
		head, err = c.in.Peek(10)
	}
	if err != nil {
		return 0, err
	}
	h, length, ok := frameHead(head)
	if !ok || head[0]&0xf0 != 0x80 || head[1]&0x80 != 0 {
		return 0, errFraming
	}
	op = head[0] & 0x0f
	_, _ = c.in.Discard(h) // it was peeked at
	if cap(c.buf) < length {
		c.buf = make([]byte, length)
	}
	c.buf = c.buf[:length]
	_, err = io.ReadFull(c.in, c.buf)
	return op, err
}

// hello reads the relay's first frame.
func (c *conn) hello() (*wire.Hello, error) {
	var f wire.Frame
	if err := c.read(&f); err != nil {
		return nil, err
	}
	h, ok := f.Body.(*wire.Hello)
	if !ok {
		return nil, errors.New("the server's first frame is no Hello")
	}
	h.ServerKey, h.Nonce = append([]byte(nil), h.ServerKey...), append([]byte(nil), h.Nonce...)
	return h, nil
}

// ask sends one request and waits for its answer; pushes are skipped.
func (c *conn) ask(body wire.RequestBody) (wire.ResponseBody, error) {
	id := c.post(body)
	if err := c.flush(); err != nil {
		return nil, err
	}
	for {
		var f wire.Frame
		if err := c.read(&f); err != nil {
			return nil, err
		}
		if r, ok := f.Body.(*wire.Response); ok && r.Id == id {
			return r.Body, nil
		}
	}
}

// signIn opens the session of a device: the connection, then Hello and SignIn.
// It returns how many envelopes wait; they follow.
func (c *conn) signIn(d *device) (waiting int, err error) {
	h, err := c.hello()
	if err != nil {
		return 0, err
	}
	answer, err := c.ask(d.signIn(h))
	if err != nil {
		return 0, err
	}
	switch a := answer.(type) {
	case *wire.SignedIn:
		return int(a.Waiting), nil //nolint:gosec // a count
	case *wire.Failure:
		return 0, fmt.Errorf("a sign-in was refused: %s", a.Text)
	}
	return 0, errors.New("a sign-in got an answer of another kind")
}

// drained waits until all that waited at the sign-in was delivered.
func (c *conn) drained() error {
	for {
		var f wire.Frame
		if err := c.read(&f); err != nil {
			return err
		}
		if p, ok := f.Body.(*wire.Push); ok {
			if _, ok := p.Body.(*wire.Drained); ok {
				return nil
			}
		}
	}
}

// connect dials and signs in.
func connect(ctx context.Context, t *target, d *device, o dialOptions) (*conn, error) {
	c, err := dial(ctx, t, o)
	if err != nil {
		return nil, err
	}
	if _, err := c.signIn(d); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}
