// Package transport carries frames between a device and its server over one TLS
// 1.3 WebSocket (docs/spec/relay.md). It knows nothing of what frames say.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"

	"github.com/byre-messenger/byre/internal/clock"
)

// Path is where a server speaks the relay protocol.
const Path = "/byre/v1"

// Bounds of a connection.
const (
	// maxFrame is the longest frame in bytes, either way.
	maxFrame = 1 << 20
	// dialTimeout bounds the time to a usable connection.
	dialTimeout = 20 * time.Second
	// pingEvery keeps a silent connection open: the server ends one after two
	// minutes without a sign of life.
	pingEvery   = 45 * time.Second
	pingTimeout = 30 * time.Second
)

// What may go wrong with a connection; each text says what to do.
var (
	ErrAddress   = errors.New("the server's address must look like https://host:port")
	ErrUntrusted = errors.New("the server's certificate is not signed by an authority this device trusts; if it is your own server, pass its ca.pem with --ca")
	ErrClock     = errors.New("the server's certificate is not valid at this time: look at the clock of this device, then ask the server's operator")
	ErrOtherName = errors.New("the server's certificate is for other names than the one in the address: use one of those, or ask its operator to add it ('byred serve --name')")
	ErrDown      = errors.New("the server can't be reached; check the address and that byred is running")
	ErrNotByre   = errors.New("the address answers, but not as a byre server")
)

// Dialer opens connections to one server. It is safe for concurrent use.
type Dialer struct {
	// URL is the server's https address.
	URL string
	// Roots are the authorities trusted for it; nil means the system's.
	Roots *x509.CertPool
	// Clock paces the pings and tells whether a certificate is valid.
	Clock clock.Clock
}

// Dial connects. The error is one of those above, with its cause.
func (d Dialer) Dial(ctx context.Context) (*Conn, error) {
	u, err := url.Parse(d.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%w (not %q)", ErrAddress, d.URL)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dialer := &net.Dialer{}
	client := &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext,
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS13,
				RootCAs:    d.Roots,
				Time:       d.Clock.Now,
				// Hybrid post-quantum alone: a recording of today's traffic
				// must not open to a quantum computer (DESIGN 4).
				CurvePreferences: []tls.CurveID{tls.X25519MLKEM768},
				NextProtos:       []string{"http/1.1"},
			},
			TLSHandshakeTimeout: dialTimeout,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	//nolint:bodyclose // the WebSocket owns the body of a successful upgrade
	ws, resp, err := websocket.Dial(ctx, "wss://"+u.Host+Path, &websocket.DialOptions{
		HTTPClient:      client,
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, explain(err, resp)
	}
	ws.SetReadLimit(maxFrame)
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Conn{ws: ws, stop: func() { stop(); client.CloseIdleConnections() }}
	go c.keepAlive(alive, d.Clock)
	return c, nil
}

// failure is one of this package's sentences with the cause behind it, which
// callers reach with errors.As; people are shown its last word alone.
type failure struct {
	sentence error
	detail   string
	cause    error
}

func (f *failure) Error() string {
	if f.detail == "" {
		return f.sentence.Error()
	}
	return f.sentence.Error() + " (" + f.detail + ")"
}

func (f *failure) Unwrap() []error { return []error{f.sentence, f.cause} }

// explain turns a failed dial into one of this package's errors.
func explain(err error, resp *http.Response) error {
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		return &failure{ErrNotByre, resp.Status, err}
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired { // or not yet valid
		return &failure{ErrClock, "", err}
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return &failure{ErrOtherName, "", err}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &failure{ErrUntrusted, "", err}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return &failure{ErrNotByre, "no TLS", err}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return &failure{ErrDown, op.Err.Error(), err}
	}
	return &failure{ErrDown, "", err}
}

// Conn is one connection. Send and Recv may run at the same time, but each has
// one caller at a time.
type Conn struct {
	ws   *websocket.Conn
	stop func()
}

// keepAlive pings until ctx ends, and ends the connection where no answer comes:
// Recv, which must be running, is where the answers arrive.
func (c *Conn) keepAlive(ctx context.Context, clk clock.Clock) {
	for clk.Sleep(ctx, pingEvery) == nil {
		ping, cancel := context.WithTimeout(ctx, pingTimeout)
		err := c.ws.Ping(ping)
		cancel()
		if err != nil && ctx.Err() == nil {
			_ = c.ws.CloseNow()
			return
		}
	}
}

// Send hands one frame to the network.
func (c *Conn) Send(ctx context.Context, frame []byte) error {
	return c.ws.Write(ctx, websocket.MessageBinary, frame)
}

// Recv returns the next frame; it is the caller's.
func (c *Conn) Recv(ctx context.Context) ([]byte, error) {
	kind, b, err := c.ws.Read(ctx)
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageBinary {
		return nil, fmt.Errorf("%w: a text frame", ErrNotByre)
	}
	return b, nil
}

// Close ends the connection without waiting for the other side.
func (c *Conn) Close() error {
	c.stop()
	return c.ws.CloseNow()
}
