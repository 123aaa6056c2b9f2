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
	"strconv"
	"strings"
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
	// maxAnswer is how many bytes of headers the server may answer with.
	maxAnswer = 64 << 10
	// busyPause is what a server means that is too busy to say how long it will
	// be.
	busyPause = 5 * time.Second
)

// What may go wrong with a connection; each text says what to do.
var (
	ErrAddress   = errors.New("the server's address must look like https://host:port")
	ErrUntrusted = errors.New("the server's certificate is not signed by an authority this device trusts; if it is your own server, pass its ca.pem with --ca")
	ErrClock     = errors.New("the server's certificate is not valid at this time: look at the clock of this device, then ask the server's operator")
	ErrOtherName = errors.New("the server's certificate is for other names than the one in the address: use one of those, or ask its operator to add it ('byred serve --name')")
	ErrDown      = errors.New("the server can't be reached; check the address and that byred is running")
	ErrNotByre   = errors.New("the address answers, but not as a byre server")
	// ErrBusy comes with a pause: see Busy.
	ErrBusy = errors.New("the server is busy")
	// The connection stood, and ended.
	ErrGoingDown = errors.New("the server is going down or starts anew")
	ErrLost      = errors.New("the connection to the server was lost")
	ErrEnded     = errors.New("the server ended the connection")
)

// Dialer opens connections to one server. It is safe for concurrent use.
type Dialer struct {
	// URL is the server's https address.
	URL string
	// Roots are the authorities trusted for it; nil means the system's.
	Roots *x509.CertPool
	// Clock paces the pings and tells whether a certificate is valid.
	Clock clock.Clock

	dial func(ctx context.Context, network, addr string) (net.Conn, error) // nil: the network's
}

// Dial connects. The error is one of those above, with its cause.
func (d Dialer) Dial(ctx context.Context) (*Conn, error) {
	u, err := url.Parse(d.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%w (not %q)", ErrAddress, d.URL)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dial := d.dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	client := &http.Client{
		Transport: &http.Transport{
			DialContext: dial,
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS13,
				RootCAs:    d.Roots,
				Time:       d.Clock.Now,
				// Hybrid post-quantum alone: a recording of today's traffic
				// must not open to a quantum computer (DESIGN 4).
				CurvePreferences: []tls.CurveID{tls.X25519MLKEM768},
				NextProtos:       []string{"http/1.1"},
			},
			TLSHandshakeTimeout:    dialTimeout,
			MaxResponseHeaderBytes: maxAnswer,
			// What answers and is no byre server must not stay connected.
			DisableKeepAlives: true,
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
	retry    time.Duration
}

// RetryAfter is how long the server asks to wait, 0 if it does not say.
func (f *failure) RetryAfter() time.Duration { return f.retry }

// busy is the failure of a server that asks to come again.
func busy(retry time.Duration, cause error) error {
	if retry <= 0 || retry > time.Hour {
		retry = busyPause
	}
	return &failure{ErrBusy, "come again in " + retry.String(), cause, retry}
}

func (f *failure) Error() string {
	if f.detail == "" {
		return f.sentence.Error()
	}
	return f.sentence.Error() + " (" + f.detail + ")"
}

func (f *failure) Unwrap() []error { return []error{f.sentence, f.cause} }

func failed(sentence error, detail string, cause error) error {
	return &failure{sentence, detail, cause, 0}
}

// errShed is internal_error (RFC 8446 6): a byred that has no room says no
// more than that.
const errShed tls.AlertError = 80

// explain turns a failed dial into one of this package's errors.
func explain(err error, resp *http.Response) error {
	if resp != nil && resp.StatusCode == http.StatusServiceUnavailable {
		after, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return busy(time.Duration(min(after, 1<<20))*time.Second, err)
	}
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		return failed(ErrNotByre, fmt.Sprintf("HTTP status %d", resp.StatusCode), err)
	}
	op, isOp := errors.AsType[*net.OpError](err)
	if isOp && op.Op == "remote error" && op.Err.Error() == errShed.Error() {
		return busy(0, err)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired { // or not yet valid
		return failed(ErrClock, "", err)
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return failed(ErrOtherName, "", err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return failed(ErrUntrusted, "", err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return failed(ErrNotByre, "no TLS", err)
	}
	if isOp {
		return failed(ErrDown, op.Err.Error(), err)
	}
	return failed(ErrDown, "", err)
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
		return nil, ended(err)
	}
	if kind != websocket.MessageBinary {
		return nil, fmt.Errorf("%w: a text frame", ErrNotByre)
	}
	return b, nil
}

// ended turns the end of a connection into one of this package's errors. What
// the server says of it is told in our words: a person reads them.
func ended(err error) error {
	end, ok := errors.AsType[websocket.CloseError](err)
	if !ok {
		return failed(ErrLost, "", err)
	}
	if end.Code == websocket.StatusTryAgainLater {
		seconds, _ := strings.CutPrefix(end.Reason, "retry-after=")
		after, _ := strconv.Atoi(seconds)
		return busy(time.Duration(min(after, 1<<20))*time.Second, err)
	}
	if known, ok := endings[end.Code]; ok {
		return failed(known.sentence, known.detail, err)
	}
	return failed(ErrEnded, fmt.Sprintf("code %d", end.Code), err)
}

// endings are the codes with which a server ends a connection, in our words.
var endings = map[websocket.StatusCode]failure{
	websocket.StatusGoingAway:       {sentence: ErrGoingDown},
	websocket.StatusServiceRestart:  {sentence: ErrGoingDown},
	websocket.StatusInternalError:   {sentence: ErrEnded, detail: "it can't read or write its data"},
	websocket.StatusProtocolError:   {sentence: ErrEnded, detail: "it could not read what this byre said: update byre, or ask the operator to update byred"},
	websocket.StatusPolicyViolation: {sentence: ErrEnded, detail: "this byre asked too much of it before it signed in"},
	websocket.StatusMessageTooBig:   {sentence: ErrEnded, detail: "this byre sent more at once than it takes: update byre"},
}

// Close ends the connection without waiting for the other side.
func (c *Conn) Close() error {
	c.stop()
	return c.ws.CloseNow()
}
